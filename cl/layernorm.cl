/* SPDX-License-Identifier: MIT
 * Layer norm without affine parameters, then modulation (adaLN; Peebles and Xie, DiT, section 3.2;
 * SiT models.py, modulate):
 *   out[r][d] = (x[r][d] - mean_r) / sqrt(var_r + eps) * (1 + scale[b][d]) + shift[b][d],
 *   b = r / T
 * x float32, out act (rows, D) row-major; mod (B, mod_ld), shift and scale from its columns
 * shift_at and scale_at on.  norm_options.clh has other norms.
 * One work-group a row; work-group size a power of two; local memory: one float a work-item.
 * The squared differences are summed after the mean, so that nothing cancels; the row is still in
 * cache then. */
#include "norm_options.clh"

__kernel void layernorm_mod(__global act *out, __global const float *x,
                                __global const float *mod, int D, int T, int mod_ld, int shift_at,
                                int scale_at, float eps,
                                __local float4 *scratch WEIGHT_ARGUMENT)
{
    int row = get_group_id(0);
    int lid = get_local_id(0);
    int n = get_local_size(0);
    __global const float *in = x + (size_t)row * D;
    __global act *to = out + (size_t)row * D;
    __global const float *m = mod + (size_t)(row / T) * mod_ld;

#if RMS
    const float mean = 0.0f;
#else
    float sum = 0.0f;
    for (int d = lid; d < D; d += n)
        sum += in[d];
    float mean = group_sum(sum, scratch, n) / D;
#endif

    float squares = 0.0f;
    for (int d = lid; d < D; d += n) {
        float diff = in[d] - mean;
        squares += diff * diff;
    }
    float inv = 1.0f / sqrt(group_sum(squares, scratch, n) / D + eps);

    for (int d = lid; d < D; d += n)
        STORE_ACT(to, d, (in[d] - mean) * inv * FACTOR(m[scale_at + d], weight[d])
                             PLUS_SHIFT(m[shift_at + d]));
}

/* The same for D a multiple of 4 and at most 4 KEEP times the work-group size, which is a multiple
 * of 16: each work-item keeps its share of the row in registers, so memory is read once.  A
 * work-group has ROWS rows of one image at a time, which share the modulation and the barriers.
 * All loads are started at the beginning: small batches spend their time waiting for memory.
 * ALIGNED: mod_ld, shift_at, scale_at, gate_ld and gate_at are multiples of 4.
 * PARTS above 0: x is not complete.  The GEMM before was cut along K (split-K) and left that many
 * partial sums (rows, D), one after the other; adding them up here saves a launch:
 *   x = add + gate[b] * (bias + sum of the partial sums),  which is written as well;
 * without bias where BIAS is 0.
 * Local memory: 2 ROWS floats a work-item. */
#ifndef KEEP
#define KEEP 2
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifndef ALIGNED
#define ALIGNED 0
#endif

#ifndef PARTS
#define PARTS 0
#endif
#ifndef BIAS
#define BIAS 1
#endif
#if BIAS
#define WITH_BIAS(v) ((v) + bias[q])
#else
#define WITH_BIAS(v) (v)
#endif

#if ALIGNED
#define LOAD_MOD(p, q) (((__global const float4 *)(p))[q])
#else
#define LOAD_MOD(p, q) vload4((q), (p))
#endif

/* v[r] becomes its sum over the n work-items of the work-group, for each r; scratch is ROWS floats
 * a work-item.  First four values n / 4 apart are added, then the n / 4 sums, in this order for any
 * ROWS.  With one row every work-item does all of it, which saves barriers; with more they share
 * the first step. */
static inline void group_sums(float v[ROWS], __local float4 *scratch, int n)
{
    __local float *one = (__local float *)scratch;
    int lid = get_local_id(0), quads = n / 16;
    for (int r = 0; r < ROWS; r++)
        one[r * n + lid] = v[r];
    barrier(CLK_LOCAL_MEM_FENCE);
#if ROWS == 1 && !PARTS
    float4 sum = (float4)(0.0f);
    for (int i = 0; i < quads; i++)
        sum += (scratch[i] + scratch[i + quads]) +
               (scratch[i + 2 * quads] + scratch[i + 3 * quads]);
    v[0] = (sum.x + sum.y) + (sum.z + sum.w);
#else
    int parts = n / 4, r = lid / parts;
    __local const float *row = one + min(r, ROWS - 1) * n + lid % parts;
    float four = (row[0] + row[parts]) + (row[2 * parts] + row[3 * parts]);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (r < ROWS)
        one[lid] = four;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (r = 0; r < ROWS; r++)
        v[r] = local_sum(scratch + r * quads, parts);
#endif
}

__kernel IN_REGISTERS
void layernorm_mod_kept(__global act *out,
#if PARTS
                        __global float4 *x, __global const float4 *add,
                        __global const float4 *part, __global const float4 *bias,
                        __global const float *gate, int gate_ld, int gate_at,
#else
                        __global const float4 *x,
#endif
                        __global const float *mod, int D, int T, int mod_ld, int shift_at,
                        int scale_at, float eps,
                        __local float4 *scratch WEIGHT_ARGUMENT)
{
    int row = get_group_id(0) * ROWS, lid = get_local_id(0), n = get_local_size(0), quads = D / 4;
#if PARTS
    const size_t apart = get_num_groups(0) * ROWS * (size_t)quads;
    gate += (size_t)(row / T) * gate_ld + gate_at;
#endif
    __global const float *m = mod + (size_t)(row / T) * mod_ld;
    float4 kept[ROWS][KEEP], factor[KEEP], shift[KEEP];
    float v[ROWS];
#pragma unroll
    for (int i = 0; i < KEEP; i++) {
        int q = min(lid + i * n, quads - 1);
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            size_t at = (size_t)(row + r) * quads + q;
#if PARTS
            kept[r][i] = part[at];
#pragma unroll
            for (int s = 1; s < PARTS; s++)
                kept[r][i] += part[at + s * apart];
            kept[r][i] = add[at] + LOAD_MOD(gate, q) * WITH_BIAS(kept[r][i]);
            if (lid + i * n < quads)
                x[at] = kept[r][i];
#else
            kept[r][i] = x[at];
#endif
        }
        factor[i] = FACTOR(LOAD_MOD(m + scale_at, q), ((__global const float4 *)weight)[q]);
#if MOD == 2
        shift[i] = LOAD_MOD(m + shift_at, q);
#endif
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        v[r] = 0.0f;
#pragma unroll
        for (int i = 0; i < KEEP; i++)
            if (!RMS && lid + i * n < quads)
                v[r] += (kept[r][i].x + kept[r][i].y) + (kept[r][i].z + kept[r][i].w);
    }
    if (!RMS)
        group_sums(v, scratch, n);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float mean = v[r] / D;
        v[r] = 0.0f;
#pragma unroll
        for (int i = 0; i < KEEP; i++) {
            kept[r][i] -= mean;
            if (lid + i * n < quads)
                v[r] += dot(kept[r][i], kept[r][i]);
        }
    }
    group_sums(v, scratch + ROWS * n / 4, n);
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
        float inv = 1.0f / sqrt(v[r] / D + eps);
#pragma unroll
        for (int i = 0; i < KEEP; i++) {
            int q = lid + i * n;
            if (q < quads)
                STORE_ACT4(out, (size_t)(row + r) * D + q * 4,
                           kept[r][i] * inv * factor[i] PLUS_SHIFT(shift[i]));
        }
    }
}
