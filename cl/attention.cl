/* SPDX-License-Identifier: MIT
 * Softmax attention in one pass over the keys (online softmax: Milakov and Gimelshein,
 * arXiv 1805.02867; tiling: Dao et al., FlashAttention, arXiv 2205.14135):
 *   out[b][t][h] = sum_s softmax_s(scale q[b][t][h] . k[b][s][h]) v[b][s][h]
 * qkv (B*T, 3*H*DH): q, k, v one after the other, each H x DH; out (B*T, H*DH).
 * Scores, maxima and sums are float32; no T x T matrix leaves a work-group.
 *
 * attn_f32_tiled, for GPUs: 128 work-items (16 x 8) compute 32 queries; keys in tiles of 64; a
 * work-item holds a 4 x 4 tile of scores and 4 rows x VC*VD/16 columns of the result in registers.
 * Global (ceil(T/32) * 128, H, B).  Local memory below 31 KB for any DH.
 * DH: head size.  QD: columns of q and k staged at a time.  VD: columns of v staged at a time, a
 * multiple of 16, in VC rounds, VC * VD >= DH. */
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

#define BQ 32
#define BK 64
#define ITEMS 128
#define QK_FLOATS ((BQ + BK) * (QD + 1))
#define V_FLOATS (BK * VD)
#define STAGE_FLOATS (QK_FLOATS > V_FLOATS ? QK_FLOATS : V_FLOATS)
#define OC (VD / 16)

/* Scores of the tile: s[i][j] of query 4 ty + i and key tx + 16 j, unscaled. */
static inline void tile_scores(float s[4][4], __local float *stage, __global const float *q,
                        __global const float *k, int ld, int nq, int nk)
{
    __local float *qs = stage, *ks = stage + BQ * (QD + 1);
    int lid = get_local_id(0), tx = lid & 15, ty = lid >> 4;
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            s[i][j] = 0.0f;
    for (int d0 = 0; d0 < DH; d0 += QD) {
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = lid; e < BQ * QD; e += ITEMS) {
            int r = e / QD, d = e % QD;
            qs[r * (QD + 1) + d] = (r < nq && d0 + d < DH) ? q[(size_t)r * ld + d0 + d] : 0.0f;
        }
        for (int e = lid; e < BK * QD; e += ITEMS) {
            int r = e / QD, d = e % QD;
            ks[r * (QD + 1) + d] = (r < nk && d0 + d < DH) ? k[(size_t)r * ld + d0 + d] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int d = 0; d < QD; d++) {
            float a[4], b[4];
            for (int i = 0; i < 4; i++)
                a[i] = qs[(4 * ty + i) * (QD + 1) + d];
            for (int j = 0; j < 4; j++)
                b[j] = ks[(tx + 16 * j) * (QD + 1) + d];
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    s[i][j] += a[i] * b[j];
        }
    }
}

/* Online softmax of a tile: turns the scores in p (BQ, BK+1) into exp(score - max), updates each
 * row's running maximum and sum, and leaves in factor[] what earlier results must be multiplied by.
 * Four work-items a row. */
static inline void tile_softmax(__local float *p, __local float *row_max, __local float *row_sum,
                         __local float *factor, __local float *part)
{
    int lid = get_local_id(0), r = lid >> 2, quarter = lid & 3;
    __local float *mine = p + r * (BK + 1) + quarter * (BK / 4);
    float m = mine[0];
    for (int i = 1; i < BK / 4; i++)
        m = fmax(m, mine[i]);
    part[lid] = m;
    barrier(CLK_LOCAL_MEM_FENCE);
    float old = row_max[r];
    m = fmax(fmax(part[4 * r], part[4 * r + 1]), fmax(part[4 * r + 2], part[4 * r + 3]));
    m = fmax(m, old);
    float sum = 0.0f;
    for (int i = 0; i < BK / 4; i++) {
        mine[i] = exp(mine[i] - m);
        sum += mine[i];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    part[lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (quarter == 0) {
        float f = exp(old - m);
        factor[r] = f;
        row_max[r] = m;
        row_sum[r] = row_sum[r] * f + part[lid] + part[lid + 1] + part[lid + 2] + part[lid + 3];
    }
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void attn_f32_tiled(__global float *out, __global const float *qkv, int T, int H, float scale)
{
    __local float stage[STAGE_FLOATS];
    __local float p[BQ * (BK + 1)];
    __local float row_max[BQ], row_sum[BQ], factor[BQ], part[ITEMS];
    int lid = get_local_id(0), tx = lid & 15, ty = lid >> 4;
    int t0 = get_group_id(0) * BQ, h = get_group_id(1), b = get_group_id(2);
    int ld = 3 * H * DH;
    __global const float *q = qkv + ((size_t)b * T + t0) * ld + h * DH;
    __global const float *keys = qkv + (size_t)b * T * ld + (H + h) * DH;
    __global const float *values = keys + H * DH;

    float acc[VC][4][OC];
    for (int c = 0; c < VC; c++)
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < OC; j++)
                acc[c][i][j] = 0.0f;
    if (lid < BQ) {
        row_max[lid] = -INFINITY;
        row_sum[lid] = 0.0f;
    }
    for (int s0 = 0; s0 < T; s0 += BK) {
        int nk = min(BK, T - s0);
        float s[4][4];
        tile_scores(s, stage, q, keys + (size_t)s0 * ld, ld, T - t0, nk);
        for (int i = 0; i < 4; i++)
            for (int j = 0; j < 4; j++)
                p[(4 * ty + i) * (BK + 1) + tx + 16 * j] =
                    tx + 16 * j < nk ? s[i][j] * scale : -INFINITY;
        barrier(CLK_LOCAL_MEM_FENCE);
        tile_softmax(p, row_max, row_sum, factor, part);
#pragma unroll
        for (int c = 0; c < VC; c++) {
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int e = lid; e < BK * VD; e += ITEMS) {
                int r = e / VD, d = c * VD + e % VD;
                stage[e] = (r < nk && d < DH) ? values[(size_t)(s0 + r) * ld + d] : 0.0f;
            }
            barrier(CLK_LOCAL_MEM_FENCE);
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < OC; j++)
                    acc[c][i][j] *= factor[4 * ty + i];
            for (int r = 0; r < BK; r++)
                for (int i = 0; i < 4; i++) {
                    float weight = p[(4 * ty + i) * (BK + 1) + r];
                    for (int j = 0; j < OC; j++)
                        acc[c][i][j] += weight * stage[r * VD + tx + 16 * j];
                }
        }
    }
#pragma unroll
    for (int c = 0; c < VC; c++)
        for (int i = 0; i < 4; i++) {
            int t = t0 + 4 * ty + i;
            float inv = 1.0f / row_sum[4 * ty + i];
            for (int j = 0; j < OC; j++) {
                int d = c * VD + tx + 16 * j;
                if (t < T && d < DH)
                    out[((size_t)b * T + t) * H * DH + h * DH + d] = acc[c][i][j] * inv;
            }
        }
}
