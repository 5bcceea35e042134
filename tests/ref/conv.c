/* SPDX-License-Identifier: MIT
 * out[b][y][x][o] = bias[o] + sum over ky, kx, c of in[b][y + ky - k/2][x + kx - k/2][c] *
 * w[o][c][ky][kx] + add[b][y][x][o], with zeros outside the picture; w as torch stores it.
 * Nearest upsample: out[b][y][x][c] = in[b][y / 2][x / 2][c]. */
#include "ref.h"

#include <stdlib.h>

/* The sum of one output: in is one picture, w one output channel. */
static double tap_sum(const float *in, const float *w, size_t y, size_t x, size_t Hh, size_t Ww,
                      size_t C, size_t k)
{
    double sum = 0.0;
    for (size_t ky = 0; ky < k; ky++)
        for (size_t kx = 0; kx < k; kx++) {
            size_t iy = y + ky - k / 2, ix = x + kx - k / 2;    /* wraps around: too large */
            if (iy >= Hh || ix >= Ww)
                continue;
            for (size_t c = 0; c < C; c++)
                sum += (double)in[(iy * Ww + ix) * C + c] * (double)w[(c * k + ky) * k + kx];
        }
    return sum;
}

void ffcl_ref_conv(double *out, const float *x, const float *w, const float *bias,
                   const float *add, size_t B, size_t Hh, size_t Ww, size_t C, size_t Cout,
                   size_t k)
{
    for (size_t b = 0; b < B; b++)
        for (size_t py = 0; py < Hh; py++)
            for (size_t px = 0; px < Ww; px++)
                for (size_t o = 0; o < Cout; o++) {
                    size_t to = ((b * Hh + py) * Ww + px) * Cout + o;
                    out[to] = (double)bias[o] + tap_sum(x + b * Hh * Ww * C, w + o * C * k * k,
                                                        py, px, Hh, Ww, C, k);
                    if (add)
                        out[to] += (double)add[to];
                }
}

static void upsample(float *out, const float *x, size_t B, size_t Hh, size_t Ww, size_t C)
{
    for (size_t b = 0; b < B; b++)
        for (size_t y = 0; y < 2 * Hh; y++)
            for (size_t px = 0; px < 2 * Ww; px++)
                for (size_t c = 0; c < C; c++)
                    *out++ = x[((b * Hh + y / 2) * Ww + px / 2) * C + c];
}

void ffcl_ref_upsample_conv(double *out, const float *x, const float *w, const float *bias,
                            const float *add, size_t B, size_t Hh, size_t Ww, size_t C,
                            size_t Cout, size_t k)
{
    float *large = malloc(4 * B * Hh * Ww * C * sizeof *large);
    if (!large)
        return;                         /* what is wanted stays 0: the case fails */
    upsample(large, x, B, Hh, Ww, C);
    ffcl_ref_conv(out, large, w, bias, add, B, 2 * Hh, 2 * Ww, C, Cout, k);
    free(large);
}
