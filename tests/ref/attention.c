/* SPDX-License-Identifier: MIT
 * out[b][t][h] = sum_s softmax_s(q[b][t][h] . k[b][s][h] / sqrt(Dh)) v[b][s][h]; a row of qkv is
 * [q | k | v], each H x Dh. */
#include <math.h>

#include "ref.h"

/* One query: in is this image's qkv from the head's first column on. */
static void query(double *out, const float *in, size_t t, size_t T, size_t width, size_t Dh)
{
    const size_t ld = 3 * width;
    double top = -INFINITY, sum = 0.0;
    for (size_t d = 0; d < Dh; d++)
        out[d] = 0.0;
    /* Twice over the keys, first for the largest score, which keeps exp from overflowing. */
    for (int pass = 0; pass < 2; pass++)
        for (size_t s = 0; s < T; s++) {
            const float *q = in + t * ld, *k = in + s * ld + width, *v = k + width;
            double score = 0.0;
            for (size_t d = 0; d < Dh; d++)
                score += (double)q[d] * (double)k[d];
            score /= sqrt((double)Dh);
            if (pass == 0) {
                top = fmax(top, score);
                continue;
            }
            double weight = exp(score - top);
            sum += weight;
            for (size_t d = 0; d < Dh; d++)
                out[d] += weight * (double)v[d];
        }
    for (size_t d = 0; d < Dh; d++)
        out[d] /= sum;
}

void ffcl_ref_attention(double *out, const float *qkv, size_t B, size_t T, size_t H, size_t Dh)
{
    size_t width = H * Dh;
    for (size_t b = 0; b < B; b++)
        for (size_t t = 0; t < T; t++)
            for (size_t h = 0; h < H; h++)
                query(out + (b * T + t) * width + h * Dh, qkv + b * T * 3 * width + h * Dh, t, T,
                      width, Dh);
}

double ffcl_ref_attention_at(const float *qkv, size_t T, size_t H, size_t Dh, size_t index)
{
    double out[512];
    const size_t width = H * Dh, row = index / width, column = index % width;
    query(out, qkv + row / T * T * 3 * width + column / Dh * Dh, row % T, T, width, Dh);
    return out[column % Dh];
}
