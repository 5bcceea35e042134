/* SPDX-License-Identifier: MIT
 * mma_attention.cl's attention on wgmma (compute capability 9.0), for heads of 64 or 72 columns:
 *   out[b][t][h] = sum_s softmax_s(scale q . k) v;  qkv (B*T, 3*H*DH) half, out (B*T, H*DH) half.
 * Four warps compute 64 queries together, GROUPS times four share K and V: queries and weights come
 * from registers, K and V straight from local memory, in steps of 64 keys through two stages.
 * There a tile is planes of 8 columns, PLANE bytes apart, each 64 keys of 16 bytes: 8 keys by 8
 * columns lie together as wgmma's layout without swizzle wants it, for K, whose columns are summed
 * over, as for V, whose keys are.
 * scale includes log2(e).  Global (ceil(T / (64 GROUPS)) * items, H, B), items = 128 GROUPS.
 * Local memory 39520 bytes.  wgmma hidden in PTX comments: see gemm_mma.cl. */
#ifndef DH
#define DH 72
#endif
#ifndef GROUPS
#define GROUPS 2
#endif
#define BK 64
#define ITEMS (128 * GROUPS)
#define SJ (BK / 8)                     /* 8-column blocks of scores */
#define OJ (DH / 8)                     /* and of the result: as many as 16-byte units of a row */
#define QSTEPS ((DH + 15) / 16)         /* k steps of q k^T */
#define PLANE (BK * 16 + 16)            /* 16 bytes against bank conflicts */
#define K_BYTES (2 * QSTEPS * PLANE)    /* with a plane of zeros where DH is no multiple of 16 */
#define STAGE (K_BYTES + OJ * PLANE)
#define CACHE "cg"
#define STAGES 2
#define AHEAD 1

#include "mma_common.clh"
#include "mma_copy.clh"
#include "mma_online_softmax.clh"

#define QUAD(q) "+f"(q[0]), "+f"(q[1]), "+f"(q[2]), "+f"(q[3])

