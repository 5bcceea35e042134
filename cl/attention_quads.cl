/* SPDX-License-Identifier: MIT
 * The attention of attention.cl for GPUs with work-groups enough: 64 work-items (8 x 8) compute 64
 * queries, keys in tiles of 64.  A work-item has the scores of two quads of queries, 32 apart, and
 * two quads of keys, then the results of the same queries in VD / 8 columns: quads 32 apart, and
 * of what is left single columns 8 apart.  The maximum, the sum and the weights of its scores it
 * keeps in registers; local memory brings the maxima together, and the weights to the items that
 * need them.  All sums have attn_tiled's order.
 * DH: head size, a multiple of 4; QD: columns of q and k staged at a time, a multiple of 8; VD: DH
 * rounded up to a multiple of 8.  Global (ceil(T/64) * 64, H, B).  Local memory at most 32 KB. */
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
#define VD 72
#endif

#define BQ 64
#define BK 64
#define BV 32                   /* keys whose v is staged at a time */
#define ITEMS 64
#define LINE (BQ / 4 + 1)       /* quads of a line of q and of k */
#define NQ (VD / 32)            /* quads of columns of a work-item, and single columns */
#define NS (VD % 32 / 8)
#define OC (4 * NQ + NS)
#define QK_QUADS (2 * QD * LINE)
#define V_QUADS (BV * VD / 4)
#define STAGE_QUADS (QK_QUADS > V_QUADS ? QK_QUADS : V_QUADS)

#include "load4.clh"

/* One by one, as attn_tiled has them: where a compiler takes them from a library for vectors, as
 * PoCL's does, those of four differ from that of one in their last places. */
static inline float4 exp_each(float4 v)
{
    return (float4)(exp(v.x), exp(v.y), exp(v.z), exp(v.w));
}

/* Stages columns d0 .. d0+QD-1 of 64 rows, ld apart, of which n are there: to[d][row].  Neighbours
 * have two quads of a row and then the next row, which meets every bank once. */
static inline void stage_columns(__local float *to, __global const act *from, int ld, int d0,
                                 int n)
{
    #pragma unroll 3
    for (int i = 0; i < QD / 4; i++) {
        const int e = get_local_id(0) + i * ITEMS, r = e / 2 % BQ;
        const int d = (e % 2 + e / (2 * BQ) * 2) * 4;
        float4 v = (float4)(0.0f);
        if (r < n && d0 + d < DH)
            v = load4(from + (size_t)r * ld + d0 + d);
        to[d * 4 * LINE + r] = v.x;
        to[(d + 1) * 4 * LINE + r] = v.y;
        to[(d + 2) * 4 * LINE + r] = v.z;
        to[(d + 3) * 4 * LINE + r] = v.w;
    }
}

/* Scores of the tile, unscaled: s[i][j] of the queries of quad i and key j of the work-item. */
static inline void tile_scores(float4 s[2][8], __local float4 *stage, __global const act *q,
                               __global const act *k, int ld, int nq, int nk)
{
    __local float4 *qs = stage, *ks = stage + QD * LINE;
    const int lid = get_local_id(0), tx = lid & 7, ty = lid >> 3;
    #pragma unroll
    for (int j = 0; j < 8; j++)
        s[0][j] = s[1][j] = (float4)(0.0f);
    for (int d0 = 0; d0 < DH; d0 += QD) {
        barrier(CLK_LOCAL_MEM_FENCE);
        stage_columns((__local float *)qs, q, ld, d0, nq);
        stage_columns((__local float *)ks, k, ld, d0, nk);
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll 2
        for (int d = 0; d < QD; d++) {
            const float4 b0 = ks[d * LINE + tx], b1 = ks[d * LINE + 8 + tx];
            #pragma unroll
            for (int i = 0; i < 2; i++) {
                const float4 a = qs[d * LINE + 8 * i + ty];
                s[i][0] = fma(a, (float4)(b0.x), s[i][0]);
                s[i][1] = fma(a, (float4)(b0.y), s[i][1]);
                s[i][2] = fma(a, (float4)(b0.z), s[i][2]);
                s[i][3] = fma(a, (float4)(b0.w), s[i][3]);
                s[i][4] = fma(a, (float4)(b1.x), s[i][4]);
                s[i][5] = fma(a, (float4)(b1.y), s[i][5]);
                s[i][6] = fma(a, (float4)(b1.z), s[i][6]);
                s[i][7] = fma(a, (float4)(b1.w), s[i][7]);
            }
        }
    }
}

/* acc += the weights of keys first .. first+BV-1 times their v, vs (BV, VD).  The weights of a key
 * and quad of queries i are at quad i ^ (key / 4 % 8) of the key's line, so that neighbours who
 * store them meet no bank twice. */
static inline void add_weighted(float4 acc[2][OC], __local const float4 *p,
                                __local const float *vs, int first)
{
    const int lid = get_local_id(0), tx = lid & 7, ty = lid >> 3;
    for (int quad = 0; quad < BV / 4; quad++)
        #pragma unroll
        for (int e = 0; e < 4; e++) {
            const int r = 4 * quad + e;
            float v[OC];
            #pragma unroll
            for (int j = 0; j < NQ; j++) {
                const float4 of = ((__local const float4 *)vs)[r * (VD / 4) + 8 * j + tx];
                v[4 * j] = of.x;
                v[4 * j + 1] = of.y;
                v[4 * j + 2] = of.z;
                v[4 * j + 3] = of.w;
            }
            #pragma unroll
            for (int j = 0; j < NS; j++)
                v[4 * NQ + j] = vs[r * VD + 32 * NQ + 8 * j + tx];
            #pragma unroll
            for (int i = 0; i < 2; i++) {
                const float4 weight = p[(first + r) * (BQ / 4) + ((8 * i + ty) ^ quad)];
                #pragma unroll
                for (int j = 0; j < OC; j++)
                    acc[i][j] = fma(weight, (float4)(v[j]), acc[i][j]);
            }
        }
}

