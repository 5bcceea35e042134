/* SPDX-License-Identifier: MIT
 * out[r][c] = exp(scale in[r][c]) / sum over c of the same. */
#include <math.h>

#include "ref.h"

void ffcl_ref_softmax(double *out, const float *in, double scale, size_t rows, size_t n)
{
    for (size_t r = 0; r < rows; r++) {
        double top = -INFINITY, sum = 0.0;
        for (size_t c = 0; c < n; c++)
            top = fmax(top, scale * (double)in[r * n + c]);
        for (size_t c = 0; c < n; c++)
            sum += out[r * n + c] = exp(scale * (double)in[r * n + c] - top);
        for (size_t c = 0; c < n; c++)
            out[r * n + c] /= sum;
    }
}