/* s (64, 64) += a (64, 16) b, b 16 columns of K at descriptor b, over which it sums. */
INLINE void multiply_keys(float s[8][4], const uint a[4], ulong b)
{
    __asm__ volatile("//sm_90a wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
                     "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
                     "%26, %27, %28, %29, %30, %31"
                     "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 0;"
                     : QUAD(s[0]), QUAD(s[1]), QUAD(s[2]), QUAD(s[3]), QUAD(s[4]), QUAD(s[5]),
                       QUAD(s[6]), QUAD(s[7])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

#if DH == 64
/* acc (64, DH) += a (64, 16) b, b 16 keys of V. */
INLINE void multiply_values(float acc[8][4], const uint a[4], ulong b)
{
    __asm__ volatile("//sm_90a wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
                     "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
                     "%26, %27, %28, %29, %30, %31"
                     "}, {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                     : QUAD(acc[0]), QUAD(acc[1]), QUAD(acc[2]), QUAD(acc[3]), QUAD(acc[4]),
                       QUAD(acc[5]), QUAD(acc[6]), QUAD(acc[7])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#else
/* acc (64, DH) += a (64, 16) b, b 16 keys of V. */
INLINE void multiply_values(float acc[9][4], const uint a[4], ulong b)
{
    __asm__ volatile("//sm_90a wgmma.mma_async.sync.aligned.m64n72k16.f32.f16.f16 {"
                     "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, "
                     "%14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, "
                     "%26, %27, %28, %29, %30, %31, %32, %33, %34, %35"
                     "}, {%36, %37, %38, %39}, %40, 1, 1, 1, 1;"
                     : QUAD(acc[0]), QUAD(acc[1]), QUAD(acc[2]), QUAD(acc[3]), QUAD(acc[4]),
                       QUAD(acc[5]), QUAD(acc[6]), QUAD(acc[7]), QUAD(acc[8])
                     : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#endif

/* Planes of a tile at address as wgmma's operand: the next 8 columns are PLANE bytes further, the
 * next 8 keys 128.  Which of the two distances comes first depends on what is summed over. */
INLINE ulong describe_keys(uint address)
{
    return (ulong)(address >> 4 & 0x3fff) | (ulong)(PLANE >> 4) << 16 | (ulong)(128 >> 4) << 32;
}

INLINE ulong describe_values(uint address)
{
    return (ulong)(address >> 4 & 0x3fff) | (ulong)(128 >> 4) << 16 | (ulong)(PLANE >> 4) << 32;
}

/* Starts copying 64 rows of DH halves of K and V, the last valid row again beyond `valid`. */
INLINE void copy_tiles(uint stage, __global const ushort *k, __global const ushort *v, int ld,
                       int valid)
{
#pragma unroll
    for (int i = 0; i < (BK * OJ + ITEMS - 1) / ITEMS; i++) {
        int e = get_local_id(0) + i * ITEMS;
        int r = e / OJ, u = e % OJ;
        if (BK * OJ % ITEMS && e >= BK * OJ)
            break;
        uint from = (uint)min(r, valid - 1) * ld + u * 8;
        uint to = stage + u * PLANE + r * 16;
        copy16(to, k + from, 16);
        copy16(to + K_BYTES, v + from, 16);
    }
    copy_commit();
}

/* This lane's part of 16 queries from row t on, as the first operand of a GEMM; zeros beyond the
 * head's columns.  q: the head's first column of token 0. */
INLINE void load_queries(uint q_part[QSTEPS][4], __global const ushort *q, int ld, int t, int T)
{
    int lane = get_local_id(0) & 31, c0 = (lane & 3) * 2;
#pragma unroll
    for (int k = 0; k < QSTEPS; k++)
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int row = min(t + (lane >> 2) + (e & 1) * 8, T - 1), c = k * 16 + (e >> 1) * 8;
            q_part[k][e] = c < DH ? *(__global const uint *)(q + (size_t)row * ld + c + c0) : 0;
        }
}

/* s = q k^T of this group's 64 queries and the stage's keys.  nothing is 0, which the compiler
 * cannot know and cannot take out of the loop: ptxas of CUDA 13.0 gives the registers of q_part to
 * the weights otherwise, and does not fill them again. */
INLINE void scores(float s[SJ][4], uint q_part[QSTEPS][4], uint k_at, uint nothing)
{
    uint a[QSTEPS][4];
#pragma unroll
    for (int k = 0; k < QSTEPS; k++)
#pragma unroll
        for (int e = 0; e < 4; e++)
            a[k][e] = q_part[k][e] ^ nothing;
#pragma unroll
    for (int j = 0; j < SJ; j++)
        s[j][0] = s[j][1] = s[j][2] = s[j][3] = 0.0f;
    __asm__ volatile("//sm_90a wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int k = 0; k < QSTEPS; k++)
        multiply_keys(s, a[k], describe_keys(k_at + 2 * k * PLANE));
    __asm__ volatile("//sm_90a wgmma.commit_group.sync.aligned;" ::: "memory");
    __asm__ volatile("//sm_90a wgmma.wait_group.sync.aligned 0;" ::: "memory");
}

/* acc += weights * v. */
INLINE void accumulate(float acc[OJ][4], float s[SJ][4], uint v_at)
{
    uint a[SJ / 2][4];
#pragma unroll
    for (int k = 0; k < SJ / 2; k++)
        pack_weights(a[k], s, k);
    __asm__ volatile("//sm_90a wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
    for (int k = 0; k < SJ / 2; k++)
        multiply_values(acc, a[k], describe_values(v_at + k * 256));
    __asm__ volatile("//sm_90a wgmma.commit_group.sync.aligned;" ::: "memory");
    __asm__ volatile("//sm_90a wgmma.wait_group.sync.aligned 0;" ::: "memory");
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void wgmma_attention_f16(__global ushort *out, __global const ushort *qkv, int T, int H,
                         float scale)
{
    __local uint4 memory[2 * STAGE / 16] __attribute__((aligned(128)));
    int warp = get_local_id(0) >> 5, h = get_group_id(1), b = get_group_id(2);
    int t0 = get_group_id(0) * 64 * GROUPS + warp * 16, ld = 3 * H * DH;
    __global const ushort *q = qkv + (size_t)b * T * ld + h * DH;
    __global const ushort *k = q + H * DH, *v = k + H * DH;
    uint base = local_address(memory), q_part[QSTEPS][4];
    float acc[OJ][4], top[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};

    copy_tiles(base, k, v, ld, T);
#if DH % 16
    for (int e = get_local_id(0); e < 2 * BK; e += ITEMS)
        memory[(e / BK * STAGE + OJ * PLANE) / 16 + e % BK] = (uint4)(0);
#endif
    load_queries(q_part, q, ld, t0, T);
#pragma unroll
    for (int j = 0; j < OJ; j++)
        acc[j][0] = acc[j][1] = acc[j][2] = acc[j][3] = 0.0f;

    uint stage = base, other = base + STAGE;
    for (int s0 = 0; s0 < T; s0 += BK) {
        float s[SJ][4], factor[2];
        copy_wait();
        /* wgmma reads through another proxy than the copies wrote. */
        __asm__ volatile("fence.proxy.async.shared::cta;" ::: "memory");
        barrier(CLK_LOCAL_MEM_FENCE);
        if (s0 + BK < T)
            copy_tiles(other, k + (size_t)(s0 + BK) * ld, v + (size_t)(s0 + BK) * ld, ld,
                       T - s0 - BK);
        scores(s, q_part, stage, s0 & (H >> 31));
        online_softmax(s, top, sum, factor, scale, T - s0);
        scale_rows(acc, factor);
        accumulate(acc, s, stage + K_BYTES);
        uint was = stage;
        stage = other;
        other = was;
    }
    write_rows(acc, sum, out + (size_t)b * T * H * DH + h * DH, t0, 0, T, H * DH);
}
