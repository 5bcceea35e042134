/* SPDX-License-Identifier: MIT
 * GEMMs and convolutions of half operands on any device, in float32 arithmetic:
 * gemm_half, the fallback of gemm_mma.cl and gemm_matrix_unit.cl where there is no matrix unit or
 *   the shape does not meet its alignment; gemm_mma.cl's header describes operands and options;
 * gemv_half, for one row;
 * split_k_reduce, the second step of a GEMM that a matrix unit cut along K. */
#include "gemm_half_options.clh"
#include "gemm_half_finish.clh"
#include "tiles.clh"

/* One work-item an output.  Global (N rounded up, M rounded up, 1 or with UP 4). */
__kernel void gemm_half(__global result *out, int out_at, int ldo, __global const half *A, int lda,
                          __global const half *W, __global const float *bias,
                          __global const result *add, __global const float *gate, int gate_at,
                          int gate_ld, int gate_rows, int flags, int M, int N, int K, int k_each,
                          int Hh, int Ww, int C, int kw, int dy, int dx, int oh, int ow, int stride)
{
    int n = get_global_id(0), m = get_global_id(1);
    if (n >= N || m >= M)
        return;
    int parity = get_global_id(2);
    float v = 0.0f;
#if UP
    W += piece_at((N + 127) / 128 * 128, 0, K) * parity;
    dy = (parity >> 1) - 1;
    dx = (parity & 1) - 1;
#endif
#if CONV
    int image = m / (oh * ow), rest = m - image * oh * ow;
    for (int tap = 0; tap < K / C; tap++) {
        int y = rest / ow * stride + dy + tap / kw, x = rest % ow * stride + dx + tap % kw;
        if (y < 0 || y >= Hh || x < 0 || x >= Ww)
            continue;
        __global const half *in = A + (size_t)((image * Hh + y) * Ww + x) * C;
        for (int c = 0; c < C; c++) {
            int k = tap * C + c;
            v += vload_half(c, in) * vload_half(piece_at(n, k, K) + k % 8, W);
        }
    }
#else
    for (int k = 0; k < K; k++)
        v += vload_half((size_t)m * lda + k, A) * vload_half(piece_at(n, k, K) + k % 8, W);
#endif
    finish(v, out, out_at + finished_row(m, Ww, parity) * ldo + n, bias, add, gate,
           gate_at + (size_t)(m / gate_rows) * gate_ld, n, flags);
}

/* The sum of the partial sums that SPLIT left, (splits, M, N) floats, and the epilogue.
 * Global (N rounded up, M rounded up). */
__kernel void split_k_reduce(__global result *out, int out_at, int ldo, __global const float *part,
                             int splits, __global const float *bias, __global const result *add,
                             __global const float *gate, int gate_at, int gate_ld, int gate_rows,
                             int flags, int M, int N)
{
    int n = get_global_id(0), m = get_global_id(1);
    if (n >= N || m >= M)
        return;
    float v = 0.0f;
    for (int s = 0; s < splits; s++)
        v += part[((size_t)s * M + m) * N + n];
    finish(v, out, out_at + (size_t)m * ldo + n, bias, add, gate,
           gate_at + (size_t)(m / gate_rows) * gate_ld, n, flags);
}

/* One row (M 1) by any number of columns, where a matrix unit's tiles would be almost empty; every
 * weight is read once, 16 bytes at a time.  A work-group of 32 x 8 has 32 columns; 32 work-items
 * share four of them, each with every 32nd piece of K.  K % 8 == 0, A aligned to 16 bytes.
 * Global (32, ceil(N / 32) * 8); local memory 4 KB. */
__kernel __attribute__((reqd_work_group_size(32, 8, 1)))
void gemv_half(__global result *out, __global const half *A, __global const half *W,
                 __global const float *bias, __global const result *add,
                 __global const float *gate, int gate_at, int flags, int N, int K)
{
    __local float4 partial[8][32];
    int x = get_local_id(0), y = get_local_id(1), n0 = get_global_id(1) * 4;
    float sum[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int k = x * 8; k < K; k += 256) {
        uint4 raw = *(__global const uint4 *)(A + k);
        float8 a = vload_half8(0, (const half *)&raw);
        for (int c = 0; c < 4; c++) {
            raw = *(__global const uint4 *)(W + piece_at(min(n0 + c, N - 1), k, K));
            float8 w = vload_half8(0, (const half *)&raw);
            sum[c] += dot(a.lo, w.lo) + dot(a.hi, w.hi);
        }
    }
    partial[y][x] = (float4)(sum[0], sum[1], sum[2], sum[3]);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int half_n = 16; half_n > 0; half_n >>= 1) {
        if (x < half_n)
            partial[y][x] += partial[y][x + half_n];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (x < 4 && n0 + x < N)
        finish(((__local float *)&partial[y][0])[x], out, n0 + x, bias, add, gate, gate_at, n0 + x,
               flags);
}
