/* SPDX-License-Identifier: MIT
 * Scalar: out[b] = [cos(t f_i) | sin(t f_i)], f_i = 10000^(-i / 128), i < 128.
 * Label: out[b] = table[y[b]].  SiLU: x / (1 + exp(-x)). */
#include <math.h>

#include "ref.h"

void ffcl_ref_embed_scalar(double *out, const float *t, size_t B)
{
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < 128; i++) {
            double angle = (double)t[b] * pow(10000.0, -(double)i / 128.0);
            out[b * 256 + i] = cos(angle);
            out[b * 256 + 128 + i] = sin(angle);
        }
}

void ffcl_ref_embed_condition(double *out, const float *table, const int32_t *y, const float *sum,
                              size_t rows, size_t B, size_t D)
{
    for (size_t b = 0; b < B; b++)
        for (size_t d = 0; d < D; d++) {
            const float label = table[(size_t)y[b] * D + d];
            const float c = rows ? label + sum[b % rows * D + d] : label;
            out[b * D + d] = (double)c / (1.0 + exp(-(double)c));
        }
}
