/* SPDX-License-Identifier: MIT
 * A few host threads that share the tasks of one job.  They sleep in between: threads that spin
 * would take the processors from the device's own. */
#ifndef FFCL_BLAS_TEAM_H
#define FFCL_BLAS_TEAM_H

#include "error.h"

typedef struct ffcl_team ffcl_team;

/* A team of `threads` (at least 1), the caller of ffcl_team_run being one of them. */
int ffcl_team_open(ffcl_team **out, size_t threads, ffcl_error *err);
void ffcl_team_close(ffcl_team **team);

/* Calls task(user, i) once for each i below n, in any order, by several threads at once; returns
 * when all are done.  Not to be called by two threads at a time. */
void ffcl_team_run(ffcl_team *team, void (*task)(void *user, size_t i), void *user, size_t n);

#endif
