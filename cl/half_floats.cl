/* SPDX-License-Identifier: MIT
 * GEMMs of half operands by a library that multiplies float32 (blas/cblas_half.c): copies of the
 * operands before, the epilogue after. */
#include "tiles.clh"
#include "vector.clh"
#include "epilogue_vector.clh"

/* out (N, K) = N columns of a weight in tiles, from n0 on.  A work-item has 32 rows of a column,
 * which lie together in a tile, its neighbour the next column's.  Global (items = N K / 32, K
 * rounded up). */
__kernel void floats_of_tiles(__global float *out, __global const half *W, int n0, int N, int K,
                              int items)
{
    int i = get_global_id(0), n = i % N, k0 = i / N * 32;
    if (i >= items)
        return;
    for (int k = k0; k < min(k0 + 32, K); k += 8) {
        float8 v = vload_half8(0, W + piece_at(n0 + n, k, K));
        __global float *to = out + (size_t)n * K + k;
        if (k + 8 <= K) {
            vstore8(v, 0, to);
            continue;
        }
        float values[8];
        vstore8(v, 0, values);
        for (int e = 0; k + e < K; e++)
            to[e] = values[e];
    }
}

#ifndef EACH
#define EACH 16
#endif
#if EACH == 16
#define COPY_EACH(to, from) vstore16(vload_half16(0, from), 0, to)
#else
#define COPY_EACH(to, from) vstore4(vload_half4(0, from), 0, to)
#endif

/* out (B, rows, cols) = x (B, rows, cols), whose rows are ld apart and matrices `stride`, from
 * `at` on.  Global (items = rows of all times pieces of EACH columns, 16 or, on GPUs, 4). */
__kernel void floats_of_rows(__global float *out, __global const half *x, int at, int ld,
                             int stride, int rows, int cols, int items)
{
    int i = get_global_id(0), pieces = (cols + EACH - 1) / EACH;
    if (i >= items)
        return;
    int row = i / pieces, c = i % pieces * EACH;
    __global const half *from = x + (size_t)at + (size_t)(row / rows) * stride +
                                (size_t)(row % rows) * ld + c;
    __global float *to = out + (size_t)row * cols + c;
    if (c + EACH <= cols) {
        COPY_EACH(to, from);
        return;
    }
    for (int e = 0; c + e < cols; e++)
        to[e] = vload_half(e, from);
}

/* out (M, N) = the epilogue (epilogue.cl) of sums (M, N), dense; with -DHALF out and add are half.
 * A work-item has up to `part` columns of a row to itself, in vectors of VW, which divides N.
 * Global (M rounded up, ceil(N / part)). */
__kernel void finish_rows(__global act *out, int out_at, int out_ld, __global const float *sums,
                          __global const float *bias, int bias_at, __global const float *gate,
                          int gate_at, int gate_ld, int gate_rows, __global const act *add,
                          int add_at, int add_ld, int add_rows, int what, int flags, int M, int N,
                          int part)
{
    int m = get_global_id(0), first = get_global_id(1) * part, last = min(first + part, N);
    if (m >= M)
        return;
    __global act *to = out + out_at + (size_t)m * out_ld;
    __global const float *from = sums + (size_t)m * N;
    __global const float *g = gate + gate_at + (size_t)(m / gate_rows) * gate_ld;
    __global const act *a = add + add_at + (size_t)(m % add_rows) * add_ld;
    for (int n = first; n < last; n += VW) {
        vec v = epilogue_vector(LOAD_FLOATS(from + n), bias + bias_at + n, g + n, what, flags);
        if (flags & 4)
            v += LOAD(a + n);
        STORE(v, to + n);
    }
}
