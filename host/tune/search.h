/* SPDX-License-Identifier: MIT
 * Which sets of CLBlast's parameters are worth a try next. */
#ifndef FFCL_TUNE_SEARCH_H
#define FFCL_TUNE_SEARCH_H

#include "tuning.h"

/* Gives the k-th set that is known to suit some device, for the kernel that begins with row
 * `first`: -1 where there are no more. */
int ffcl_search_known(ffcl_tuning *t, size_t first, size_t k);

/* A random set of the kernel that the device can run; near: a neighbour of what t has, one or two
 * values apart.  -1 where none was found.  *random is the state of the generator. */
int ffcl_search_random(ffcl_tuning *t, size_t first, const ffcl_caps *caps, int near,
                       uint64_t *random);

/* A uniform number below n. */
size_t ffcl_search_below(uint64_t *random, size_t n);

#endif
