/* SPDX-License-Identifier: MIT
 * float32 GEMM for GPUs, register blocked, with its epilogue and in batches:
 *   out[z][m][n] = epilogue(sum_k A[z][m][k] W[z][k][n]);  epilogue.cl's header has the epilogue.
 * Operands as in gemm.cl; matrix z of a batch begins *_step elements after the one before.
 * With -DPARTS z is a part of K instead, k_each columns (a multiple of STEP) from z * k_each on, and
 * its sum goes to out without the epilogue.
 * A work-group of ITEMS makes a tile of BM x BN.  A work-item has TM quads of rows and TN of columns,
 * GY and GX quads apart, so that neighbours read neighbouring quads of local memory; 32 neighbours
 * are LX x LY of a tile's work-items.  Steps of K go through registers, loaded while the step before
 * is computed, into local memory, at most 6.5 KB.  VEC_A, VEC_W, VEC_OUT: the operand's lines (those of
 * out and of all that the epilogue reads) are whole aligned quads.  LIMITED: the compiler is told by
 * other means how many registers to take, which reqd_work_group_size would override.
 * K is added in order, in one way for any M, N and tile.
 * Global (ceil(N / BN) * ITEMS, ceil(M / BM), matrices or parts), local (ITEMS, 1, 1). */
#define VW 4
#include "vector.clh"
#include "epilogue_finish.clh"

#ifndef KMAJOR
#define KMAJOR 0
#endif
#ifndef BM
#define BM 64
#endif
#ifndef BN
#define BN 128
#endif
#ifndef TM
#define TM 2
#endif
#ifndef TN
#define TN 2
#endif
#ifndef VEC_A
#define VEC_A 0
#endif
#ifndef VEC_W
#define VEC_W 0
#endif
#ifndef VEC_OUT
#define VEC_OUT 0
#endif
/* Columns of K a step: few, as registers hold a step's quads beside the results. */
#define STEP 8
/* Quads of a tile's column and row; a quad more in a line of A, so that the transposing stores of
 * neighbours meet fewer banks. */
#define QM (BM / 4)
#define QN (BN / 4)
#define LINE (QM + 1)
#define GY (QM / TM)
#define GX (QN / TN)
#define ITEMS (GX * GY)
#define LX 8
#define LY 4
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

/* Quad e of A's step at k0: of A's row m 4 columns, with KMAJOR of a column 4
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

#if VEC_OUT
/* The epilogue of the four columns from n on. */
static inline float4 finish4(float4 v, __global const float *bias, __global const float *gate,
                             __global const float *add, int act, int flags)
{
    if (flags & 1)
        v += *(__global const float4 *)bias;
    if (act == 1)
        v = silu_of(v);
    else if (act == 2)
        v = gelu_tanh_of(v);
    if (flags & 2)
        v *= *(__global const float4 *)gate;
    if (flags & 4)
        v += *(__global const float4 *)add;
    return v;
}
#endif

