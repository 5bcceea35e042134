/* SPDX-License-Identifier: MIT
 * out[r][f] = silu(x[r][f]) x[r][F + f], f < F, 0 up to out_ld; silu(v) = v / (1 + exp(-v)). */
#include <math.h>

#include "ref.h"

void ffcl_ref_swiglu(double *out, const float *x, size_t rows, size_t F, size_t x_ld,
                     size_t out_ld)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t f = 0; f < out_ld; f++) {
            const double gate = (double)x[r * x_ld + f % F], up = (double)x[r * x_ld + F + f % F];
            out[r * out_ld + f] = f < F ? gate / (1.0 + exp(-gate)) * up : 0.0;
        }
}
