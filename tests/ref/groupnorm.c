/* SPDX-License-Identifier: MIT
 * out[b][p][c] = (x - mean[b][g]) / sqrt(var[b][g] + eps) * gamma[c] + beta[c], g = c / (C / G),
 * mean and (biased) variance over the pixels and channels of a group; then x sigmoid(x). */
#include <math.h>

#include "ref.h"

/* Group g of the image x (P, C). */
static void group(double *out, const float *x, const float *gamma, const float *beta, size_t P,
                  size_t C, size_t first, size_t width, double eps, int with_silu)
{
    double mean = 0.0, var = 0.0, n = (double)(P * width);
    for (size_t p = 0; p < P; p++)
        for (size_t c = first; c < first + width; c++)
            mean += (double)x[p * C + c] / n;
    for (size_t p = 0; p < P; p++)
        for (size_t c = first; c < first + width; c++)
            var += ((double)x[p * C + c] - mean) * ((double)x[p * C + c] - mean) / n;
    for (size_t p = 0; p < P; p++)
        for (size_t c = first; c < first + width; c++) {
            double v = ((double)x[p * C + c] - mean) / sqrt(var + eps) * (double)gamma[c] +
                       (double)beta[c];
            out[p * C + c] = with_silu ? v / (1.0 + exp(-v)) : v;
        }
}

void ffcl_ref_groupnorm(double *out, const float *x, const float *gamma, const float *beta,
                        size_t B, size_t P, size_t C, size_t G, double eps, int with_silu)
{
    size_t width = C / G;
    for (size_t b = 0; b < B; b++)
        for (size_t g = 0; g < G; g++)
            group(out + b * P * C, x + b * P * C, gamma, beta, P, C, g * width, width, eps,
                  with_silu);
}