/* A work-item's row: elements E of quads. */
#define STORE_ROW(i, e, E)                                                                      \
    {                                                                                           \
        const int t = t0 + 4 * (8 * (i) + ty) + (e);                                            \
        __global act *to = out + ((size_t)b * T + t) * H * DH + h * DH;                         \
        if (t < T) {                                                                            \
            _Pragma("unroll")                                                                   \
            for (int j = 0; j < OC; j++) {                                                      \
                const int d = j < 4 * NQ ? 4 * (8 * (j / 4) + tx) + j % 4                       \
                                         : 32 * NQ + 8 * (j - 4 * NQ) + tx;                     \
                if (d < DH)                                                                     \
                    STORE_ACT(to, d, acc[i][j].E / row_sum[i].E);                               \
            }                                                                                   \
        }                                                                                       \
    }

__kernel IN_REGISTERS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attn_quads(__global act *out, __global const act *qkv, int T, int H, float scale)
{
    /* The maxima of the queries over each work-item's keys, then its sums, lie where q and k do. */
    __local float4 stage[STAGE_QUADS], p[BK * BQ / 4];
    const int lid = get_local_id(0), tx = lid & 7, ty = lid >> 3, ld = 3 * H * DH;
    const int t0 = get_group_id(0) * BQ, h = get_group_id(1), b = get_group_id(2);
    __global const act *q = qkv + ((size_t)b * T + t0) * ld + h * DH;
    __global const act *keys = qkv + (size_t)b * T * ld + (H + h) * DH;
    __global const act *values = keys + H * DH;

    float4 acc[2][OC], row_max[2], row_sum[2];
    #pragma unroll
    for (int i = 0; i < 2; i++) {
        row_max[i] = (float4)(-INFINITY);
        row_sum[i] = (float4)(0.0f);
        #pragma unroll
        for (int j = 0; j < OC; j++)
            acc[i][j] = (float4)(0.0f);
    }
    for (int s0 = 0; s0 < T; s0 += BK) {
        const int nk = min(BK, T - s0);
        float4 s[2][8];
        tile_scores(s, stage, q, keys + (size_t)s0 * ld, ld, T - t0, nk);
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int i = 0; i < 2; i++) {
            #pragma unroll
            for (int j = 0; j < 8; j++)
                s[i][j] = 32 * (j / 4) + 4 * tx + j % 4 < nk ? s[i][j] * scale
                                                             : (float4)(-INFINITY);
            stage[tx * LINE + 8 * i + ty] =
                fmax(fmax(fmax(s[i][0], s[i][1]), fmax(s[i][2], s[i][3])),
                     fmax(fmax(s[i][4], s[i][5]), fmax(s[i][6], s[i][7])));
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll
        for (int i = 0; i < 2; i++) {
            const float4 old = row_max[i];
            float4 m = old, sum = (float4)(0.0f);
            __local float4 *mine = p + 4 * tx * (BQ / 4) + ((8 * i + ty) ^ tx);
            #pragma unroll
            for (int c = 0; c < 8; c++)
                m = fmax(m, stage[c * LINE + 8 * i + ty]);
            const float4 factor = exp_each(old - m);
            #pragma unroll
            for (int j = 0; j < 8; j++) {
                const float4 e = exp_each(s[i][j] - m);
                sum += e;
                mine[(32 * (j / 4) + j % 4) * (BQ / 4)] = e;
            }
            row_max[i] = m;
            row_sum[i] = fma(row_sum[i], factor, sum);
            #pragma unroll
            for (int j = 0; j < OC; j++)
                acc[i][j] *= factor;
        }
        for (int k0 = 0; k0 < BK; k0 += BV) {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int e = lid; e < V_QUADS; e += ITEMS) {
                const int r = k0 + e / (VD / 4), d = e % (VD / 4) * 4;
                stage[e] = r < nk && d < DH ? load4(values + (size_t)(s0 + r) * ld + d)
                                            : (float4)(0.0f);
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            add_weighted(acc, p, (__local const float *)stage, k0);
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    stage[tx * LINE + ty] = row_sum[0];
    stage[tx * LINE + 8 + ty] = row_sum[1];
    barrier(CLK_LOCAL_MEM_FENCE);
    #pragma unroll
    for (int i = 0; i < 2; i++) {
        __local const float4 *of = stage + 8 * i + ty;
        row_sum[i] = ((of[0] + of[LINE]) + (of[2 * LINE] + of[3 * LINE])) +
                     ((of[4 * LINE] + of[5 * LINE]) + (of[6 * LINE] + of[7 * LINE]));
    }
    STORE_ROW(0, 0, x) STORE_ROW(0, 1, y) STORE_ROW(0, 2, z) STORE_ROW(0, 3, w)
    STORE_ROW(1, 0, x) STORE_ROW(1, 1, y) STORE_ROW(1, 2, z) STORE_ROW(1, 3, w)
}
