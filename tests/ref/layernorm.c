/* SPDX-License-Identifier: MIT
 * out[r][d] = v weight[d] (1 + scale[b][d]) + shift[b][d], b = r / T, where v is
 * (x[r][d] - mean_r) / sqrt(var_r + eps), mean and (biased) variance over d, or, as RMS norm,
 * x[r][d] / sqrt(mean over d of x[r][d]^2 + eps). */
#include <math.h>

#include "ref.h"

void ffcl_ref_norm(double *out, const float *x, const ffcl_ref_norm_desc *n)
{
    for (size_t r = 0; r < n->B * n->T; r++) {
        const float *in = x + r * n->D;
        const size_t mod = r / n->T * n->mod_ld;
        double mean = 0.0, var = 0.0;
        for (size_t d = 0; d < n->D && !n->rms; d++)
            mean += (double)in[d];
        mean /= (double)n->D;
        for (size_t d = 0; d < n->D; d++)
            var += ((double)in[d] - mean) * ((double)in[d] - mean);
        var /= (double)n->D;
        for (size_t d = 0; d < n->D; d++)
            out[r * n->D + d] =
                ((double)in[d] - mean) / sqrt(var + n->eps) *
                    (n->weight ? (double)n->weight[d] : 1.0) *
                    (1.0 + (n->scale ? (double)n->scale[mod + d] : 0.0)) +
                (n->shift ? (double)n->shift[mod + d] : 0.0);
    }
}

/* x[r][d] = add[r][d] + gate[b][d] (bias[d] + sum over s of partial[s][r][d]); no bias where it is
 * NULL. */
void ffcl_ref_residual(double *x, const float *add, const float *partial, size_t n,
                       const float *bias, const float *gate, size_t gate_ld, size_t T, size_t rows,
                       size_t D)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t d = 0; d < D; d++) {
            double sum = bias ? (double)bias[d] : 0.0;
            for (size_t s = 0; s < n; s++)
                sum += (double)partial[(s * rows + r) * D + d];
            x[r * D + d] = (double)add[r * D + d] + (double)gate[r / T * gate_ld + d] * sum;
        }
}
