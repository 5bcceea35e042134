/* SPDX-License-Identifier: MIT
 * Gives up, for this process and all that it starts, the files that it does not need: Linux's
 * Landlock. */
#ifndef FFCL_CONFINE_H
#define FFCL_CONFINE_H

#include <stddef.h>

#include "error.h"

/* A file, or a folder with all below it.  Both kinds of rules allow reading. */
typedef struct ffcl_confine_rule {
    const char *path;
    enum { FFCL_CONFINE_RUNS, FFCL_CONFINE_WRITES } allows;     /* running programs, or writing */
} ffcl_confine_rule;

/* From here on the files of the rules alone can be opened, and no TCP connection can be made (Linux
 * 6.7 and later).  What is open stays open.  Rules of what does not exist count for nothing.
 * FFCL_EUSAGE: the kernel has no Landlock, or a thread runs already, which would not be held. */
int ffcl_confine(const ffcl_confine_rule *rules, size_t n, ffcl_error *err);

#endif
