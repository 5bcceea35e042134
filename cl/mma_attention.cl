/* SPDX-License-Identifier: MIT
 * The attention of attention.cl on NVIDIA's tensor cores, half in and out, float32 scores, sums
 * and accumulators (tiling: Dao, FlashAttention-2, arXiv 2307.08691):
 *   out[b][t][h] = sum_s softmax_s(scale q . k) v;  qkv (B*T, 3*H*DH) half, out (B*T, H*DH) half.
 * A warp computes 16 queries.  COLS warps share them, each holding 1/COLS of the head's columns of
 * the result; each computes all scores anew, which is cheaper than exchanging them.  Q, K and V
 * tiles lie in local memory with rows of PITCH halves, PITCH = DH rounded up to 16, plus 8: an odd
 * number of 16-byte units, so ldmatrix meets no bank twice.
 * Global (ceil(T/BQ) * items, H, B), items = 32 * BQ/16 * COLS.  Needs DH % 8 == 0.
 * Local memory (BQ + BK) * PITCH * 2 bytes when K and V share a tile (SHARED 1), else
 * max(BQ, BK) + BK rows. */
#ifndef DH
#define DH 72
#endif
#ifndef BQ
#define BQ 64
#define BK 64
#define COLS 1
#endif

#define DP ((DH + 15) / 16 * 16)
#define PITCH (DP + 8)
#define ITEMS (32 * (BQ / 16) * COLS)
#define QSTEPS (DP / 16)            /* k steps of q k^T */
#define SJ (BK / 8)                 /* 8-column blocks of scores */
#define OJ (DP / COLS / 8)          /* 8-column blocks of the result, of this warp */
#define UNITS (DH / 8)              /* 16-byte units of a row */
#define PADS (PITCH / 8 - UNITS)

#include "mma_common.clh"
#include "mma_online_softmax.clh"

INLINE void load_matrix4_turned(uint r[4], uint address)
{
    __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                     : "r"(address)
                     : "memory");
}

/* Starts copying `rows` rows of DH halves to a tile, the last valid row again beyond `valid`. */
INLINE void copy_tile(uint tile, __global const ushort *from, int ld, int rows, int valid)
{
    for (int e = get_local_id(0); e < rows * UNITS; e += ITEMS) {
        int r = e / UNITS, u = e % UNITS;
        __global const ushort *p = from + (size_t)min(r, valid - 1) * ld + u * 8;
        __asm__ volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(
                             tile + (r * PITCH + u * 8) * 2),
                         "l"((ulong)p)
                         : "memory");
    }
    __asm__ volatile("cp.async.commit_group;" ::: "memory");
}

/* Zeros in the units of a tile's rows that no copy writes. */
INLINE void clear_pads(__local uint4 *tile, int rows)
{
    for (int e = get_local_id(0); e < rows * PADS; e += ITEMS)
        tile[e / PADS * (PITCH / 8) + UNITS + e % PADS] = (uint4)(0);
}

/* s = q k^T of 16 queries at q_from and BK keys at k_from. */
INLINE void scores(float s[SJ][4], uint q_from, uint k_from)
{
#pragma unroll
    for (int j = 0; j < SJ; j++)
        s[j][0] = s[j][1] = s[j][2] = s[j][3] = 0.0f;
#if QSTEPS <= 8
#pragma unroll
#else
#pragma unroll 4
#endif
    for (int k = 0; k < QSTEPS; k++) {
        uint a[4];
        load_matrix4(a, q_from + k * 32);
#pragma unroll
        for (int j = 0; j < SJ / 2; j++) {
            uint b[4];
            load_matrix4(b, k_from + j * 16 * PITCH * 2 + k * 32);
            multiply(s[2 * j], a, b[0], b[1]);
            multiply(s[2 * j + 1], a, b[2], b[3]);
        }
    }
}

