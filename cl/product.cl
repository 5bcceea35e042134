/* SPDX-License-Identifier: MIT
 * The plain twin of mma.cl for any device: the same products and convolutions of half operands,
 * one item an output, float32 arithmetic.  It runs where there is no matrix engine and for
 * shapes that the engine's alignment rules out; mma.cl's header describes operands and options. */
#include "product_options.clh"
#include "product_finish.clh"

/* Global (N rounded up, M rounded up, 1 or 4). */
__kernel void product_f16(__global result *out, int ldo, __global const half *A, int lda,
                          __global const half *W, __global const float *bias,
                          __global const result *add, __global const float *gate, int gate_at,
                          int gate_ld, int gate_rows, int flags, int M, int N, int K, int k_each,
                          int Hh, int Ww, int C, int kw, int dy, int dx)
{
    int n = get_global_id(0), m = get_global_id(1);
    if (n >= N || m >= M)
        return;
    int parity = get_global_id(2);
    __global const half *w = W + (size_t)n * K;
    float v = 0.0f;
#if UP
    w += (size_t)parity * N * K;
    dy = (parity >> 1) - 1;
    dx = (parity & 1) - 1;
#endif
#if CONV
    int rest = m % (Hh * Ww), first = m - rest;
    for (int tap = 0; tap < K / C; tap++) {
        int y = rest / Ww + dy + tap / kw, x = rest % Ww + dx + tap % kw;
        if (y < 0 || y >= Hh || x < 0 || x >= Ww)
            continue;
        __global const half *in = A + (size_t)(first + y * Ww + x) * C;
        for (int c = 0; c < C; c++)
            v += vload_half(c, in) * vload_half(tap * C + c, w);
    }
#else
    for (int k = 0; k < K; k++)
        v += vload_half((size_t)m * lda + k, A) * vload_half(k, w);
#endif
    finish(v, out, finished_row(m, Ww, parity) * ldo + n, bias, add, gate,
           gate_at + (size_t)(m / gate_rows) * gate_ld, n, flags);
}

/* The sum of the parts that mma.cl's SPLIT wrote, (splits, M, N) floats, and the epilogue.
 * Global (N rounded up, M rounded up). */
__kernel void product_reduce(__global result *out, int ldo, __global const float *part, int splits,
                             __global const float *bias, __global const result *add,
                             __global const float *gate, int gate_at, int gate_ld, int gate_rows,
                             int flags, int M, int N)
{
    int n = get_global_id(0), m = get_global_id(1);
    if (n >= N || m >= M)
        return;
    float v = 0.0f;
    for (int s = 0; s < splits; s++)
        v += part[((size_t)s * M + m) * N + n];
    finish(v, out, (size_t)m * ldo + n, bias, add, gate,
           gate_at + (size_t)(m / gate_rows) * gate_ld, n, flags);
}
