/* SPDX-License-Identifier: MIT
 * float32 GEMM for GPUs, register blocked, with its epilogue and in batches:
 *   out[z][m][n] = epilogue(sum_k A[z][m][k] W[z][k][n]);  epilogue.cl's header has the epilogue.
 * Operands as in gemm.cl; matrix z of a batch begins *_step elements after the one before.
 * A work-group of 256 makes a tile of BM x BN, BM and BN 64 or 128: work-item (x, y) of 16 x 16,
 * 8 x 4 of them in a row of 32, has quads of rows and columns, 64 apart, so that neighbours read
 * neighbouring quads of local memory.  Steps of K go through registers, loaded while the step
 * before is computed, into local memory, at most 12.3 KB.  VEC_A, VEC_W: the operand's lines are
 * whole aligned quads.  K is added in order, in one way for any M and N.
 * Global (ceil(N / BN) * 256, ceil(M / BM), matrices), local (256, 1, 1). */
#include "epilogue_finish.clh"

#ifndef KMAJOR
#define KMAJOR 0
#endif
#ifndef BM
#define BM 128
#endif
#ifndef BN
#define BN 128
#endif
#ifndef VEC_A
#define VEC_A 0
#endif
#ifndef VEC_W
#define VEC_W 0
#endif
#define ITEMS 256
/* Columns of K a step: few, as registers hold a step's quads beside the results, but every
 * work-item has one to move. */
#if BM == 128 && BN == 128
#define STEP 8
#else
#define STEP 16
#endif
/* Quads of a tile's column and row, and of a work-item's; a quad more in a line of A, so that the
 * transposing stores of a warp meet fewer banks. */
#define QM (BM / 4)
#define QN (BN / 4)
#define TM (BM / 64)
#define TN (BN / 64)
#define LINE (QM + 1)
/* Quads that a work-item moves in a step. */
#define MOVE_A (BM * STEP / 4 / ITEMS)
#define MOVE_W (BN * STEP / 4 / ITEMS)

/* n of the 4 floats at p, zeros for the others. */
static inline float4 load_some(__global const float *p, int n)
{
    float4 v = (float4)(0.0f);
    if (n > 0)
        v.x = p[0];
    if (n > 1)
        v.y = p[1];
    if (n > 2)
        v.z = p[2];
    if (n > 3)
        v.w = p[3];
    return v;
}

/* Quad i of the work-item of A's step at k: of A's row m 4 columns, with KMAJOR of a column 4
 * rows. */
static inline float4 load_a(__global const float *A, int a_ld, int m0, int k0, int M, int K, int e)
{
#if KMAJOR
    const int k = k0 + e / QM, m = m0 + e % QM * 4;
    __global const float *p = A + (size_t)k * a_ld + m;
    const int n = k < K ? M - m : 0;
#else
    const int m = m0 + e / (STEP / 4), k = k0 + e % (STEP / 4) * 4;
    __global const float *p = A + (size_t)m * a_ld + k;
    const int n = m < M ? K - k : 0;
#endif
#if VEC_A
    return n > 0 ? *(__global const float4 *)p : (float4)(0.0f);
#else
    return load_some(p, n);
#endif
}

static inline float4 load_w(__global const float *W, int w_ld, int n0, int k0, int N, int K, int e)
{
    const int k = k0 + e / QN, at = n0 + e % QN * 4, n = k < K ? N - at : 0;
    __global const float *p = W + (size_t)k * w_ld + at;
#if VEC_W
    return n > 0 ? *(__global const float4 *)p : (float4)(0.0f);
#else
    return load_some(p, n);
#endif
}

static inline void store_a(__local float4 *at, float4 v, int e)
{
#if KMAJOR
    at[e / QM * LINE + e % QM] = v;
#else
    __local float *to = (__local float *)at + e % (STEP / 4) * 4 * LINE * 4 + e / (STEP / 4);
    to[0] = v.x;
    to[LINE * 4] = v.y;
    to[2 * LINE * 4] = v.z;
    to[3 * LINE * 4] = v.w;
#endif
}

