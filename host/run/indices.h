/* SPDX-License-Identifier: MIT
 * The image indices of a run: which are still to be generated, who has them, which are done.
 * Resuming, several devices and several processes all work by these indices alone. */
#ifndef FFCL_RUN_INDICES_H
#define FFCL_RUN_INDICES_H

#include "error.h"

typedef struct ffcl_indices ffcl_indices;

/* The indices first, first + step, ... below count, all to be generated. */
int ffcl_indices_open(ffcl_indices **out, size_t count, size_t first, size_t step,
                      ffcl_error *err);
void ffcl_indices_close(ffcl_indices **indices);

/* All functions below may be called from any thread. */

/* Gives owner (1 to 65535) up to n of the lowest indices left, in ascending order; returns how
 * many.  0: none is left, or they were stopped.  With wait, 0 only comes when nobody has indices
 * that might still be given back. */
size_t ffcl_indices_take(ffcl_indices *indices, size_t owner, size_t *list, size_t n, int wait);

/* The image exists, generated now or kept from an earlier run. */
void ffcl_indices_done(ffcl_indices *indices, size_t index);

/* An index that its owner will not finish, or all that the owner has; others may take them. */
void ffcl_indices_give_back(ffcl_indices *indices, size_t index);
size_t ffcl_indices_give_back_all(ffcl_indices *indices, size_t owner);

/* From now on nothing is given out. */
void ffcl_indices_stop(ffcl_indices *indices);
int ffcl_indices_is_stopped(ffcl_indices *indices);

/* How many there are, how many are done, how many somebody has; any may be NULL. */
void ffcl_indices_count(ffcl_indices *indices, size_t *total, size_t *done, size_t *taken);

/* Waits, at most ms milliseconds, until nobody has an index and none will be given out any more;
 * 1: so it is. */
int ffcl_indices_wait(ffcl_indices *indices, unsigned ms);

#endif
