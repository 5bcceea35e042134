/* SPDX-License-Identifier: MIT
 * The first and last step of groupnorm.cl for C a multiple of 8, eight channels at a time. */
#include "silu8.clh"

/* The first step, by whole pixels: a work-group is C/8 columns of 8 channels by `rows` pixels.
 * Each channel's sums are taken about its first value in the chunk, so that they do not cancel;
 * then rows are added up, and channels combined to groups.
 * Global (chunks * C/8 * rows, B), local (C/8 * rows, 1); scratch 16 floats a work-item. */
__kernel void groupnorm_partial_wide(__global float2 *part, __global const act *x, int P, int C,
                                     int G, int each, int rows, __local float *scratch)
{
    int chunk = get_group_id(0), b = get_group_id(1), lid = get_local_id(0);
    int columns = C / 8, column = lid % columns, row = lid / columns;
    int first = chunk * each, pixels = min(each, P - first);
    size_t base = ((size_t)b * P + first) * C + column * 8;

    float8 pivot = LOAD_ACT8(x, base), sum = (float8)(0.0f), squares = (float8)(0.0f);
    for (int p = row; p < pixels; p += rows) {
        float8 d = LOAD_ACT8(x, base + (size_t)p * C) - pivot;
        sum += d;
        squares += d * d;
    }
    __local float *sums = scratch, *sq = scratch + 8 * columns * rows;
    vstore8(sum, 0, sums + row * C + column * 8);
    vstore8(squares, 0, sq + row * C + column * 8);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int c = lid; c < C; c += columns * rows) {
        float s = 0.0f, q = 0.0f;
        for (int r = 0; r < rows; r++) {
            s += sums[r * C + c];
            q += sq[r * C + c];
        }
        sums[c] = LOAD_ACT(x, ((size_t)b * P + first) * C + c) + s / pixels;
        sq[c] = q - s * (s / pixels);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    int width = C / G;
    for (int g = lid; g < G; g += columns * rows) {
        float mean = 0.0f, total = 0.0f;
        for (int c = g * width; c < (g + 1) * width; c++)
            mean += sums[c];
        mean /= width;
        for (int c = g * width; c < (g + 1) * width; c++)
            total += sq[c] + pixels * (sums[c] - mean) * (sums[c] - mean);
        part[((size_t)b * G + g) * get_num_groups(0) + chunk] = (float2)(mean, total);
    }
}

#ifndef FOLD
#define FOLD 0
#endif

#if FOLD
/* The sum of value over the team of lid, returned to all `team` work-items of it. */
static inline float team_sum(float value, __local float4 *scratch, int lid, int team)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    ((__local float *)scratch)[lid] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    return local_sum(scratch + lid / team * team / 4, team);
}

/* As groupnorm_combine, for the `groups` groups of a work-group, whose chunks begin at part; a team
 * of 4 work-items or more has a group, the i-th of which goes to stats[i]. */
static inline void combine_groups(__local float2 *stats, __local float4 *scratch,
                                  __global const float2 *part, int groups, int team, int chunks,
                                  int P, int each, int width, float eps)
{
    int lid = get_local_id(1) * get_local_size(0) + get_local_id(0);
    int group = lid / team, first = group < groups ? lid % team : chunks;
    __global const float2 *in = part + (size_t)min(group, groups - 1) * chunks;
    float total = (float)P, sum = 0.0f;
    for (int i = first; i < chunks; i += team)
        sum += in[i].x * ((float)min(each, P - i * each) / total);
    float mean = team_sum(sum, scratch, lid, team);
    float var = 0.0f;
    for (int i = first; i < chunks; i += team) {
        float diff = in[i].x - mean;
        float weight = (float)min(each, P - i * each) / total;
        var += in[i].y / (total * width) + diff * diff * weight;
    }
    var = team_sum(var, scratch, lid, team);
    if (first == 0)
        stats[group] = (float2)(mean, 1.0f / sqrt(var + eps));
    barrier(CLK_LOCAL_MEM_FENCE);
}
#endif

/* The last step; a work-item keeps its 8 channels and strides over pixels.
 * stats are what groupnorm_combine writes.  With FOLD they are what it reads, and the arguments
 * from chunks on exist: a team is a power of two of work-items, small enough that each group among
 * the work-group's channels has a team; scratch one float a work-item, local_stats two floats a
 * team.
 * Global (C/8 rounded up, pixel groups, B). */
__kernel void groupnorm_apply_wide(__global act *out, __global const act *x,
                                   __global const float2 *stats, __global const float *gamma,
                                   __global const float *beta, int P, int C, int G, int with_silu
#if FOLD
                                   , int chunks, int each, float eps, int team,
                                   __local float4 *scratch, __local float2 *local_stats
#endif
                                   )
{
    int c0 = get_global_id(0) * 8, b = get_global_id(2), width = C / G;
#if FOLD
    int c_first = get_group_id(0) * get_local_size(0) * 8;
    int first = c_first / width, last = min(c_first + (int)get_local_size(0) * 8, C) - 1;
    combine_groups(local_stats, scratch, stats + ((size_t)b * G + first) * chunks,
                   last / width - first + 1, team, chunks, P, each, width, eps);
    __local const float2 *of_group = local_stats;
#else
    const int first = 0;
    __global const float2 *of_group = stats + b * G;
#endif
    if (c0 >= C)
        return;
    float mean[8], scale[8];
    for (int i = 0; i < 8; i++) {
        float2 s = of_group[(c0 + i) / width - first];
        mean[i] = s.x;
        scale[i] = s.y * gamma[c0 + i];
    }
    float8 m = vload8(0, mean), k = vload8(0, scale), shift = vload8(0, beta + c0);
    size_t base = (size_t)b * P * C + c0;
    for (int p = get_global_id(1); p < P; p += get_global_size(1)) {
        size_t at = base + (size_t)p * C;
        float8 v = (LOAD_ACT8(x, at) - m) * k + shift;
        if (with_silu)
            v = silu8(v);
        STORE_ACT8(out, at, v);
    }
}
