/* SPDX-License-Identifier: MIT
 * Softmax attention in one pass over the keys (online softmax: Milakov and Gimelshein,
 * arXiv 1805.02867; tiling: Dao et al., FlashAttention, arXiv 2205.14135):
 *   out[b][t][h] = sum_s softmax_s(scale q[b][t][h] . k[b][s][h]) v[b][s][h]
 * qkv (B*T, 3*H*DH): q, k, v one after the other, each H x DH; out (B*T, H*DH).
 * With -DHALF qkv and out are half.  Scores, maxima and sums are float32; no T x T matrix leaves a
 * work-group.
 *
 * attn_tiled, for GPUs: 128 work-items (16 x 8) compute 32 queries; keys in tiles of 64.  A
 * work-item holds scores of a quad of queries and a quad of keys, then the same queries' results in
 * VC * VD / 16 columns.  Operands lie in local memory with the queries or keys side by side, so
 * that they are read as quads.  All sums have the order of attn_quads (attention_quads.cl), so that
 * an image's bytes depend on neither.
 * Global (ceil(T/32) * 128, H * SHARES, B).  Local memory at most 32 KB.
 * DH: head size.  QD: columns of q and k staged at a time.  VD: columns of v staged at a time, a
 * multiple of 16, in VC rounds.  SHARES: work-groups that a wide head's results are shared among
 * where registers are few, each of which computes all scores; SHARES * VC * VD >= DH.  QUADS: DH is
 * a multiple of 4, and so all is aligned to quads. */
/* An image's bytes must not depend on which of the two kernels its batch gets, so no multiplication
 * is joined with an addition but by fma. */
#pragma OPENCL FP_CONTRACT OFF

#ifndef DH
#define DH 72
#endif
#ifndef QD
#define QD 24
#endif
#ifndef VD
#define VD 80
#endif
#ifndef VC
#define VC 1
#endif
#ifndef SHARES
#define SHARES 1
#endif
#ifndef QUADS
#define QUADS 0
#endif

#define BQ 32
#define BK 64
#define ITEMS 128
#define OC (VD / 16)
#define BV (VD > 128 ? 16 : 32) /* keys whose v is staged at a time */
#define LINE_Q (BQ / 4 + 1)     /* quads of a line of q, and of the scores; of k */
#define LINE_K (BK / 4 + 1)
#define QK_QUADS (QD * (LINE_Q + LINE_K))
#define V_QUADS (BV * VD / 4)
#define STAGE_QUADS (QK_QUADS > V_QUADS ? QK_QUADS : V_QUADS)
#define PARTS 8                 /* sums of a row's weights, of BK / PARTS keys each: */
#define KEY(part, i) (32 * ((i) / 4) + 4 * (part) + (i) % 4)

#if QUADS
#include "load4.clh"
#endif

/* Stages columns d0 .. d0+QD-1 of `rows` rows, ld apart, of which n are there: to[d][row]. */
static inline void stage_columns(__local float *to, int line, __global const act *from, int ld,
                                 int d0, int rows, int n)
{
#if QUADS
    for (int e = get_local_id(0); e < rows * (QD / 4); e += ITEMS) {
        int r = e / (QD / 4), d = e % (QD / 4) * 4;
        float4 v = (float4)(0.0f);
        if (r < n && d0 + d < DH)
            v = load4(from + (size_t)r * ld + d0 + d);
        to[d * line + r] = v.x;
        to[(d + 1) * line + r] = v.y;
        to[(d + 2) * line + r] = v.z;
        to[(d + 3) * line + r] = v.w;
    }
#else
    for (int e = get_local_id(0); e < rows * QD; e += ITEMS) {
        int r = e / QD, d = e % QD;
        to[d * line + r] = r < n && d0 + d < DH ? LOAD_ACT(from, (size_t)r * ld + d0 + d) : 0.0f;
    }
#endif
}

/* Scores of the tile, unscaled: s[j] of the work-item's queries and key 4 tx + j. */
static inline void tile_scores(float4 s[4], __local float4 *stage, __global const act *q,
                               __global const act *k, int ld, int nq, int nk)
{
    __local float4 *qs = stage, *ks = stage + QD * LINE_Q;
    const int lid = get_local_id(0), tx = lid & 15, ty = lid >> 4;
    s[0] = s[1] = s[2] = s[3] = (float4)(0.0f);
    for (int d0 = 0; d0 < DH; d0 += QD) {
        barrier(CLK_LOCAL_MEM_FENCE);
        stage_columns((__local float *)qs, 4 * LINE_Q, q, ld, d0, BQ, nq);
        stage_columns((__local float *)ks, 4 * LINE_K, k, ld, d0, BK, nk);
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int d = 0; d < QD; d++) {
            const float4 a = qs[d * LINE_Q + ty], b = ks[d * LINE_K + tx];
            s[0] = fma(a, (float4)(b.x), s[0]);
            s[1] = fma(a, (float4)(b.y), s[1]);
            s[2] = fma(a, (float4)(b.z), s[2]);
            s[3] = fma(a, (float4)(b.w), s[3]);
        }
    }
}

/* Online softmax of a tile: turns the scores p (BK, BQ) into exp(score - max), updates each query's
 * running maximum and its PARTS sums, row_sum (PARTS, BQ), and leaves in factor[] what earlier
 * results must be multiplied by.  part: PARTS values of each query. */
