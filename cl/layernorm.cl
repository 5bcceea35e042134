/* SPDX-License-Identifier: MIT
 * Layer norm without affine parameters, then modulation (adaLN; Peebles and Xie, DiT, section 3.2;
 * SiT models.py, modulate):
 *   out[r][d] = (x[r][d] - mean_r) / sqrt(var_r + eps) * (1 + scale[b][d]) + shift[b][d],
 *   b = r / T
 * x float32, out act (rows, D) row-major; mod (B, mod_ld), shift and scale from its columns
 * shift_at and scale_at on.
 * One work-group a row; work-group size a power of two; local memory: one float an item.
 * Mean first, then the squared differences, as a row stays in cache: no cancellation. */

__kernel void layernorm_mod(__global act *out, __global const float *x,
                                __global const float *mod, int D, int T, int mod_ld, int shift_at,
                                int scale_at, float eps, __local float *scratch)
{
    int row = get_group_id(0);
    int lid = get_local_id(0);
    int n = get_local_size(0);
    __global const float *in = x + (size_t)row * D;
    __global act *to = out + (size_t)row * D;
    __global const float *m = mod + (size_t)(row / T) * mod_ld;

    float sum = 0.0f;
    for (int d = lid; d < D; d += n)
        sum += in[d];
    float mean = group_sum(sum, scratch, n) / D;

    float squares = 0.0f;
    for (int d = lid; d < D; d += n) {
        float diff = in[d] - mean;
        squares += diff * diff;
    }
    float inv = 1.0f / sqrt(group_sum(squares, scratch, n) / D + eps);

    for (int d = lid; d < D; d += n)
        STORE_ACT(to, d, (in[d] - mean) * inv * (1.0f + m[scale_at + d]) + m[shift_at + d]);
}

/* The same for D a multiple of 4 and at most 4 KEEP times the work-group size: each item keeps its
 * part of the row in registers, so memory is read once.  A work-group has ROWS rows of one picture
 * at a time, which share the modulation and the barriers; local memory: ROWS floats an item. */
#ifndef KEEP
#define KEEP 2
#endif
#ifndef ROWS
#define ROWS 1
#endif

/* v[r] becomes its sum over the n (a power of two) items of the work-group, for each r. */
static inline void group_sums(float v[ROWS], __local float *scratch, int n)
{
    int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int r = 0; r < ROWS; r++)
        scratch[r * n + lid] = v[r];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_n = n >> 1; half_n > 0; half_n >>= 1) {
        if (lid < half_n)
            for (int r = 0; r < ROWS; r++)
                scratch[r * n + lid] += scratch[r * n + lid + half_n];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int r = 0; r < ROWS; r++)
        v[r] = scratch[r * n];
}

__kernel void layernorm_mod_kept(__global act *out, __global const float *x,
                                 __global const float *mod, int D, int T, int mod_ld, int shift_at,
                                 int scale_at, float eps, __local float *scratch)
{
    int row = get_group_id(0) * ROWS, lid = get_local_id(0), n = get_local_size(0), quads = D / 4;
    __global const float *in = x + (size_t)row * D;
    __global const float *m = mod + (size_t)(row / T) * mod_ld;
    float4 kept[ROWS][KEEP];
    float v[ROWS];
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < KEEP; i++) {
            int q = lid + i * n;
            kept[r][i] = q < quads ? vload4(q, in + (size_t)r * D) : (float4)(0.0f);
        }
    for (int r = 0; r < ROWS; r++) {
        v[r] = 0.0f;
        for (int i = 0; i < KEEP; i++)
            v[r] += (kept[r][i].x + kept[r][i].y) + (kept[r][i].z + kept[r][i].w);
    }
    group_sums(v, scratch, n);
    for (int r = 0; r < ROWS; r++) {
        float mean = v[r] / D;
        v[r] = 0.0f;
        for (int i = 0; i < KEEP; i++) {
            kept[r][i] -= mean;
            if (lid + i * n < quads)
                v[r] += dot(kept[r][i], kept[r][i]);
        }
    }
    group_sums(v, scratch, n);
    for (int i = 0; i < KEEP; i++) {
        int q = lid + i * n;
        if (q >= quads)
            continue;
        float4 scale = 1.0f + vload4(q, m + scale_at), shift = vload4(q, m + shift_at);
        for (int r = 0; r < ROWS; r++) {
            float4 y = kept[r][i] * (1.0f / sqrt(v[r] / D + eps)) * scale + shift;
#ifdef HALF
            uint2 raw;
            vstore_half4_rte(y, 0, (half *)&raw);
            ((__global uint2 *)out)[(size_t)(row + r) * quads + q] = raw;
#else
            vstore4(y, (size_t)(row + r) * quads + q, out);
#endif
        }
    }
}
