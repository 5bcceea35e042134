/* SPDX-License-Identifier: MIT
 * GEMMs and convolutions on NVIDIA's tensor cores (compute capability 8.0 and up), in OpenCL C with
 * inline PTX (PTX ISA: mma.sync.m16n8k16, ldmatrix, cp.async):
 *   acc = A W,  A (M, K) half, W (K, N) half in tiles, float32 accumulation;  v = act(acc + bias)
 *   OUT_FLOAT 0: out (M, N) half = v + add          (add half, optional)
 *   OUT_FLOAT 1: out (M, N) float = add + gate * v  (add, gate float, optional)
 * CONV 1: A is gathered from an NHWC image x (B, Hh, Ww, C): row m is pixel (y, x) of oh x ow
 * results, column (tap, c) the input under that tap, zero outside, the first tap at
 * (stride y + dy, stride x + dx); no im2col in memory.  W is (taps * C, N).
 * Parities (UP 1): group z computes output parity (py, px) of a 3 x 3 convolution after a nearest
 * 2x upsample with its own 2 x 2 weights W[z], and writes to pixel (2y + py, 2x + px).
 *
 * BATCH 1: group z is a GEMM of its own: A, W and out begin a_step, w_step and out_step elements
 * after those of z - 1, A and W at a_at and w_at, and W is (N, K), rows ldw apart.
 *
 * SPLIT 1 (split-K): group z sums over k_each of the K columns only and writes its partial sums as
 * floats, without an epilogue, to out[z] (M, N); split_k_reduce of gemm_half.cl adds them up.
 *
 * A work-group of 32 WARPS_M WARPS_N work-items computes BM x BN; K goes in steps of 32 through
 * STAGES buffers of local memory filled by cp.async.  Rows of 64 bytes are swizzled: 16-byte chunk
 * c of row r lies at c ^ (r / 2 % 4), which keeps ldmatrix and cp.async free of bank conflicts.
 * The result goes through local memory so that global accesses are 16 bytes wide.
 * WGMMA 1 (compute capability 9.0): by wgmma, four warps together on 64 rows, operands straight
 * from local memory (no ldmatrix, which takes most of the other kernel's time).  The
 * driver's OpenCL compiler targets sm_90, where wgmma does not assemble, so those instructions are
 * PTX comments that start with "//sm_90a "; host/cl/ptx.c uncovers them in the built program and
 * raises its target.  WARPS_M 4, WARPS_N 1, BN 64 or 128.
 * Needs K % 8 == 0, N % 8 == 0, 16-byte aligned rows; CONV: C % 32 == 0.
 * Global (ceil(N/BN) * items, ceil(M/BM), parities, batch or splits), with ROWS_FIRST
 * (ceil(M/BM) * items, ceil(N/BN), ...).
 * Local memory STAGES * (BM + BN) * 64 bytes. */
#ifndef BM
#define BM 128
#define BN 128
#define WARPS_M 2
#define WARPS_N 2
#define STAGES 3
#endif
#include "gemm_half_options.clh"
#ifndef WGMMA
#define WGMMA 0
#endif
#ifndef SPLIT
#define SPLIT 0
#endif
#ifndef BATCH
#define BATCH 0
#endif
/* 1: neighbouring work-groups have the same columns and share W, which pays where there are few
 * rows; 0: they have the same rows and share A. */
#ifndef ROWS_FIRST
#define ROWS_FIRST 0
#endif

/* Copies go through L1 (ca) or past it (cg), whichever was measured to be faster: ldmatrix competes
 * with them for local memory, wgmma does not. */
#if WGMMA
#define CACHE "cg"
#else
#define CACHE "ca"
#endif
#define ITEMS (32 * WARPS_M * WARPS_N)
#if WGMMA
/* Four warps work as one group on 64 rows at a time, each warp keeping 16 of them. */
#define BLOCK_ROWS 64
#define WARP_ROWS 16
#define WN BN
#define MI (BM / 64)
#else
#define BLOCK_ROWS 16
#define WARP_ROWS (BM / WARPS_M)
#define WN (BN / WARPS_N)
#define MI (WARP_ROWS / 16)
#endif
#define NI (WN / 8)
#define A_LOADS (BM * 4 / ITEMS)
#define W_LOADS (BN * 4 / ITEMS)
#define STAGE_BYTES ((BM + BN) * 64)
#define TURN_BYTES (WARPS_M * WARPS_N * 16 * (WN + 4) * 4)
#if TURN_BYTES > STAGES * STAGE_BYTES
#error "the results pass through local memory and need more of it than the stages have"
#endif
#define ROW_STEP (ITEMS / 4)
/* Steps whose wgmma may still be in flight when the next begins, where there is a stage for it. */
#define DEFER (WGMMA && STAGES > 4)
#define AHEAD (STAGES - 1 - DEFER)          /* stages that are copied while one is used */

