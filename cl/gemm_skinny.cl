/* SPDX-License-Identifier: MIT
 * Skinny GEMMs, of few rows or few columns, in float32:  out = epilogue(A W),
 *   v = act(sum_k A[m][k] W[k][n] + bias[n]);  v *= gate[m / gate_rows][n];
 *   v += add[m % add_rows][n]
 * A's element (m, k) lies at a_at + m a_row + k a_col; W (K, N) rows w_ld apart, out (M, N) rows
 * out_ld apart.  flags: 1 bias, 2 gate, 4 add; an absent operand is any buffer.
 * The tiles of a large GEMM would be mostly empty here; the time is that of reading W, so as many
 * of its loads as possible are kept in flight.  A work-group has `wide` vectors of VEC columns by
 * ROWS rows, and K is cut into slices: work-item (x, s) takes k = s, s + slices, ..., UNROLL loads
 * at a time.  The slices are added up in local memory.  So the order of a sum depends on wide, K
 * and the work-group's size, and not on M or ROWS.
 * With NMAJOR W lies as (N, K), rows w_ld apart, and neighbours read neighbouring k: (x, s) is
 * another work-item, and the sums are the same.
 * With UNPATCH a row is a token (b, gy, gx) and a column (i, j, c), written to out (B, C, R, R) at
 * [b][c][gy p + i][gx p + j] for the first C of Cout channels (SiT models.py, unpatchify).
 * Work-group size wide times a power of two; local memory: VEC ROWS floats a work-item.
 * VEC 4: N and, without NMAJOR, w_at and w_ld are multiples of 4.
 * Global (ceil(N / (wide VEC)) * items, M / ROWS). */
#include "gemm_half_options.clh"
#ifndef VEC
#define VEC 4
#endif
#ifndef ROWS
#define ROWS 1
#endif
#ifndef UNROLL
#define UNROLL 8
#endif

#ifndef UNPATCH
#define UNPATCH 0
#endif
#ifndef NMAJOR
#define NMAJOR 0
#endif

#if VEC == 4
typedef float4 vec;
#else
typedef float vec;
#endif

/* acc[r] becomes, for slice 0, its sum over the slices, of work-item lid = s wide + x: eight at a
 * time, as each step has two barriers to wait for. */
static inline void sum_slices(vec acc[ROWS], __local vec *scratch, int lid, int wide, int slices)
{
    int items = get_local_size(0);
    while (slices > 1) {
        int take = min(slices, 8);
        slices /= take;
        for (int r = 0; r < ROWS; r++)
            scratch[r * items + lid] = acc[r];
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < slices * wide)
            for (int r = 0; r < ROWS; r++)
                for (int i = 1; i < take; i++)
                    acc[r] += scratch[r * items + lid + i * slices * wide];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* W's VEC columns at k; the first of them begins at from. */
static inline vec load_columns(__global const float *from, int k, int w_ld)
{
#if NMAJOR && VEC == 4
    return (vec)(from[k], from[(size_t)w_ld + k], from[(size_t)w_ld * 2 + k],
                 from[(size_t)w_ld * 3 + k]);
#elif NMAJOR
    return from[k];
#else
    return ((__global const vec *)from)[(size_t)k * (w_ld / VEC)];
#endif
}

__kernel IN_REGISTERS
void gemm_skinny(__global float *out, int out_at, int out_ld, __global const float *a,
              int a_at, int a_row, int a_col, __global const float *w, int w_at, int w_ld,
              __global const float *bias, int bias_at, __global const float *gate,
              int gate_at, int gate_ld, int gate_rows, __global const float *add,
              int add_at, int add_ld, int add_rows, int flags, int M, int N, int K,
              int wide, __local vec *scratch
#if UNPATCH
              , int C, int Cout, int R, int p
#endif
              )
{
    int lid = get_local_id(0), items = get_local_size(0), slices = items / wide;
    int x = NMAJOR ? lid / slices : lid % wide, s = NMAJOR ? lid % slices : lid / wide;
    int columns = wide * VEC;
    int n0 = get_group_id(0) * columns, m0 = get_group_id(1) * ROWS;
    /* What lies beyond the last column or row is computed from it and not kept; beyond the last k
     * it is multiplied by 0. */
    __global const float *from = w + w_at + (size_t)min(n0 + x * VEC, N - VEC) *
                                 (NMAJOR ? w_ld : 1);
    int row[ROWS];
    vec acc[ROWS];
    for (int r = 0; r < ROWS; r++) {
        row[r] = a_at + min(m0 + r, M - 1) * a_row;
        acc[r] = 0.0f;
    }
    for (int first = s; first < K; first += UNROLL * slices) {
        vec part[UNROLL];
        float v[UNROLL][ROWS];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int k = first + u * slices, inside = min(k, K - 1);
            part[u] = load_columns(from, inside, w_ld);
            for (int r = 0; r < ROWS; r++) {
                v[u][r] = a[row[r] + inside * a_col];
                v[u][r] = k < K ? v[u][r] : 0.0f;
            }
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++)
            for (int r = 0; r < ROWS; r++)
                acc[r] += v[u][r] * part[u];
    }
    sum_slices(acc, scratch, s * wide + x, wide, slices);
    if (s == 0)
        for (int r = 0; r < ROWS; r++)
            scratch[r * wide + x] = acc[r];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int e = lid; e < ROWS * columns; e += items) {
        int m = m0 + e / columns, n = n0 + e % columns;
        if (m >= M || n >= N)
            continue;
        size_t to = out_at + (size_t)m * out_ld + n;
#if UNPATCH
        int c = n % Cout, G = R / p, t = m % (G * G);
        if (c >= C)
            continue;
        to = (((size_t)(m / (G * G)) * C + c) * R + t / G * p + n / Cout / p) * R + t % G * p +
             n / Cout % p;
#endif
        float v = ((__local float *)scratch)[e];
        if (flags & 1)
            v += bias[bias_at + n];
        v = activate(v);
        if (flags & 2)
            v *= gate[gate_at + (size_t)(m / gate_rows) * gate_ld + n];
        if (flags & 4)
            v += add[add_at + (size_t)(m % add_rows) * add_ld + n];
        out[to] = v;
    }
}
