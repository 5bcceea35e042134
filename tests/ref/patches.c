/* SPDX-License-Identifier: MIT
 * A token's patch is z[b][c][gy p + i][gx p + j] in the order (c, i, j), its embedding
 *   x[(b, gy, gx)][d] = sum over (c, i, j) patch W[(c, i, j)][d] + bias[d] + pos[(gy, gx)][d];
 * and back, v = sum over k of h[(b, gy, gx)][k] W[k][(i, j, c)] + bias[(i, j, c)] is
 *   out[b][c][gy p + i][gx p + j], for the first C of Cout channels c. */
#include "ref.h"

void ffcl_ref_patch_embed(double *x, const float *z, const float *w, const float *bias,
                          const float *pos, size_t B, size_t C, size_t R, size_t p, size_t D)
{
    size_t G = R / p;
    for (size_t b = 0; b < B; b++)
        for (size_t gy = 0; gy < G; gy++)
            for (size_t gx = 0; gx < G; gx++)
                for (size_t d = 0; d < D; d++) {
                    double v = (double)bias[d];
                    for (size_t c = 0; c < C; c++)
                        for (size_t i = 0; i < p; i++)
                            for (size_t j = 0; j < p; j++)
                                v += (double)z[((b * C + c) * R + gy * p + i) * R + gx * p + j] *
                                     (double)w[((c * p + i) * p + j) * D + d];
                    if (pos)
                        v += (double)pos[(gy * G + gx) * D + d];
                    *x++ = v;
                }
}

void ffcl_ref_unpatch(double *out, const float *h, const float *w, const float *bias, size_t B,
                      size_t C, size_t Cout, size_t R, size_t p, size_t K)
{
    size_t G = R / p, N = p * p * Cout;
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < C; c++)
            for (size_t y = 0; y < R; y++)
                for (size_t x = 0; x < R; x++) {
                    size_t n = (y % p * p + x % p) * Cout + c;
                    const float *row = h + ((b * G + y / p) * G + x / p) * K;
                    double v = (double)bias[n];
                    for (size_t k = 0; k < K; k++)
                        v += (double)row[k] * (double)w[k * N + n];
                    *out++ = v;
                }
}
