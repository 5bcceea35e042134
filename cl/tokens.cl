/* SPDX-License-Identifier: MIT
 * Prefix tokens before an image's patches (iMF, models/imfDiT.py: class, guidance and times as
 * tokens).  Rows of D = 4 quads floats; a work-item has four columns of a token.
 * Global (quads rounded up, B * tokens of the result). */

/* x[b] (n + T, D) = prefix, then patches[b] (T, D), plus pos (n + T, D) where has_pos:
 *   prefix[i] = parameter[i] + table[y[b]],             i < ENDS[0]
 *             = parameter[i] + scalars[b mod S][k],     ENDS[k] <= i < ENDS[k + 1]
 * parameter (n, D), n the last of ENDS; table (classes + 1, D); y (B); scalars (S, K, D), from its
 * element 4 scalars_at on. */
#ifndef ENDS
#define ENDS 8, 12
#endif
__constant int ends[] = {ENDS};
enum { K = sizeof ends / sizeof *ends - 1 };

__kernel void tokens_join(__global float4 *x, __global const float4 *patches,
                          __global const float4 *parameter, __global const float4 *table,
                          __global const int *y, __global const float4 *scalars, int scalars_at,
                          __global const float4 *pos, int has_pos, int S, int T, int quads)
{
    int q = get_global_id(0), row = get_global_id(1);
    int n = ends[K], tokens = n + T, b = row / tokens, t = row - b * tokens;
    if (q >= quads)
        return;
    float4 v;
    if (t >= n) {
        v = patches[((size_t)b * T + t - n) * quads + q];
    } else {
        int k = -1;
        while (t >= ends[k + 1])
            k++;
        v = parameter[t * quads + q];
        v += k < 0 ? table[(size_t)y[b] * quads + q]
                   : scalars[scalars_at + ((size_t)(b % S) * K + k) * quads + q];
    }
    if (has_pos)
        v += pos[t * quads + q];
    x[(size_t)row * quads + q] = v;
}

/* patches[b] (T, D) = x[b] (n + T, D) without its first n tokens. */
__kernel void tokens_drop(__global float4 *patches, __global const float4 *x, int n, int T,
                          int quads)
{
    int q = get_global_id(0), row = get_global_id(1);
    if (q < quads)
        patches[(size_t)row * quads + q] = x[((size_t)row + (row / T + 1) * n) * quads + q];
}
