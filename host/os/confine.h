/* SPDX-License-Identifier: MIT
 * Gives up, for this process and all that it starts, the files that it does not need: Linux's
 * Landlock. */
#ifndef FFCL_OS_CONFINE_H
#define FFCL_OS_CONFINE_H

#include <stddef.h>

#include "error.h"

/* A file, or a folder with all below it.  Both kinds of rules allow reading. */
typedef struct ffcl_confine_rule {
    char *path;
    enum { FFCL_CONFINE_RUNS, FFCL_CONFINE_WRITES } allows;     /* running programs, or writing */
} ffcl_confine_rule;

enum { FFCL_CONFINE_RULES = 1024 };

typedef struct ffcl_confine_rules {
    ffcl_confine_rule rule[FFCL_CONFINE_RULES];
    size_t n;
    int is_short;               /* of memory, or of room */
} ffcl_confine_rules;

/* Adds the path, which may be NULL or "": nothing; what does not exist counts for nothing. */
void ffcl_confine_allow(ffcl_confine_rules *rules, const char *path, int allows);

/* Adds the folder of a file, and of what it leads to where it is a link. */
void ffcl_confine_allow_folder_of(ffcl_confine_rules *rules, const char *path, int allows);

/* Adds what every process needs: libraries, drivers, devices, the program itself. */
void ffcl_confine_allow_system(ffcl_confine_rules *rules);

/* From here on the files of the rules alone can be opened, and no TCP connection can be made (Linux
 * 6.7 and later).  What is open stays open.  FFCL_EUSAGE: the kernel has no Landlock, or a thread
 * runs already, which would not be held; FFCL_ENOMEM. */
int ffcl_confine_enter(const ffcl_confine_rules *rules, ffcl_error *err);

/* Frees the paths. */
void ffcl_confine_close(ffcl_confine_rules *rules);

#endif