#include "mma_common.clh"
#include "mma_copy.clh"
#include "tiles.clh"
#include "gemm_mma_load.clh"
#include "mma_step.clh"

/* Where results go and what is added to them; see the arguments of the kernel. */
typedef struct target {
    __global uchar *out;
    __global const uchar *add;
    __global const float *bias, *gate;
    int ldo, gate_at, gate_ld, gate_rows, flags, M, N, Ww, parity;
} target;

/* Eight results, to element `to` of out. */
INLINE void store8(float v[8], const target *t, size_t to, size_t gate_from)
{
#if OUT_FLOAT
    __global float4 *o = (__global float4 *)((__global float *)t->out + to);
    float4 r[2] = {(float4)(v[0], v[1], v[2], v[3]), (float4)(v[4], v[5], v[6], v[7])};
    for (int h = 0; h < 2; h++) {
        if (t->flags & 2)
            r[h] *= vload4(h, t->gate + gate_from);
        if (t->flags & 4)
            r[h] += ((__global const float4 *)((__global const float *)t->add + to))[h];
        o[h] = r[h];
    }
#else
    if (t->flags & 4) {
        uint4 a = *(__global const uint4 *)((__global const ushort *)t->add + to);
        float2 p[4] = {unpack_half2(a.x), unpack_half2(a.y), unpack_half2(a.z), unpack_half2(a.w)};
        for (int h = 0; h < 4; h++) {
            v[2 * h] += p[h].x;
            v[2 * h + 1] += p[h].y;
        }
    }
    *(__global uint4 *)((__global ushort *)t->out + to) =
        (uint4)(pack_half2(v[0], v[1]), pack_half2(v[2], v[3]), pack_half2(v[4], v[5]),
                pack_half2(v[6], v[7]));
#endif
}

/* The row of out for row m of A W. */
INLINE size_t target_row(const target *t, int m)
{
#if UP
    int line = m / t->Ww, x = m - line * t->Ww;
    return (size_t)(2 * line + (t->parity >> 1)) * (2 * t->Ww) + 2 * x + (t->parity & 1);
#else
    return m;
#endif
}

/* Writes a warp's results, rows from m0 and columns from n0 on, 16 rows at a time through `turn`,
 * its share of local memory, from which a work-item reads 8 columns of a row. */
INLINE void write_results(float acc[MI][NI][4], __local float *turn, const target *t, int m0,
                          int n0)
{
    int lane = get_local_id(0) & 31, r0 = lane >> 2, c0 = (lane & 3) * 2;
#pragma unroll
    for (int i = 0; i < MI; i++) {
#pragma unroll
        for (int j = 0; j < NI; j++) {
            vstore2((float2)(acc[i][j][0], acc[i][j][1]), 0, turn + r0 * (WN + 4) + j * 8 + c0);
            vstore2((float2)(acc[i][j][2], acc[i][j][3]), 0,
                    turn + (r0 + 8) * (WN + 4) + j * 8 + c0);
        }
        __asm__ volatile("bar.warp.sync 0xffffffff;" ::: "memory");
        for (int e = lane; e < 16 * (WN / 8); e += 32) {
            int r = e / (WN / 8), c = e % (WN / 8) * 8;
            int m = m0 + i * BLOCK_ROWS + r, n = n0 + c;
            if (m >= t->M || n >= t->N)
                continue;
            float v[8];
            for (int h = 0; h < 8; h++)
                v[h] = activate(turn[r * (WN + 4) + c + h] +
                                ((t->flags & 1) ? t->bias[n + h] : 0.0f));
            store8(v, t, target_row(t, m) * t->ldo + n,
                   t->gate_at + (size_t)(m / t->gate_rows) * t->gate_ld + n);
        }
        __asm__ volatile("bar.warp.sync 0xffffffff;" ::: "memory");
    }
}

