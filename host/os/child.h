/* SPDX-License-Identifier: MIT
 * A process for work that a driver may crash or hang in: the program itself, started anew with a
 * command that reads its job from stdin and writes its answer to stdout. */
#ifndef FFCL_OS_CHILD_H
#define FFCL_OS_CHILD_H

#include "error.h"

typedef enum ffcl_child_end {
    FFCL_CHILD_DONE,            /* it ended by itself with exit code 0 */
    FFCL_CHILD_FAILED,          /* with another */
    FFCL_CHILD_CRASHED,         /* by a signal */
    FFCL_CHILD_HUNG             /* it was ended after its time */
} ffcl_child_end;

typedef struct ffcl_child {
    const char *program;        /* started as  PROGRAM COMMAND */
    const char *command;
    const char *job;            /* for its stdin, at most 60 KB */
    /* Names and values for its environment, NULL-terminated; those of `usual` only where they are
     * not set.  NULL: none. */
    const char *const *set, *const *usual;
    double seconds;             /* after which it is ended */
    char *answer;               /* (size) out: what it wrote, cut there */
    size_t size;
    ffcl_child_end end;         /* out */
    double took;                /* out: seconds */
} ffcl_child;

/* Starts the process and waits for its end.  FFCL_ENOMEM, FFCL_EUSAGE where it cannot be started at
 * all. */
int ffcl_child_run(ffcl_child *child, ffcl_error *err);

#endif
