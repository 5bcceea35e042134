/* SPDX-License-Identifier: MIT
 * The group norm of groupnorm.cl in one step, for small images. */
#include "silu8.clh"

/* A work-group has one group of one image, each work-item KEEP times eight channels of it, which it
 * holds in registers from the first step to the last.  C/G is eight times a divisor of the
 * work-group's size, and P C/G at most 8 KEEP times that size.  Global (G * items, B). */
#ifndef KEEP
#define KEEP 8
#endif

/* Written out: indexed by a loop that a compiler does not unroll, `kept` would lie in memory. */
#define FINISH(i)                                                                       \
    if (KEEP > (i) && lid + (i) * items < n) {                                          \
        float8 y = kept[(i) < KEEP ? (i) : 0] * scale + shift;                          \
        if (with_silu)                                                                  \
            y = silu8(y);                                                               \
        STORE_ACT8(out, base + (size_t)((lid + (i) * items) / columns) * C, y);         \
    }

__kernel IN_REGISTERS
void groupnorm_kept(__global act *out, __global const act *x,
                    __global const float *gamma,
                    __global const float *beta, int P, int C, int G,
                    float eps, int with_silu, __local float4 *scratch)
{
    int lid = get_local_id(0), items = get_local_size(0), g = get_group_id(0);
    int columns = C / G / 8, n = P * columns, c0 = (g * columns + lid % columns) * 8;
    size_t base = (size_t)get_group_id(1) * P * C + c0;
    float8 kept[KEEP], scale = vload8(0, gamma + c0), shift = vload8(0, beta + c0);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < KEEP; i++) {
        int v = lid + i * items;
        kept[i] = v < n ? LOAD_ACT8(x, base + (size_t)(v / columns) * C) : (float8)(0.0f);
    }
#pragma unroll
    for (int i = 0; i < KEEP; i++) {
        float4 half_sum = kept[i].lo + kept[i].hi;
        sum += (half_sum.x + half_sum.y) + (half_sum.z + half_sum.w);
    }
    float mean = group_sum(sum, scratch, items) / (n * 8);
    float squares = 0.0f;
#pragma unroll
    for (int i = 0; i < KEEP; i++) {
        kept[i] -= mean;
        if (lid + i * items < n)
            squares += dot(kept[i].lo, kept[i].lo) + dot(kept[i].hi, kept[i].hi);
    }
    scale *= 1.0f / sqrt(group_sum(squares, scratch, items) / (n * 8) + eps);
    FINISH(0) FINISH(1) FINISH(2) FINISH(3) FINISH(4) FINISH(5) FINISH(6) FINISH(7)
}
