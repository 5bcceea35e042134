/* SPDX-License-Identifier: MIT
 * Casts between float32 and half storage, rounding to nearest even.  One work-item an element,
 * or a piece of eight. */
#include "tiles.clh"

/* out[at + e] = x[e], e < n: x float32, out half. */
__kernel void cast_to_half(__global half *out, __global const float *x, int at, int n)
{
    int e = get_global_id(0);
    if (e < n)
        STORE_HALF(x[e], (size_t)at + e, out);
}

/* Columns n0 on of a weight, x (n / K, K) float32, into the tiles of out. */
__kernel void cast_to_tiles(__global half *out, __global const float *x, int n0, int K, int n)
{
    int e = get_global_id(0), k = e % K;
    if (e < n)
        STORE_HALF(x[e], piece_at(n0 + e / K, k, K) + k % 8, out);
}

/* The same where K % 8 == 0: a work-item has one of n pieces of 8 rows of a column. */
__kernel void cast_to_pieces(__global half *out, __global const float *x, int n0, int K, int n)
{
    int e = get_global_id(0), pieces = K / 8;
    if (e < n)
        STORE_HALF8(vload8(e, x), 0, out + piece_at(n0 + e / pieces, e % pieces * 8, K));
}

/* out[e] = x[e], e < n: x half, out float32. */
__kernel void cast_to_float(__global float *out, __global const half *x, int n)
{
    int e = get_global_id(0);
    if (e < n)
        out[e] = vload_half(e, x);
}
