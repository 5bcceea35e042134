/* SPDX-License-Identifier: MIT
 * qkv as [q | k | v], heads of Dh columns; each head of q and k is normed (0: not at all, 1: by its
 * root mean square, 2: as a layer norm), times weight (plus bias), then its pairs are turned. */
#include <math.h>

#include "ref.h"

static void norm_head(double *v, const float *in, const float *weight, const float *bias, size_t Dh,
                      int norm, double eps)
{
    double mean = 0.0, square = 0.0;
    for (size_t d = 0; d < Dh && norm == 2; d++)
        mean += (double)in[d] / (double)Dh;
    for (size_t d = 0; d < Dh; d++)
        square += ((double)in[d] - mean) * ((double)in[d] - mean) / (double)Dh;
    for (size_t d = 0; d < Dh; d++) {
        v[d] = (double)in[d];
        if (norm)
            v[d] = (v[d] - mean) / sqrt(square + eps) * (double)weight[d];
        if (norm == 2)
            v[d] += (double)bias[d];
    }
}

static void turn(double *v, const float *rope, size_t Dh)
{
    for (size_t d = 0; d < Dh; d += 2) {
        const double a = v[d], b = v[d + 1], c = (double)rope[d], s = (double)rope[d + 1];
        v[d] = a * c - b * s;
        v[d + 1] = a * s + b * c;
    }
}

void ffcl_ref_qk_norm(double *out, const float *qkv, const float *weight, const float *bias,
                      const float *rope, size_t B, size_t T, size_t H, size_t Dh, int norm,
                      double eps)
{
    for (size_t row = 0; row < B * T; row++)
        for (size_t h = 0; h < 3 * H; h++) {
            const size_t at = (row * 3 * H + h) * Dh, which = h / H;
            for (size_t d = 0; d < Dh; d++)
                out[at + d] = (double)qkv[at + d];
            if (which == 2)
                continue;
            norm_head(out + at, qkv + at, weight + which * Dh, bias + which * Dh, Dh, norm, eps);
            if (rope)
                turn(out + at, rope + row % T * Dh, Dh);
        }
}
