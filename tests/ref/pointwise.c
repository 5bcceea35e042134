/* SPDX-License-Identifier: MIT
 * rule 0: max(x, 0); 1: 3 tanh(factor x / 3); 2: 2 x - 1. */
#include <math.h>

#include "ref.h"

void ffcl_ref_pointwise(double *out, const float *x, size_t n, int rule, float factor)
{
    for (size_t e = 0; e < n; e++) {
        const double v = (double)x[e];
        out[e] = rule == 0 ? (v < 0.0 ? 0.0 : v)
                 : rule == 1 ? 3.0 * tanh((double)factor * v / 3.0)
                             : 2.0 * v - 1.0;
    }
}
