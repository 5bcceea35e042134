/* SPDX-License-Identifier: MIT
 * What patches.cl computes, in the same order, without local memory and barriers: for CPUs.  A
 * work-item has TOKENS tokens, whose columns it takes in vectors of VW, a divisor of D.
 * Global (ceil(M / TOKENS)). */
#include "vector.clh"
#define TOKENS_OF_ITEM 4

__kernel void patch_embed_row(__global float *x, __global const float *z, __global const float *w,
                              __global const float *bias, __global const float *pos, int has_pos,
                              int C, int R, int p, int D, int M)
{
    int m0 = get_global_id(0) * TOKENS_OF_ITEM, G = R / p, T = G * G;
    if (m0 >= M)
        return;
    __global const float *corner[TOKENS_OF_ITEM];
    for (int i = 0; i < TOKENS_OF_ITEM; i++) {
        int m = min(m0 + i, M - 1), b = m / T, t = m - b * T;
        corner[i] = z + (size_t)b * C * R * R + t / G * p * R + t % G * p;
    }
    for (int d = 0; d < D; d += VW) {
        vec sum[TOKENS_OF_ITEM];
        for (int i = 0; i < TOKENS_OF_ITEM; i++)
            sum[i] = (vec)(0.0f);
        __global const float *part = w + d;
        for (int c = 0; c < C; c++)
            for (int y = 0; y < p; y++)
                for (int x0 = 0; x0 < p; x0++, part += D)
                    for (int i = 0; i < TOKENS_OF_ITEM; i++)
                        sum[i] += corner[i][(c * R + y) * R + x0] * LOAD_FLOATS(part);
        for (int i = 0; i < TOKENS_OF_ITEM && m0 + i < M; i++) {
            vec v = sum[i] + LOAD_FLOATS(bias + d);
            if (has_pos)
                v += LOAD_FLOATS(pos + (size_t)((m0 + i) % T) * D + d);
            STORE_FLOATS(v, x + (size_t)(m0 + i) * D + d);
        }
    }
}
