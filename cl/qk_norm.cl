/* SPDX-License-Identifier: MIT
 * The norm of q's and k's heads (Dehghani et al., Scaling Vision Transformers to 22 Billion
 * Parameters, section 2) and the rotary embedding (Su et al., RoFormer) in one pass, in place:
 * qkv (rows, 3 H DH) as [q | k | v]; each head of q and of k, DH columns v, becomes
 *   NORM 1:  v / sqrt(mean of v^2 + eps) * weight
 *   NORM 2:  (v - mean) / sqrt(var + eps) * weight + bias
 * and after that, where ROPE is 1, a pair (a, b) of its columns 2j, 2j+1 becomes
 *   (a c - b s, a s + b c),  c, s = rope[t][2j], rope[t][2j+1],  t = row mod T
 * weight, bias (2, DH): q's, then k's; rope (T, DH).  Those that NORM and ROPE leave out are any
 * buffer.
 * A head has DH / V work-items, which keep V columns each; a work-group has HEADS heads.  V divides
 * DH, and is even where ROPE is 1.  Work-group size HEADS DH / V; global: n heads, 2 H a row,
 * rounded up; local memory: a float a work-item. */
#ifndef DH
#define DH 72
#endif
#ifndef V
#define V 8
#endif
#ifndef HEADS
#define HEADS 14
#endif
#ifndef NORM
#define NORM 1
#endif
#ifndef ROPE
#define ROPE 1
#endif
#define PIECES (DH / V)

/* The sum of one value of each of a head's work-items. */
static inline float head_sum(float value, __local float *scratch, int head)
{
    int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[lid] = value;
    barrier(CLK_LOCAL_MEM_FENCE);
    float sum = 0.0f;
#pragma unroll
    for (int i = 0; i < PIECES; i++)
        sum += scratch[head * PIECES + i];
    return sum;
}

static inline void load_piece(float v[V], __global const act *p, size_t at)
{
#if V == 8
    vstore8(LOAD_ACT8(p, at), 0, v);
#else
    for (int i = 0; i < V; i++)
        v[i] = LOAD_ACT(p, at + i);
#endif
}

static inline void store_piece(__global act *p, size_t at, const float v[V])
{
#if V == 8
    STORE_ACT8(p, at, vload8(0, v));
#else
    for (int i = 0; i < V; i++)
        STORE_ACT(p, at + i, v[i]);
#endif
}

__kernel void qk_norm(__global act *qkv, __global const float *weight, __global const float *bias,
                      __global const float *rope, int T, int H, float eps, int n,
                      __local float *scratch)
{
    const int lid = get_local_id(0), head = lid / PIECES, first = lid % PIECES * V;
    int of_all = get_group_id(0) * HEADS + head, kept = min(of_all, n - 1);
    int row = kept / (2 * H), r = kept - row * 2 * H;
    size_t at = (size_t)row * 3 * H * DH + r * DH + first;
    float v[V] = {0.0f};
    if (of_all < n)         /* not the last head again, which its own work-items write */
        load_piece(v, qkv, at);
#if NORM
    int parameter = r / H * DH + first;
    float sum = 0.0f;
#if NORM == 2
    for (int i = 0; i < V; i++)
        sum += v[i];
    float mean = head_sum(sum, scratch, head) / DH;
    for (int i = 0; i < V; i++)
        v[i] -= mean;
    sum = 0.0f;
#endif
    for (int i = 0; i < V; i++)
        sum += v[i] * v[i];
    float inv = 1.0f / sqrt(head_sum(sum, scratch, head) / DH + eps);
    for (int i = 0; i < V; i++) {
        v[i] *= inv * weight[parameter + i];
#if NORM == 2
        v[i] += bias[parameter + i];
#endif
    }
#endif
#if ROPE
    __global const float *turn = rope + row % T * DH + first;
    for (int i = 0; i < V; i += 2) {
        float a = v[i], b = v[i + 1], c = turn[i], s = turn[i + 1];
        v[i] = a * c - b * s;
        v[i + 1] = a * s + b * c;
    }
#endif
    if (of_all < n)
        store_piece(qkv, at, v);
}
