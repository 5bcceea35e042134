/* SPDX-License-Identifier: MIT
 * The epilogue of a GEMM, in one pass over its row-major result (M, N):
 *   v = act(acc[m][n] + bias[n]);  v *= gate[m / gate_rows][n];  v += add[m % add_rows][n]
 * act: 0 none, 1 SiLU, 2 GELU (tanh), 3 ReLU.  flags: 1 bias, 2 gate, 4 add; an absent operand is
 * any buffer.  In place: out holds acc before and v after.
 * Global (N rounded up, row groups), local any; a work-item keeps its column and strides over rows.
 * epilogue_row_f32, for CPUs, takes parts of rows in vectors of VW, which divides N. */
#include "epilogue_finish.clh"
#include "vector.clh"
#include "epilogue_vector.clh"

__kernel void epilogue_f32(__global float *out, int out_at, int out_ld,
                           __global const float *bias, int bias_at,
                           __global const float *gate, int gate_at, int gate_ld, int gate_rows,
                           __global const float *add, int add_at, int add_ld, int add_rows, int act,
                           int flags, int M, int N)
{
    int n = get_global_id(0);
    if (n >= N)
        return;
    float b = (flags & 1) ? bias[bias_at + n] : 0.0f;
    for (int m = get_global_id(1); m < M; m += get_global_size(1)) {
        size_t at = out_at + (size_t)m * out_ld + n;
        out[at] = epilogue_finish(out[at], b, gate, gate_at, gate_ld, gate_rows, add, add_at,
                                  add_ld, add_rows, act, flags, m, n);
    }
}

/* The same; a work-item has up to `part` columns of a row to itself.
 * Global (M rounded up, ceil(N / part)). */
__kernel void epilogue_row_f32(__global float *out, int out_at, int out_ld,
                               __global const float *bias, int bias_at,
                               __global const float *gate, int gate_at, int gate_ld, int gate_rows,
                               __global const float *add, int add_at, int add_ld, int add_rows,
                               int what, int flags, int M, int N, int part)
{
    int m = get_global_id(0), first = get_global_id(1) * part, last = min(first + part, N);
    if (m >= M)
        return;
    __global float *to = out + out_at + (size_t)m * out_ld;
    __global const float *g = gate + gate_at + (size_t)(m / gate_rows) * gate_ld;
    __global const float *a = add + add_at + (size_t)(m % add_rows) * add_ld;
    for (int n = first; n < last; n += VW) {
        vec v = epilogue_vector(LOAD_FLOATS(to + n), bias + bias_at + n, g + n, what, flags);
        if (flags & 4)
            v += LOAD_FLOATS(a + n);
        STORE_FLOATS(v, to + n);
    }
}

/* For one output parity (py, px) of a convolution after a nearest 2x upsample: acc (B*H*W, N) of
 * the small image goes, with its bias, to pixel (2y + py, 2x + px) of out (B, 2H, 2W, N).
 * first: the image's pixel index of acc's row 0 (bands). */
__kernel void epilogue_parity_f32(__global float *out, __global const float *acc, int acc_ld,
                                  __global const float *bias, int W, int first, int py, int px,
                                  int M, int N)
{
    int n = get_global_id(0);
    if (n >= N)
        return;
    float b = bias[n];
    for (int m = get_global_id(1); m < M; m += get_global_size(1)) {
        int pixel = first + m;
        int row = pixel / W, x = pixel - row * W;
        size_t to = ((size_t)(2 * row + py) * (2 * W) + 2 * x + px) * N + n;
        out[to] = acc[(size_t)m * acc_ld + n] + b;
    }
}