/* acc += weights * v, v (BK, columns of this warp) row-major at v_from. */
INLINE void accumulate(float acc[OJ][4], float s[SJ][4], uint v_from)
{
#pragma unroll
    for (int k = 0; k < SJ / 2; k++) {
        uint a[4];
        pack_weights(a, s, k);
#pragma unroll
        for (int j = 0; j < OJ / 2; j++) {
            uint b[4];
            load_matrix4_turned(b, v_from + k * 16 * PITCH * 2 + j * 32);
            multiply(acc[2 * j], a, b[0], b[1]);
            multiply(acc[2 * j + 1], a, b[2], b[3]);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void mma_attention_f16(__global ushort *out, __global const ushort *qkv, int T, int H, float scale)
{
    __local uint4 q_tile[BQ * PITCH / 8];
    __local uint4 k_tile[BK * PITCH / 8];
#if SHARED
    __local uint4 *v_tile = k_tile;
#else
    __local uint4 v_tile[BK * PITCH / 8];
#endif
    int lane = get_local_id(0) & 31, warp = get_local_id(0) >> 5;
    int group = warp / COLS, col = warp % COLS;
    int t0 = get_group_id(0) * BQ, h = get_group_id(1), b = get_group_id(2);
    int ld = 3 * H * DH;
    __global const ushort *q = qkv + (size_t)b * T * ld + h * DH;
    __global const ushort *k = q + H * DH, *v = k + H * DH;
    uint qa = local_address(q_tile), ka = local_address(k_tile), va = local_address(v_tile);

    clear_pads(q_tile, BQ);
    clear_pads(k_tile, BK);
#if !SHARED
    clear_pads(v_tile, BK);
#endif
    copy_tile(qa, q + (size_t)t0 * ld, ld, BQ, T - t0);
    copy_tile(ka, k, ld, BK, T);

    uint q_from = qa + ((group * 16 + (lane & 15)) * PITCH + (lane >> 4) * 8) * 2;
    uint k_from = ka + ((((lane >> 4) << 3) + (lane & 7)) * PITCH + ((lane >> 3) & 1) * 8) * 2;
    uint v_from = va + ((lane & 15) * PITCH + (lane >> 4) * 8 + col * OJ * 8) * 2;
    float acc[OJ][4], top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};
#pragma unroll
    for (int j = 0; j < OJ; j++)
        acc[j][0] = acc[j][1] = acc[j][2] = acc[j][3] = 0.0f;

    for (int s0 = 0; s0 < T; s0 += BK) {
        float s[SJ][4], factor[2];
#if !SHARED
        copy_tile(va, v + (size_t)s0 * ld, ld, BK, T - s0);
        __asm__ volatile("cp.async.wait_group 1;" ::: "memory");
#else
        __asm__ volatile("cp.async.wait_group 0;" ::: "memory");
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
        scores(s, q_from, k_from);
        barrier(CLK_LOCAL_MEM_FENCE);
#if SHARED
        copy_tile(va, v + (size_t)s0 * ld, ld, BK, T - s0);
#else
        if (s0 + BK < T)
            copy_tile(ka, k + (size_t)(s0 + BK) * ld, ld, BK, T - s0 - BK);
        else
            __asm__ volatile("cp.async.commit_group;" ::: "memory");
#endif
        online_softmax(s, top, sum, factor, scale, T - s0);
        scale_rows(acc, factor);
#if SHARED
        __asm__ volatile("cp.async.wait_group 0;" ::: "memory");
#else
        __asm__ volatile("cp.async.wait_group 1;" ::: "memory");
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
        accumulate(acc, s, v_from);
        barrier(CLK_LOCAL_MEM_FENCE);
#if SHARED
        if (s0 + BK < T)
            copy_tile(ka, k + (size_t)(s0 + BK) * ld, ld, BK, T - s0 - BK);
#endif
    }
    __asm__ volatile("cp.async.wait_group 0;" ::: "memory");

    write_rows(acc, sum, out + (size_t)b * T * H * DH + h * DH, t0 + group * 16, col * OJ * 8, T,
               H * DH);
}
