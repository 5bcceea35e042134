/* SPDX-License-Identifier: MIT */
#include "selfcheck/reference.h"

#include <math.h>
#include <stdlib.h>

#include "backend.h"
#include "ffcl.h"

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* sqrt(2 / pi) and 0.044715: PyTorch's GELU(approximate='tanh'). */
static double gelu(double v)
{
    return 0.5 * v * (1.0 + tanh(0.7978845608028654 * (v + 0.044715 * v * v * v)));
}

void ffcl_reference_gemm_gelu(float *out, const float *a, const float *w, const float *bias,
                              size_t M, size_t N, size_t K)
{
    for (size_t m = 0; m < M; m++)
        for (size_t n = 0; n < N; n++) {
            double sum = bias[n];
            for (size_t k = 0; k < K; k++)
                sum += (double)a[m * K + k] * (double)w[ffcl_tiled_at(n, k, K)];
            out[m * N + n] = (float)gelu(sum);
        }
}

/* The nine taps of pixel (y, x); line: an output's weights (9, C). */
static double at_pixel(const float *image, const float *line, size_t side, size_t C, size_t y,
                       size_t x)
{
    double sum = 0;
    for (size_t tap = 0; tap < 9; tap++) {
        const size_t iy = y + tap / 3, ix = x + tap % 3;       /* one more than the pixel's */
        if (iy >= 1 && iy <= side && ix >= 1 && ix <= side)
            sum += dot(image + ((iy - 1) * side + ix - 1) * C, line + tap * C, C);
    }
    return sum;
}

int ffcl_reference_conv(float *out, const float *x, const float *w, const float *bias, size_t side,
                        size_t C, size_t N)
{
    float *line = malloc(9 * C * sizeof *line);
    if (!line)
        return FFCL_ENOMEM;
    for (size_t n = 0; n < N; n++) {
        for (size_t k = 0; k < 9 * C; k++)
            line[k] = w[ffcl_tiled_at(n, k, 9 * C)];
        for (size_t p = 0; p < side * side; p++)
            out[p * N + n] = (float)(bias[n] + at_pixel(x, line, side, C, p / side, p % side));
    }
    free(line);
    return 0;
}

/* Weights (T) of the keys for a query; ld: between the keys. */
static void softmax(double *weights, const float *query, const float *keys, size_t T, size_t Dh,
                    size_t ld)
{
    double most = -INFINITY, sum = 0;
    for (size_t s = 0; s < T; s++) {
        weights[s] = dot(query, keys + s * ld, Dh) / sqrt((double)Dh);
        most = fmax(most, weights[s]);
    }
    for (size_t s = 0; s < T; s++)
        sum += weights[s] = exp(weights[s] - most);
    for (size_t s = 0; s < T; s++)
        weights[s] /= sum;
}

int ffcl_reference_attention(float *out, const float *qkv, size_t T, size_t H, size_t Dh)
{
    const size_t D = H * Dh, ld = 3 * D;
    double *weights = malloc(T * sizeof *weights);
    if (!weights)
        return FFCL_ENOMEM;
    for (size_t t = 0; t < T; t++)
        for (size_t h = 0; h < H; h++) {
            const float *v = qkv + 2 * D + h * Dh;
            softmax(weights, qkv + t * ld + h * Dh, qkv + D + h * Dh, T, Dh, ld);
            for (size_t c = 0; c < Dh; c++) {
                double sum = 0;
                for (size_t s = 0; s < T; s++)
                    sum += weights[s] * (double)v[s * ld + c];
                out[t * D + h * Dh + c] = (float)sum;
            }
        }
    free(weights);
    return 0;
}