/* acc = A W over columns k0 to k_end - 1 of A, for the tile at row m0 and column n0. */
INLINE void multiply_steps(float acc[MI][NI][4], uint base, __global const ushort *A,
                           __global const ushort *W, int m0, int n0, int k0, int k_end, int M,
                           int N, int K, int lda, int ldw, int wm, int wn, const image *p)
{
    clear(acc);
#if !WGMMA
    int lane = get_local_id(0) & 31;
    /* ldmatrix addresses of this lane inside a stage; the swizzle of a row does not depend on the
     * 16-row block, and the second half of a step is 32 bytes away under xor. */
    int ar = wm * WARP_ROWS + (lane & 15), wr = wn * WN + ((lane >> 4) << 3) + (lane & 7);
    uint a_from = ar * 64 + (((lane >> 4) ^ ((ar >> 1) & 3)) << 4);
    uint w_from = BM * 64 + wr * 64 + ((((lane >> 3) & 1) ^ ((wr >> 1) & 3)) << 4);
#endif
    loader l;
    loader_open(&l, m0, n0, k0, M, N, lda, ldw, p);
    int steps = (k_end - k0 + 31) / 32;
    for (int s = 0; s < AHEAD; s++) {
        if (s < steps)
            loader_step(&l, base + s * STAGE_BYTES, A, W, k0 + s * 32, K, p);
        copy_commit();
    }
    int stage = 0, fill = AHEAD;
    for (int s = 0; s < steps; s++) {
        copy_wait();
#if WGMMA
        /* wgmma reads through another proxy than the copies wrote. */
        __asm__ volatile("fence.proxy.async.shared::cta;" ::: "memory");
#endif
        barrier(CLK_LOCAL_MEM_FENCE);
        if (s + AHEAD < steps)
            loader_step(&l, base + fill * STAGE_BYTES, A, W, k0 + (s + AHEAD) * 32, K, p);
        copy_commit();
        fill = fill + 1 == STAGES ? 0 : fill + 1;
#if WGMMA
        compute_step(acc, base + stage * STAGE_BYTES, base + stage * STAGE_BYTES + BM * 64);
        compute_wait();
#else
        compute_step(acc, base + stage * STAGE_BYTES, a_from, w_from);
#endif
        stage = stage + 1 == STAGES ? 0 : stage + 1;
    }
#if WGMMA
    compute_end();
#endif
    __asm__ volatile("cp.async.wait_group 0;" ::: "memory");
    barrier(CLK_LOCAL_MEM_FENCE);
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm_mma(__global uchar *out, int out_at, int ldo, __global const ushort *A, int lda,
             __global const ushort *W, __global const float *bias, __global const uchar *add,
             __global const float *gate, int gate_at, int gate_ld, int gate_rows, int flags, int M,
             int N, int K, int k_each, int Hh, int Ww, int C, int kw, int dy, int dx, int oh,
             int ow, int stride
#if BATCH
             , int a_at, int w_at, int ldw, int a_step, int w_step, int out_step
#endif
             )
{
    __local uint4 memory[STAGES * STAGE_BYTES / 16] __attribute__((aligned(1024)));
    int warp = get_local_id(0) >> 5;
#if WGMMA
    int wm = warp, wn = 0;
#else
    int wm = warp / WARPS_N, wn = warp % WARPS_N;
#endif
    int m0 = get_group_id(!ROWS_FIRST) * BM, n0 = get_group_id(ROWS_FIRST) * BN;
    uint base = local_address(memory);
    image p = {Hh, Ww, C, kw, dy, dx, oh, ow, stride};
    int parity = 0;
    out += (size_t)out_at * (OUT_FLOAT ? sizeof(float) : sizeof(ushort));
    add += (size_t)out_at * (OUT_FLOAT ? sizeof(float) : sizeof(ushort));
#if UP
    parity = get_group_id(2);
    p.dy = (parity >> 1) - 1;
    p.dx = (parity & 1) - 1;
    W += piece_at((N + 127) / 128 * 128, 0, K) * parity;
#endif
#if BATCH
    A += a_at + get_group_id(2) * (size_t)a_step;
    W += w_at + get_group_id(2) * (size_t)w_step;
    out += get_group_id(2) * (size_t)out_step * (OUT_FLOAT ? sizeof(float) : sizeof(ushort));
#else
    const int ldw = 0;
    W += piece_at(n0, 0, K);
#endif
    int k0 = 0, k_end = K;
#if SPLIT
    k0 = get_group_id(2) * k_each;
    k_end = min(K, k0 + k_each);
    out += (size_t)get_group_id(2) * M * N * sizeof(float);
#endif
    float acc[MI][NI][4];
    multiply_steps(acc, base, A, W, m0, n0, k0, k_end, M, N, K, lda, ldw, wm, wn, &p);

    const target t = {out, add, bias, gate, ldo, gate_at, gate_ld, gate_rows, flags, M, N, Ww,
                      parity};
    write_results(acc, (__local float *)memory + warp * 16 * (WN + 4), &t, m0 + wm * WARP_ROWS,
                  n0 + wn * WN);
}
