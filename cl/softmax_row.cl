/* SPDX-License-Identifier: MIT
 * Softmax of float32 rows in place, one work-item a row, in vectors of VW floats (VW divides n);
 * for CPUs.
 *   x[r][c] = exp(scale (x[r][c] - max_r)) / sum over c of the same
 * x (rows, n) dense; log2_scale = scale log2(e).  No local memory.  Global (rows rounded up). */
#include "vector.clh"

__kernel void softmax_row(__global float *x, int rows, int n, float log2_scale)
{
    int row = get_global_id(0);
    if (row >= rows)
        return;
    __global float *at = x + (size_t)row * n;
    float top = at[0], kept[VW];
    vec most = (vec)(top), sums = (vec)(0.0f);
    for (int c = 0; c < n; c += VW)
        most = fmax(most, LOAD_FLOATS(at + c));
    STORE_FLOATS(most, kept);
    for (int i = 0; i < VW; i++)
        top = fmax(top, kept[i]);
    for (int c = 0; c < n; c += VW) {
        vec v = exp2((LOAD_FLOATS(at + c) - top) * log2_scale);
        STORE_FLOATS(v, at + c);
        sums += v;
    }
    float inv = 1.0f / lanes(sums);
    for (int c = 0; c < n; c += VW)
        STORE_FLOATS(LOAD_FLOATS(at + c) * inv, at + c);
}
