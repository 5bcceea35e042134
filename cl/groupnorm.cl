/* SPDX-License-Identifier: MIT
 * Group norm over NHWC pictures, with SiLU where asked (torch.nn.GroupNorm, eps 1e-6):
 *   out[b][p][c] = (x - mean[b][g]) / sqrt(var[b][g] + eps) * gamma[c] + beta[c],  g = c / (C/G)
 * x, out act (B, P, C), P pixels; gamma, beta (C).
 * Three steps: mean and sum of squared differences of each chunk of pixels (of what halo_conv.cl
 * writes it leaves them itself); their combination (Chan, Golub and LeVeque 1983), which does not
 * cancel as a sum of squares would; the result.  Where there are few chunks, each work-group of the
 * last step combines them by itself (FOLD), in the same order; a group of a small picture is kept
 * in registers, and all is one step.
 * Local memory, where not said otherwise: one float an item.
 * The kernels called wide do the first and last step eight channels at a time. */

/* part[(b, g, chunk)] = (mean, sum of squared differences) of pixels chunk*each .. of group g.
 * Global (G * L, chunks, B), local (L, 1, 1). */
__kernel void groupnorm_partial(__global float2 *part, __global const act *x, int P, int C,
                                    int G, int each, __local float4 *scratch)
{
    int g = get_group_id(0), chunk = get_group_id(1), b = get_group_id(2);
    int lid = get_local_id(0), L = get_local_size(0);
    int width = C / G, first = chunk * each;
    int pixels = min(each, P - first);
    int n = pixels * width;
    __global const act *in = x + ((size_t)b * P + first) * C + g * width;

    float sum = 0.0f;
    for (int e = lid; e < n; e += L)
        sum += LOAD_ACT(in, (size_t)(e / width) * C + e % width);
    float mean = group_sum(sum, scratch, L) / n;

    float squares = 0.0f;
    for (int e = lid; e < n; e += L) {
        float diff = LOAD_ACT(in, (size_t)(e / width) * C + e % width) - mean;
        squares += diff * diff;
    }
    squares = group_sum(squares, scratch, L);
    if (lid == 0)
        part[((size_t)b * G + g) * get_num_groups(1) + chunk] = (float2)(mean, squares);
}

/* stats[(b, g)] = (mean, 1 / sqrt(var + eps)).  Global (B*G * L), local (L). */
__kernel void groupnorm_combine(__global float2 *stats, __global const float2 *part, int chunks,
                                    int P, int each, int width, float eps, __local float4 *scratch)
{
    int lid = get_local_id(0), L = get_local_size(0);
    __global const float2 *in = part + (size_t)get_group_id(0) * chunks;
    float total = (float)P;         /* weights in pixels; the group's width cancels */

    float sum = 0.0f;
    for (int i = lid; i < chunks; i += L)
        sum += in[i].x * ((float)min(each, P - i * each) / total);
    float mean = group_sum(sum, scratch, L);

    float var = 0.0f;
    for (int i = lid; i < chunks; i += L) {
        float diff = in[i].x - mean;
        float weight = (float)min(each, P - i * each) / total;
        var += in[i].y / (total * width) + diff * diff * weight;
    }
    var = group_sum(var, scratch, L);
    if (lid == 0)
        stats[get_group_id(0)] = (float2)(mean, 1.0f / sqrt(var + eps));
}

/* Global (C rounded up, pixel groups, B); an item keeps its channel and strides over pixels. */
__kernel void groupnorm_apply(__global act *out, __global const act *x,
                                  __global const float2 *stats, __global const float *gamma,
                                  __global const float *beta, int P, int C, int G, int with_silu)
{
    int c = get_global_id(0), b = get_global_id(2);
    if (c >= C)
        return;
    float2 s = stats[b * G + c / (C / G)];
    float scale = s.y * gamma[c], shift = beta[c], mean = s.x;
    size_t base = (size_t)b * P * C + c;
    for (int p = get_global_id(1); p < P; p += get_global_size(1)) {
        size_t at = base + (size_t)p * C;
        float v = (LOAD_ACT(x, at) - mean) * scale + shift;
        STORE_ACT(out, at, with_silu ? silu(v) : v);
    }
}

/* The first step for C a multiple of 8, reading whole pixels: items = C/8 columns of 8 channels by
 * `rows` pixels.  Each channel's sums are taken about its first value in the chunk, so they do not
 * cancel; then rows are added up, and channels combined to groups as above.
 * Global (chunks * C/8 * rows, B), local (C/8 * rows, 1); scratch 16 floats an item. */
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

/* v sigmoid(v).  For a half result the device's own exp and division are exact enough by far, and
 * the others cost more time than the memory. */
static inline float8 silu8(float8 v)
{
#ifdef HALF
    return native_divide(v, 1.0f + native_exp(-v));
#else
    return v / (1.0f + exp(-v));
#endif
}

#ifndef FOLD
#define FOLD 0
#endif

#if FOLD
/* The sum of value over the `team` items that lid belongs to, given to all of them. */
static inline float team_sum(float value, __local float4 *scratch, int lid, int team)
{
    barrier(CLK_LOCAL_MEM_FENCE);
    ((__local float *)scratch)[lid] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    return local_sum(scratch + lid / team * team / 4, team);
}

/* As groupnorm_combine, for the groups of a work-group: stats[i] of the i-th of `groups` of them,
 * whose chunks begin at part; a team of items (4 or more) has a group. */
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

/* The result for C a multiple of 8; an item keeps its 8 channels and strides over pixels.
 * stats as groupnorm_combine leaves them.  With FOLD they are what it reads, and the arguments from
 * chunks on are given: a team has a power of two of items, such that there is one for each group of
 * a work-group's channels; scratch one float an item, local_stats two floats a team.
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

/* All steps at once: a work-group has one group of one picture, each item KEEP times eight channels
 * of it.  C/G is eight times a divisor of the work-group's size, and P C/G at most 8 KEEP times
 * that size.  Global (G * items, B). */
#ifndef KEEP
#define KEEP 8
#endif

__kernel void groupnorm_kept(__global act *out, __global const act *x, __global const float *gamma,
                             __global const float *beta, int P, int C, int G, float eps,
                             int with_silu, __local float4 *scratch)
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
#pragma unroll
    for (int i = 0; i < KEEP; i++) {
        int v = lid + i * items;
        float8 y = kept[i] * scale + shift;
        if (with_silu)
            y = silu8(y);
        if (v < n)
            STORE_ACT8(out, base + (size_t)(v / columns) * C, y);
    }
}