#ifdef LIMITED
__kernel
#else
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
#endif
void gemm_blocked(__global float *out, int out_at, int out_ld, __global const float *A, int a_at,
                  int a_ld, __global const float *W, int w_at, int w_ld,
                  __global const float *bias, int bias_at, __global const float *gate, int gate_at,
                  int gate_ld, int gate_rows, __global const float *add, int add_at, int add_ld,
                  int add_rows, int act, int flags, int M, int N, int K, int a_step, int w_step,
                  int out_step, int k_each)
{
    __local float4 at[STEP * LINE], wt[STEP * QN];
    const int id = get_local_id(0), some = id / (LX * LY);
    const int x = id % LX + LX * (some % (GX / LX)), y = id / LX % LY + LY * (some / (GX / LX));
    const int n0 = get_group_id(0) * BN, m0 = get_group_id(1) * BM;
    const size_t z = get_group_id(2);
    float4 v[TM * 4][TN], a_next[MOVE_A], w_next[MOVE_W];
    out += out_at + z * out_step;
#ifdef PARTS
    const int first = (int)z * k_each, last = min(K, first + k_each);
    A += a_at;
    W += w_at;
#else
    const int first = 0, last = K;
    A += a_at + z * a_step;
    W += w_at + z * w_step;
#endif
    #pragma unroll
    for (int i = 0; i < TM * 4; i++)
        #pragma unroll
        for (int j = 0; j < TN; j++)
            v[i][j] = (float4)(0.0f);
    #pragma unroll
    for (int i = 0; i < MOVE_A; i++)
        a_next[i] = load_a(A, a_ld, m0, first, M, last, i * ITEMS + id);
    #pragma unroll
    for (int i = 0; i < MOVE_W; i++)
        w_next[i] = load_w(W, w_ld, n0, first, N, last, i * ITEMS + id);
    for (int k0 = first; k0 < last; k0 += STEP) {
        #pragma unroll
        for (int i = 0; i < MOVE_A; i++)
            store_a(at, a_next[i], i * ITEMS + id);
        #pragma unroll
        for (int i = 0; i < MOVE_W; i++)
            wt[i * ITEMS + id] = w_next[i];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (k0 + STEP < last) {
            #pragma unroll
            for (int i = 0; i < MOVE_A; i++)
                a_next[i] = load_a(A, a_ld, m0, k0 + STEP, M, last, i * ITEMS + id);
            #pragma unroll
            for (int i = 0; i < MOVE_W; i++)
                w_next[i] = load_w(W, w_ld, n0, k0 + STEP, N, last, i * ITEMS + id);
        }
        /* Quads of the next column of K are read while those of this one are multiplied. */
        float4 a[2][TM], w[2][TN];
        #pragma unroll
        for (int i = 0; i < TM; i++)
            a[0][i] = at[i * GY + y];
        #pragma unroll
        for (int j = 0; j < TN; j++)
            w[0][j] = wt[j * GX + x];
        #pragma unroll
        for (int k = 0; k < STEP; k++) {
            const int now = k % 2, next = !now;
            if (k + 1 < STEP) {
                #pragma unroll
                for (int i = 0; i < TM; i++)
                    a[next][i] = at[(k + 1) * LINE + i * GY + y];
                #pragma unroll
                for (int j = 0; j < TN; j++)
                    w[next][j] = wt[(k + 1) * QN + j * GX + x];
            }
            multiply(v, a[now], w[now]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    #pragma unroll
    for (int i = 0; i < TM * 4; i++) {
        const int m = m0 + (i / 4 * GY + y) * 4 + i % 4;
        if (m >= M)
            continue;
        __global float *to = out + (size_t)m * out_ld;
#if VEC_OUT && !defined(PARTS)
        __global const float *g = gate + gate_at + (size_t)(m / gate_rows) * gate_ld;
        __global const float *plus = add + add_at + (size_t)(m % add_rows) * add_ld;
#endif
        #pragma unroll
        for (int j = 0; j < TN; j++) {
            const int n = n0 + (j * GX + x) * 4;
            if (n >= N)
                continue;
#if VEC_OUT && defined(PARTS)
            *(__global float4 *)(to + n) = v[i][j];
#elif VEC_OUT
            *(__global float4 *)(to + n) = finish4(v[i][j], bias + bias_at + n, g + n, plus + n,
                                                   act, flags);
#else
            const float of[4] = {v[i][j].x, v[i][j].y, v[i][j].z, v[i][j].w};
            #pragma unroll
            for (int c = 0; c < 4; c++)
                if (n + c < N)
#ifdef PARTS
                    to[n + c] = of[c];
#else
                    to[n + c] = epilogue_finish(of[c], (flags & 1) ? bias[bias_at + n + c] : 0.0f,
                                                gate, gate_at, gate_ld, gate_rows, add, add_at,
                                                add_ld, add_rows, act, flags, m, n + c);
#endif
#endif
        }
    }
}
