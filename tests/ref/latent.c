/* SPDX-License-Identifier: MIT
 * Steps of samplers (terms that are not there are NULL), guidance, channels' means and deviations,
 * and the decoder's start: conv(point(factor latent)), the latent (B, C, R, R)
 * and the result NHWC, w (N, C, k, k) and point (C, C) as torch stores them, out-channel first. */
#include "ref.h"

void ffcl_ref_latent_update(double *out, const float *const term[4], const float c[4], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = 0.0;
        for (int k = 0; k < 4; k++)
            if (term[k])
                out[i] += (double)c[k] * (double)term[k][i];
    }
}

void ffcl_ref_latent_guide(double *out, const float *F, float scale, size_t guided, size_t B,
                           size_t C, size_t P)
{
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < C; c++)
            for (size_t p = 0; p < P; p++) {
                double yes = (double)F[(b * C + c) * P + p];
                double no = (double)F[((B + b) * C + c) * P + p];
                *out++ = c < guided ? no + (double)scale * (yes - no) : yes;
            }
}

void ffcl_ref_latent_affine(double *out, const float *x, const float *times, const float *plus,
                            size_t B, size_t C, size_t P)
{
    for (size_t b = 0; b < B; b++)
        for (size_t c = 0; c < C; c++)
            for (size_t p = 0; p < P; p++)
                *out++ = (double)*x++ * (double)times[c] + (double)plus[c];
}

/* Channel c of one pixel before the convolution; in points to the pixel in channel 0's plane. */
static double entered(const float *in, float factor, const float *point, const float *point_bias,
                      size_t C, size_t P, size_t c)
{
    if (!point)
        return (double)factor * (double)in[c * P];
    double sum = (double)point_bias[c];
    for (size_t i = 0; i < C; i++)
        sum += (double)factor * (double)in[i * P] * (double)point[c * C + i];
    return sum;
}

void ffcl_ref_latent_conv(double *out, const float *latent, float factor, const float *point,
                          const float *point_bias, const float *w, const float *bias, size_t B,
                          size_t C, size_t R, size_t N, size_t k)
{
    for (size_t b = 0; b < B; b++)
        for (size_t y = 0; y < R; y++)
            for (size_t x = 0; x < R; x++)
                for (size_t o = 0; o < N; o++) {
                    double sum = (double)bias[o];
                    for (size_t tap = 0; tap < k * k; tap++) {
                        /* These wrap around above the image: too large. */
                        size_t iy = y + tap / k - k / 2, ix = x + tap % k - k / 2;
                        for (size_t c = 0; iy < R && ix < R && c < C; c++)
                            sum += entered(latent + b * C * R * R + iy * R + ix, factor, point,
                                           point_bias, C, R * R, c) *
                                   (double)w[(o * C + c) * k * k + tap];
                    }
                    *out++ = sum;
                }
}
