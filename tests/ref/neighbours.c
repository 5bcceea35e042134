/* SPDX-License-Identifier: MIT
 * Squared distances aa[i] + bb[j] - 2 dot[i][j], not below 0: the four least of a row, ascending,
 * and whether a row lies within the reach of a column. */
#include <math.h>

#include "ref.h"

static double distance(const float *dot, const float *aa, const float *bb, size_t N, size_t i,
                       size_t j)
{
    return fmax((double)aa[i] + (double)bb[j] - 2.0 * (double)dot[i * N + j], 0.0);
}

void ffcl_ref_nearest(double *nearest, const float *before, const float *dot, const float *aa,
                      const float *bb, size_t M, size_t N)
{
    for (size_t i = 0; i < M; i++) {
        double *best = nearest + 4 * i;
        for (size_t k = 0; k < 4; k++)
            best[k] = (double)before[4 * i + k];
        for (size_t j = 0; j < N; j++) {
            double d = distance(dot, aa, bb, N, i, j);
            for (size_t k = 0; k < 4; k++)
                if (d < best[k]) {
                    const double kept = best[k];
                    best[k] = d;
                    d = kept;
                }
        }
    }
}

void ffcl_ref_inside(double *in_row, const int32_t *before, const float *of_col, const float *dot,
                     const float *aa, const float *bb, size_t M, size_t N)
{
    for (size_t i = 0; i < M; i++) {
        in_row[i] = before[i];
        for (size_t j = 0; j < N; j++)
            if (distance(dot, aa, bb, N, i, j) <= (double)of_col[j])
                in_row[i] = 1.0;
    }
}
