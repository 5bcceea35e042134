/* SPDX-License-Identifier: MIT
 * The built-in float32 GEMM, for devices on which CLBlast fails its self-check:
 *   out[m][n] = epilogue(sum_k A[m][k] W[k][n]);  epilogue.cl's header says what follows the sum.
 * A (M, K), rows a_ld apart; with KMAJOR (K, M), rows a_ld apart.  W (K, N), rows w_ld apart; with
 * NMAJOR (N, K).
 * out (M, N), rows out_ld apart; it is none of the operands.  Each begins at element *_at.
 * flags: 1 bias, 2 gate, 4 add; an absent operand is any buffer.  Both kernels add in the order of
 * k. */
#include "epilogue_finish.clh"

#ifndef KMAJOR
#define KMAJOR 0
#endif
#ifndef NMAJOR
#define NMAJOR 0
#endif
/* Of gemm_f32_tiled: a work-group has SIDE x SIDE work-items, 8 or 16. */
#ifndef SIDE
#define SIDE 16
#endif
#define TILE (4 * SIDE)
#define STEP 16

#if KMAJOR
#define A_AT(m, k) (a_at + (size_t)(k) * a_ld + (m))
#else
#define A_AT(m, k) (a_at + (size_t)(m) * a_ld + (k))
#endif

#if NMAJOR
#define W_AT(k, n) (w_at + (size_t)(n) * w_ld + (k))
#else
#define W_AT(k, n) (w_at + (size_t)(k) * w_ld + (n))
#endif

/* One work-item an output.  Global (N rounded up, M rounded up), local any. */
__kernel void gemm_f32(__global float *out, int out_at, int out_ld, __global const float *A,
                       int a_at, int a_ld, __global const float *W, int w_at, int w_ld,
                       __global const float *bias, int bias_at, __global const float *gate,
                       int gate_at, int gate_ld, int gate_rows, __global const float *add,
                       int add_at, int add_ld, int add_rows, int act, int flags, int M, int N,
                       int K)
{
    int n = get_global_id(0), m = get_global_id(1);
    if (n >= N || m >= M)
        return;
    float v = 0.0f;
    for (int k = 0; k < K; k++)
        v += A[A_AT(m, k)] * W[W_AT(k, n)];
    out[out_at + (size_t)m * out_ld + n] =
        epilogue_finish(v, (flags & 1) ? bias[bias_at + n] : 0.0f, gate, gate_at, gate_ld,
                        gate_rows, add, add_at, add_ld, add_rows, act, flags, m, n);
}

/* A work-group computes a tile of TILE x TILE, each work-item 4 x 4 elements of it, SIDE apart.  K
 * passes through local memory in steps of 16: 8.3 KB for SIDE 16, 4.2 KB for 8.
 * Global (ceil(N / TILE) * SIDE, ceil(M / TILE) * SIDE). */
__kernel IN_REGISTERS __attribute__((reqd_work_group_size(SIDE, SIDE, 1)))
void gemm_f32_tiled(__global float *out, int out_at, int out_ld, __global const float *A, int a_at,
                    int a_ld, __global const float *W, int w_at, int w_ld,
                    __global const float *bias, int bias_at, __global const float *gate,
                    int gate_at, int gate_ld, int gate_rows, __global const float *add, int add_at,
                    int add_ld, int add_rows, int act, int flags, int M, int N, int K)
{
    /* One column more avoids bank conflicts where work-items fill a column of at. */
    __local float at[STEP][TILE + 1], wt[STEP][TILE + 1];
    int x = get_local_id(0), y = get_local_id(1);
    int n0 = get_group_id(0) * TILE, m0 = get_group_id(1) * TILE;
    float v[4][4];
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++)
            v[i][j] = 0.0f;
    for (int k0 = 0; k0 < K; k0 += STEP) {
        for (int e = y * SIDE + x; e < STEP * TILE; e += SIDE * SIDE) {
            int row = e / TILE, col = e % TILE;
#if KMAJOR
            int k = row, m = col;
#else
            int k = e % STEP, m = e / STEP;
#endif
            at[k][m] = m0 + m < M && k0 + k < K ? A[A_AT(m0 + m, k0 + k)] : 0.0f;
#if NMAJOR
            row = e % STEP, col = e / STEP;
#endif
            wt[row][col] = n0 + col < N && k0 + row < K ? W[W_AT(k0 + row, n0 + col)] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < STEP; k++)
            for (int i = 0; i < 4; i++)
                for (int j = 0; j < 4; j++)
                    v[i][j] += at[k][y + i * SIDE] * wt[k][x + j * SIDE];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < 4; j++) {
            int m = m0 + y + i * SIDE, n = n0 + x + j * SIDE;
            if (m < M && n < N)
                out[out_at + (size_t)m * out_ld + n] =
                    epilogue_finish(v[i][j], (flags & 1) ? bias[bias_at + n] : 0.0f, gate, gate_at,
                                    gate_ld, gate_rows, add, add_at, add_ld, add_rows, act, flags,
                                    m, n);
        }
}
