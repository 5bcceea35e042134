/* SPDX-License-Identifier: MIT */
#include "tune/gain.h"

#include <math.h>

int ffcl_tune_gain(const double *gains, size_t n, double *mean, double *spread)
{
    double least = INFINITY, most = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        least = fmin(least, gains[i]);
        most = fmax(most, gains[i]);
        sum += gains[i];
    }
    *mean = n ? sum / (double)n : 0;
    *spread = n ? most - least : 0;
    return n >= FFCL_TUNE_LEAST_ROUNDS && *mean > *spread && *mean > 0.01;
}