/* v += the outer product of a column of A's quads and a row of W's. */
static inline void multiply(float4 v[TM * 4][TN], const float4 a[TM], const float4 w[TN])
{
    #pragma unroll
    for (int i = 0; i < TM; i++)
        #pragma unroll
        for (int j = 0; j < TN; j++) {
            v[i * 4][j] = fma((float4)(a[i].x), w[j], v[i * 4][j]);
            v[i * 4 + 1][j] = fma((float4)(a[i].y), w[j], v[i * 4 + 1][j]);
            v[i * 4 + 2][j] = fma((float4)(a[i].z), w[j], v[i * 4 + 2][j]);
            v[i * 4 + 3][j] = fma((float4)(a[i].w), w[j], v[i * 4 + 3][j]);
        }
}

__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void gemm_blocked(__global float *out, int out_at, int out_ld, __global const float *A, int a_at,
                  int a_ld, __global const float *W, int w_at, int w_ld,
                  __global const float *bias, int bias_at, __global const float *gate, int gate_at,
                  int gate_ld, int gate_rows, __global const float *add, int add_at, int add_ld,
                  int add_rows, int act, int flags, int M, int N, int K, int a_step, int w_step,
                  int out_step)
{
    __local float4 at[STEP * LINE], wt[STEP * QN];
    const int id = get_local_id(0), x = id % 8 + 8 * (id / 32 % 2), y = id / 8 % 4 + 4 * (id / 64);
    const int n0 = get_group_id(0) * BN, m0 = get_group_id(1) * BM;
    const size_t z = get_group_id(2);
    float4 v[TM * 4][TN], a_next[MOVE_A], w_next[MOVE_W];
    A += a_at + z * a_step;
    W += w_at + z * w_step;
    out += out_at + z * out_step;
    #pragma unroll
    for (int i = 0; i < TM * 4; i++)
        #pragma unroll
        for (int j = 0; j < TN; j++)
            v[i][j] = (float4)(0.0f);
    #pragma unroll
    for (int i = 0; i < MOVE_A; i++)
        a_next[i] = load_a(A, a_ld, m0, 0, M, K, i * ITEMS + id);
    #pragma unroll
    for (int i = 0; i < MOVE_W; i++)
        w_next[i] = load_w(W, w_ld, n0, 0, N, K, i * ITEMS + id);
    for (int k0 = 0; k0 < K; k0 += STEP) {
        #pragma unroll
        for (int i = 0; i < MOVE_A; i++)
            store_a(at, a_next[i], i * ITEMS + id);
        #pragma unroll
        for (int i = 0; i < MOVE_W; i++)
            wt[i * ITEMS + id] = w_next[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (k0 + STEP < K) {
            #pragma unroll
            for (int i = 0; i < MOVE_A; i++)
                a_next[i] = load_a(A, a_ld, m0, k0 + STEP, M, K, i * ITEMS + id);
            #pragma unroll
            for (int i = 0; i < MOVE_W; i++)
                w_next[i] = load_w(W, w_ld, n0, k0 + STEP, N, K, i * ITEMS + id);
        }
        /* Quads of the next column of K are read while those of this one are multiplied. */
        float4 a[2][TM], w[2][TN];
        #pragma unroll
        for (int i = 0; i < TM; i++)
            a[0][i] = at[i * 16 + y];
        #pragma unroll
        for (int j = 0; j < TN; j++)
            w[0][j] = wt[j * 16 + x];
        #pragma unroll
        for (int k = 0; k < STEP; k++) {
            const int now = k % 2, next = !now;
            if (k + 1 < STEP) {
                #pragma unroll
                for (int i = 0; i < TM; i++)
                    a[next][i] = at[(k + 1) * LINE + i * 16 + y];
                #pragma unroll
                for (int j = 0; j < TN; j++)
                    w[next][j] = wt[(k + 1) * QN + j * 16 + x];
            }
            multiply(v, a[now], w[now]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    #pragma unroll
    for (int i = 0; i < TM * 4; i++)
        #pragma unroll
        for (int j = 0; j < TN; j++) {
            const int m = m0 + i / 4 * 64 + y * 4 + i % 4, n = n0 + j * 64 + x * 4;
            const float of[4] = {v[i][j].x, v[i][j].y, v[i][j].z, v[i][j].w};
            #pragma unroll
            for (int c = 0; c < 4; c++)
                if (m < M && n + c < N)
                    out[(size_t)m * out_ld + n + c] =
                        epilogue_finish(of[c], (flags & 1) ? bias[bias_at + n + c] : 0.0f, gate,
                                        gate_at, gate_ld, gate_rows, add, add_at, add_ld,
                                        add_rows, act, flags, m, n + c);
        }
}
