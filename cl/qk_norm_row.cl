/* SPDX-License-Identifier: MIT
 * The norm and rotation of qk_norm.cl, with a work-item for the heads of q, or of k, of one row, in
 * vectors of VW floats (VW divides DH).  No local memory.  For CPUs; a file of its own, as PoCL
 * compiles all kernels of a file.  Global (2 rows rounded up). */
#include "vector.clh"
#ifndef DH
#define DH 72
#endif
#ifndef NORM
#define NORM 1
#endif
#ifndef ROPE
#define ROPE 1
#endif

/* v with its pairs turned by t: cos and sin alternate in t. */
#if VW == 16
#define TURN(v, t)                                                                         \
    ((v) * (t).s0022446688aaccee +                                                         \
     (vec)(-1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1) * (v).s1032547698badcfe * \
         (t).s1133557799bbddff)
#elif VW == 8
#define TURN(v, t)                 \
    ((v) * (t).s00224466 +         \
     (vec)(-1, 1, -1, 1, -1, 1, -1, 1) * (v).s10325476 * (t).s11335577)
#elif VW == 4
#define TURN(v, t) ((v) * (t).s0022 + (vec)(-1, 1, -1, 1) * (v).s1032 * (t).s1133)
#endif

/* The vector at column d of a head, normed. */
static inline vec normed(__global const act *head, int d, float mean, float inv,
                         __global const float *weight, __global const float *bias)
{
    vec v = LOAD(head + d);
#if NORM
    v = (v - mean) * inv * LOAD_FLOATS(weight + d);
#endif
#if NORM == 2
    v += LOAD_FLOATS(bias + d);
#endif
    return v;
}

static inline void norm_head(__global act *head, __global const float *weight,
                             __global const float *bias, __global const float *turn, float eps)
{
    float inv = 1.0f, mean = 0.0f;
#if NORM == 2
    vec sum = (vec)(0.0f);
    for (int d = 0; d < DH; d += VW)
        sum += LOAD(head + d);
    mean = lanes(sum) / DH;
#endif
#if NORM
    vec squares = (vec)(0.0f);
    for (int d = 0; d < DH; d += VW) {
        vec diff = LOAD(head + d) - mean;
        squares += diff * diff;
    }
    inv = 1.0f / sqrt(lanes(squares) / DH + eps);
#endif
#if ROPE && VW == 1
    for (int d = 0; d < DH; d += 2) {
        float a = normed(head, d, mean, inv, weight, bias);
        float b = normed(head, d + 1, mean, inv, weight, bias);
        STORE_ACT(head, d, a * turn[d] - b * turn[d + 1]);
        STORE_ACT(head, d + 1, a * turn[d + 1] + b * turn[d]);
    }
#else
    for (int d = 0; d < DH; d += VW) {
        vec v = normed(head, d, mean, inv, weight, bias);
#if ROPE
        vec t = LOAD_FLOATS(turn + d);
        v = TURN(v, t);
#endif
        STORE(v, head + d);
    }
#endif
}

__kernel void qk_norm_row(__global act *qkv, __global const float *weight,
                          __global const float *bias, __global const float *rope, int T, int H,
                          float eps, int n)
{
    int part = get_global_id(0);
    if (part >= n)
        return;
    int row = part / 2, k = part % 2;
    __global act *heads = qkv + ((size_t)row * 3 + k) * H * DH;
    for (int h = 0; h < H; h++)
        norm_head(heads + h * DH, weight + k * DH, bias + k * DH, rope + row % T * DH, eps);
}
