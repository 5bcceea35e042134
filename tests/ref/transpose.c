/* SPDX-License-Identifier: MIT
 * out[c][r] = in[r][c]. */
#include "ref.h"

void ffcl_ref_transpose(double *out, const float *in, size_t rows, size_t cols,
                        size_t in_ld)
{
    for (size_t c = 0; c < cols; c++)
        for (size_t r = 0; r < rows; r++)
            out[c * rows + r] = (double)in[r * in_ld + c];
}
