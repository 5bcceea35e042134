/* SPDX-License-Identifier: MIT
 * Whether a difference of times is more than noise. */
#ifndef FFCL_TUNE_GAIN_H
#define FFCL_TUNE_GAIN_H

#include <stddef.h>

/* Rounds of the comparison at the end. */
enum { FFCL_TUNE_LEAST_ROUNDS = 3, FFCL_TUNE_ROUNDS = 7 };

/* Of n gains, logarithms of how many times as fast one is as the other in interleaved rounds: their
 * mean and their spread, from the least to the greatest.  1 where the mean is above the spread and
 * above 1 %: the difference then is none of the machine's ups and downs. */
int ffcl_tune_gain(const double *gains, size_t n, double *mean, double *spread);

#endif
