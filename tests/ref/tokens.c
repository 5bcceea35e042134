/* SPDX-License-Identifier: MIT
 * Token i of image b: parameter i plus its embedding, of the class or of scalar k, for prefix
 * tokens; then the patches; plus the position. */
#include "ref.h"

void ffcl_ref_join_tokens(double *x, const float *patches, const float *parameter,
                          const float *table, const int32_t *y, const float *scalars,
                          const float *pos, const size_t *ends, size_t K, size_t S, size_t B,
                          size_t T, size_t D)
{
    const size_t n = ends[K];
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < n + T; i++)
            for (size_t d = 0; d < D; d++) {
                double v = 0.0;
                if (i >= n)
                    v = (double)patches[(b * T + i - n) * D + d];
                else if (i < ends[0])
                    v = (double)parameter[i * D + d] + (double)table[(size_t)y[b] * D + d];
                for (size_t k = 0; k < K; k++)
                    if (i >= ends[k] && i < ends[k + 1])
                        v = (double)parameter[i * D + d] +
                            (double)scalars[(b % S * K + k) * D + d];
                x[(b * (n + T) + i) * D + d] = v + (pos ? (double)pos[i * D + d] : 0.0);
            }
}

void ffcl_ref_drop_prefix(double *patches, const float *x, size_t n, size_t B, size_t T, size_t D)
{
    for (size_t b = 0; b < B; b++)
        for (size_t e = 0; e < T * D; e++)
            patches[b * T * D + e] = (double)x[(b * (n + T) + n) * D + e];
}
