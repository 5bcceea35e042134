/* SPDX-License-Identifier: MIT
 * out[r][d] = (x[r][d] - mean_r) / sqrt(var_r + eps) * (1 + scale[b][d]) + shift[b][d],
 * mean and (biased) variance over d, b = r / T. */
#include <math.h>

#include "ref.h"

void ffcl_ref_layernorm_modulate(double *out, const float *x, const float *mod, size_t mod_ld,
                                 size_t shift_at, size_t scale_at, size_t B, size_t T, size_t D,
                                 double eps)
{
    for (size_t r = 0; r < B * T; r++) {
        const float *in = x + r * D;
        const float *m = mod + r / T * mod_ld;
        double mean = 0.0, var = 0.0;
        for (size_t d = 0; d < D; d++)
            mean += (double)in[d];
        mean /= (double)D;
        for (size_t d = 0; d < D; d++)
            var += ((double)in[d] - mean) * ((double)in[d] - mean);
        var /= (double)D;
        for (size_t d = 0; d < D; d++)
            out[r * D + d] = ((double)in[d] - mean) / sqrt(var + eps) *
                                 (1.0 + (double)m[scale_at + d]) + (double)m[shift_at + d];
    }
}

/* x[r][d] = add[r][d] + gate[b][d] (bias[d] + sum over s of partial[s][r][d]). */
void ffcl_ref_residual(double *x, const float *add, const float *partial, size_t n,
                       const float *bias, const float *gate, size_t gate_ld, size_t T, size_t rows,
                       size_t D)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < D; d++) {
            double sum = (double)bias[d];
            for (size_t s = 0; s < n; s++)
                sum += (double)partial[(s * rows + r) * D + d];
            x[r * D + d] = (double)add[r * D + d] + (double)gate[r / T * gate_ld + d] * sum;
        }
}
