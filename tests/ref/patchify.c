/* SPDX-License-Identifier: MIT
 * rows[(b, gy, gx)][(c, i, j)] = z[b][c][gy p + i][gx p + j], and back from rows that hold
 * (i, j, c) for c < Cout, of which the first C channels are kept. */
#include "ref.h"

void ffcl_ref_patchify(double *rows, const float *z, size_t B, size_t C, size_t R, size_t p)
{
    size_t G = R / p;
    for (size_t b = 0; b < B; b++)
        for (size_t gy = 0; gy < G; gy++)
            for (size_t gx = 0; gx < G; gx++)
                for (size_t c = 0; c < C; c++)
                    for (size_t i = 0; i < p; i++)
                        for (size_t j = 0; j < p; j++)
                            *rows++ = (double)z[((b * C + c) * R + gy * p + i) * R + gx * p + j];
}

void ffcl_ref_unpatchify(double *out, const float *rows, size_t B, size_t C, size_t Cout, size_t R,
                         size_t p)
{
    size_t G = R / p;
    for (size_t b = 0; b < B; b++)
        for (size_t gy = 0; gy < G; gy++)
            for (size_t gx = 0; gx < G; gx++)
                for (size_t i = 0; i < p; i++)
                    for (size_t j = 0; j < p; j++)
                        for (size_t c = 0; c < Cout; c++) {
                            double v = (double)*rows++;
                            if (c < C)
                                out[((b * C + c) * R + gy * p + i) * R + gx * p + j] = v;
                        }
}
