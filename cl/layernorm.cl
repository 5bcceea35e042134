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
 * part of the row in registers, so memory is read once. */
#ifndef KEEP
#define KEEP 2
#endif
__kernel void layernorm_mod_kept(__global act *out, __global const float *x,
                                 __global const float *mod, int D, int T, int mod_ld, int shift_at,
                                 int scale_at, float eps, __local float *scratch)
{
    int row = get_group_id(0), lid = get_local_id(0), n = get_local_size(0), quads = D / 4;
    __global const float *in = x + (size_t)row * D;
    __global const float *m = mod + (size_t)(row / T) * mod_ld;
    float4 kept[KEEP];
    float sum = 0.0f;
    for (int i = 0; i < KEEP; i++) {
        int q = lid + i * n;
        kept[i] = q < quads ? vload4(q, in) : (float4)(0.0f);
        sum += (kept[i].x + kept[i].y) + (kept[i].z + kept[i].w);
    }
    float mean = group_sum(sum, scratch, n) / D;
    float squares = 0.0f;
    for (int i = 0; i < KEEP; i++) {
        kept[i] -= mean;
        if (lid + i * n < quads)
            squares += dot(kept[i], kept[i]);
    }
    float inv = 1.0f / sqrt(group_sum(squares, scratch, n) / D + eps);
    for (int i = 0; i < KEEP; i++) {
        int q = lid + i * n;
        if (q >= quads)
            continue;
        float4 v = kept[i] * inv * (1.0f + vload4(q, m + scale_at)) + vload4(q, m + shift_at);
#ifdef HALF
        uint2 raw;
        vstore_half4_rte(v, 0, (half *)&raw);
        ((__global uint2 *)out)[(size_t)row * quads + q] = raw;
#else
        vstore4(v, (size_t)row * quads + q, out);
#endif
    }
}