static inline void tile_softmax(__local float *p, __local float *row_max, __local float *row_sum,
                                __local float *factor, __local float *part)
{
    const int lid = get_local_id(0), r = lid % BQ;
    for (int c = lid / BQ; c < PARTS; c += ITEMS / BQ) {
        float m = -INFINITY;
        for (int i = 0; i < BK / PARTS; i++)
            m = fmax(m, p[KEY(c, i) * 4 * LINE_Q + r]);
        part[c * BQ + r] = m;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    const float old = row_max[r];
    float m = old;
    for (int c = 0; c < PARTS; c++)
        m = fmax(m, part[c * BQ + r]);
    const float f = exp(old - m);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int c = lid / BQ; c < PARTS; c += ITEMS / BQ) {
        float sum = 0.0f;
        for (int i = 0; i < BK / PARTS; i++) {
            const float e = exp(p[KEY(c, i) * 4 * LINE_Q + r] - m);
            p[KEY(c, i) * 4 * LINE_Q + r] = e;
            sum += e;
        }
        row_sum[c * BQ + r] = fma(row_sum[c * BQ + r], f, sum);
    }
    if (lid < BQ) {
        factor[r] = f;
        row_max[r] = m;
    }
}

/* The whole sum of a query. */
static inline float total_of(__local const float *row_sum, int r)
{
    __local const float *s = row_sum + r;
    return ((s[0] + s[BQ]) + (s[2 * BQ] + s[3 * BQ])) +
           ((s[4 * BQ] + s[5 * BQ]) + (s[6 * BQ] + s[7 * BQ]));
}

/* acc += the weights of BV keys, p (BV, BQ), times their v, vs (BV, VD). */
static inline void add_weighted(float4 acc[OC], __local const float4 *p,
                                __local const float *vs)
{
    const int lid = get_local_id(0), tx = lid & 15, ty = lid >> 4;
    #pragma unroll 4
    for (int r = 0; r < BV; r++) {
        float v[OC];
        #pragma unroll
        for (int j = 0; j < OC; j++)
            v[j] = vs[r * VD + tx + 16 * j];
        const float4 weight = p[r * LINE_Q + ty];
        #pragma unroll
        for (int j = 0; j < OC; j++)
            acc[j] = fma(weight, (float4)(v[j]), acc[j]);
    }
}

__kernel IN_REGISTERS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attn_tiled(__global act *out, __global const act *qkv, int T, int H, float scale)
{
    __local float4 stage[STAGE_QUADS], p[BK * LINE_Q];
    __local float row_max[BQ], row_sum[PARTS * BQ], part[PARTS * BQ];
    __local float4 factor[BQ / 4];
    const int lid = get_local_id(0), tx = lid & 15, ty = lid >> 4;
    const int t0 = get_group_id(0) * BQ, h = get_group_id(1) / SHARES, b = get_group_id(2);
    const int ld = 3 * H * DH, v0 = get_group_id(1) % SHARES * VC * VD;
    __global const act *q = qkv + ((size_t)b * T + t0) * ld + h * DH;
    __global const act *keys = qkv + (size_t)b * T * ld + (H + h) * DH;
    __global const act *values = keys + H * DH;

    float4 acc[VC][OC];
    #pragma unroll
    for (int c = 0; c < VC; c++)
        #pragma unroll
        for (int j = 0; j < OC; j++)
            acc[c][j] = (float4)(0.0f);
    if (lid < BQ)
        row_max[lid] = -INFINITY;
    for (int e = lid; e < PARTS * BQ; e += ITEMS)
        row_sum[e] = 0.0f;
    for (int s0 = 0; s0 < T; s0 += BK) {
        const int nk = min(BK, T - s0);
        float4 s[4];
        tile_scores(s, stage, q, keys + (size_t)s0 * ld, ld, T - t0, nk);
        #pragma unroll
        for (int j = 0; j < 4; j++)
            p[(4 * tx + j) * LINE_Q + ty] = 4 * tx + j < nk ? s[j] * scale : (float4)(-INFINITY);
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_softmax((__local float *)p, row_max, row_sum, (__local float *)factor, part);
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int c = 0; c < VC; c++)
            #pragma unroll
            for (int j = 0; j < OC; j++)
                acc[c][j] *= factor[ty];
        #pragma unroll
        for (int c = 0; c < VC; c++)
            for (int k0 = 0; k0 < BK; k0 += BV) {
                __local float *vs = (__local float *)stage;
                barrier(CLK_LOCAL_MEM_FENCE);
                for (int e = lid; e < BV * VD; e += ITEMS) {
                    const int r = k0 + e / VD, d = v0 + c * VD + e % VD;
                    vs[e] = r < nk && d < DH ? LOAD_ACT(values, (size_t)(s0 + r) * ld + d) : 0.0f;
                }
                barrier(CLK_LOCAL_MEM_FENCE);
                add_weighted(acc[c], p + k0 * LINE_Q, vs);
            }
    }
    float total[4];
    #pragma unroll
    for (int e = 0; e < 4; e++)
        total[e] = total_of(row_sum, 4 * ty + e);
    #pragma unroll
    for (int c = 0; c < VC; c++)
        #pragma unroll
        for (int j = 0; j < OC; j++) {
            const float of[4] = {acc[c][j].x, acc[c][j].y, acc[c][j].z, acc[c][j].w};
            const int d = v0 + c * VD + tx + 16 * j;
            #pragma unroll
            for (int e = 0; e < 4; e++) {
                const int r = 4 * ty + e, t = t0 + r;
                if (t < T && d < DH)
                    STORE_ACT(out, ((size_t)b * T + t) * H * DH + h * DH + d, of[e] / total[e]);
            }
        }
}
