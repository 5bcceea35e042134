/* SPDX-License-Identifier: MIT
 * GEMM for GPUs in float32 arithmetic, register blocked, with its epilogue and in batches:
 *   out[z][m][n] = epilogue(sum_k A[z][m][k] W[z][k][n]);  epilogue.cl's header has the epilogue.
 * A (M, K), with KMAJOR (K, M) in memory; W (K, N), with NMAJOR (N, K) in memory; matrix z of a
 * batch begins *_step elements after the one before.  Operands are float32 or, each for itself,
 * half: A_HALF, W_HALF, and HALF of out and add.  W_TILES: W is half in the tiles of tiles.clh, of
 * w_ld rows, from row w_at + z * w_step of K on.  CONV, UP: A is gathered from half images and,
 * with UP, z is a parity, as in gemm_mma.cl.
 * A work-group of ITEMS makes a tile of BM x BN.  A work-item has TM quads of rows and TN of
 * columns, GY and GX quads apart, so that neighbours read neighbouring quads of local memory; 32
 * neighbours are LX x LY of a tile's work-items.  Steps of K go through registers, loaded while the
 * AHEAD steps before are computed, into local memory, at most 12.8 KB.  VEC_A, VEC_W, VEC_OUT: the
 * operand's lines (those of out and of all that the epilogue reads) are whole aligned quads.
 * LIMITED: an option tells the compiler how many registers to take, which reqd_work_group_size
 * would override.  K is added in order, in one way for any M, N and tile.
 * Global (ceil(N / BN) * ITEMS, ceil(M / BM), matrices), local (ITEMS, 1, 1). */
#undef VW
#define VW 4            /* of vector.clh */
#include "vector.clh"
#define ADD act
#define LOAD_ADD LOAD_ACT
#include "epilogue_finish.clh"
#include "tiles.clh"

#ifndef A_HALF
#define A_HALF 0
#endif
#ifndef W_HALF
#define W_HALF 0
#endif
#ifndef W_TILES
#define W_TILES 0
#endif
#ifndef CONV
#define CONV 0
#endif
#ifndef UP
#define UP 0
#endif

#ifndef KMAJOR
#define KMAJOR 0
#endif
#ifndef NMAJOR
#define NMAJOR 0
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
/* K is whole steps and the lines of A and W are whole quads, or W is in tiles. */
#ifndef WHOLE
#define WHOLE 0
#endif
/* The loads of a step begin before a barrier, which no compiler moves them across, and so run for
 * as long as they can; after it compilers put them where registers are free, which is the faster
 * where a compute unit has work-groups enough. */
#ifndef EARLY
#define EARLY 0
#endif
#ifndef VEC_OUT
#define VEC_OUT 0
#endif
/* Steps under way in registers: more hide the memory's latency where a compute unit has few
 * work-groups. */
#ifndef AHEAD
#define AHEAD 1
#endif
/* Columns of K a step, 8 or 16: few, as registers hold a step's quads beside the results; of halves
 * they hold twice as many. */
#ifndef STEP
#define STEP 8
#endif
/* Quads of a tile's column and row; a quad more in a line, so that the transposing stores of
 * neighbours meet fewer banks. */
#define QM (BM / 4)
#define QN (BN / 4)
#define LINE_M (QM + 1)
#define LINE_N (QN + NMAJOR)
#define GY (QM / TM)
#define GX (QN / TN)
#define ITEMS (GX * GY)
#define LX 8
#define LY 4
/* Quads, or pieces of tiles, of a step of A and W; how many of them a work-item moves, some
 * none. */
#define QUADS_A (BM * STEP / 4)
#define QUADS_W (W_TILES ? BN * STEP / 8 : BN * STEP / 4)
#define MOVE_A ((QUADS_A + ITEMS - 1) / ITEMS)
#define MOVE_W ((QUADS_W + ITEMS - 1) / ITEMS)
#define MOVES(quads, e) ((quads) % ITEMS == 0 || (e) < (quads))

#include "gemm_blocked_load.clh"

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

/* Adds a step's products; (x, y) is the work-item's place in the tile.  Quads of the next column of
 * K are read while those of this one are multiplied. */
static inline void multiply_step(float4 v[TM * 4][TN], __local const float4 *at,
                                 __local const float4 *wt, int x, int y)
{
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
                a[next][i] = at[(k + 1) * LINE_M + i * GY + y];
            #pragma unroll
            for (int j = 0; j < TN; j++)
                w[next][j] = wt[(k + 1) * LINE_N + j * GX + x];
        }
        multiply(v, a[now], w[now]);
    }
}

#if VEC_OUT
/* The epilogue of the four columns from n on. */
static inline float4 finish4(float4 v, __global const float *bias, __global const float *gate,
                             __global const act *add, int what, int flags)
{
    if (flags & 1)
        v += *(__global const float4 *)bias;
    v = activation_of(v, what);
    if (flags & 2)
        v *= *(__global const float4 *)gate;
#ifdef HALF
    if (flags & 4)
        v += floats_of_half(*(__global const ushort4 *)add);
#else
    if (flags & 4)
        v += *(__global const float4 *)add;
#endif
    return v;
}
#endif

/* Row m of the work-item's results, in quads of columns from `first` on, to row `to` of out. */
static inline void store_row(const float4 v[TN], __global act *to, int first, int N, int m,
                             __global const float *bias, __global const float *gate, int gate_at,
                             int gate_ld, int gate_rows, __global const act *add, int add_at,
                             int add_ld, int add_rows, int what, int flags)
{
#if VEC_OUT
    __global const float *g = gate + gate_at + (size_t)(m / gate_rows) * gate_ld;
    __global const act *plus = add + add_at + (size_t)(m % add_rows) * add_ld;
#endif
    #pragma unroll
    for (int j = 0; j < TN; j++) {
        const int n = first + j * GX * 4;
        if (n >= N)
            continue;
#if VEC_OUT
        STORE_ACT4(to + n, 0, finish4(v[j], bias + n, g + n, plus + n, what, flags));
#else
        const float of[4] = {v[j].x, v[j].y, v[j].z, v[j].w};
        #pragma unroll
        for (int c = 0; c < 4; c++)
            if (n + c < N)
                STORE_ACT(to, n + c,
                          epilogue_finish(of[c], (flags & 1) ? bias[n + c] : 0.0f, gate, gate_at,
                                          gate_ld, gate_rows, add, add_at, add_ld, add_rows, what,
                                          flags, m, n + c));
#endif
    }
}

#if UP
#define ROW_OF_OUT(m) \
    ((size_t)(2 * ((m) / Ww) + (z >> 1)) * (2 * Ww) + 2 * ((m) % Ww) + (z & 1))
#else
#define ROW_OF_OUT(m) ((size_t)(m))
#endif

/* The rows of quad q.  They are written out: indexed by a loop that a compiler does not unroll, the
 * results would lie in memory. */
#define STORE_ROW(i)                                                                              \
    {                                                                                             \
        const int m = m0 + ((i) / 4 * GY + y) * 4 + (i) % 4;                                      \
        if (m < M)                                                                                \
            store_row(v[i], out + ROW_OF_OUT(m) * out_ld, n0 + x * 4, N, m, bias + bias_at, gate, \
                      gate_at, gate_ld, gate_rows, add, add_at, add_ld, add_rows, what, flags);   \
    }
#define STORE_QUAD(q)                                                                             \
    STORE_ROW(4 * (q)) STORE_ROW(4 * (q) + 1) STORE_ROW(4 * (q) + 2) STORE_ROW(4 * (q) + 3)

#ifdef LIMITED
__kernel IN_REGISTERS
#else
__kernel IN_REGISTERS __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
#endif
void gemm_blocked(__global act *out, int out_at, int out_ld, __global const a_type *A, int a_at,
                  int a_ld, __global const w_type *W, int w_at, int w_ld,
                  __global const float *bias, int bias_at, __global const float *gate, int gate_at,
                  int gate_ld, int gate_rows, __global const act *add, int add_at, int add_ld,
                  int add_rows, int what, int flags, int M, int N, int K, int a_step, int w_step,
                  int out_step
#if CONV
                  , int Hh, int Ww, int C, int kw, int dy, int dx, int oh, int ow, int stride
#endif
                  )
{
    __local float4 at[STEP * LINE_M], wt[STEP * LINE_N];
    const int id = get_local_id(0), some = id / (LX * LY);
    const int x = id % LX + LX * (some % (GX / LX)), y = id / LX % LY + LY * (some / (GX / LX));
    const int n0 = get_group_id(0) * BN, m0 = get_group_id(1) * BM;
    const size_t z = get_group_id(2);
    float4 v[TM * 4][TN];
    a_quad a_next[AHEAD][MOVE_A];
    w_quad w_next[AHEAD][MOVE_W];
    A += a_at + z * a_step;
    out += out_at + z * out_step;
#if UP
    W += piece_at((N + 127) / 128 * 128, 0, K) * z;
    dy = (int)(z >> 1) - 1;
    dx = (int)(z & 1) - 1;
#endif
#if W_TILES
    const int w_from = w_at + (int)z * w_step;
#else
    W += w_at + z * w_step;
#endif
    #pragma unroll
    for (int i = 0; i < TM * 4; i++)
        #pragma unroll
        for (int j = 0; j < TN; j++)
            v[i][j] = (float4)(0.0f);
    PLACES
    #pragma unroll
    for (int s = 0; s < AHEAD; s++)
        FETCH(a_next[s], w_next[s], s * STEP)
    for (int k0 = 0; k0 < K; k0 += AHEAD * STEP)
        #pragma unroll
        for (int s = 0; s < AHEAD; s++)
            if (AHEAD == 1 || k0 + s * STEP < K) {
                #pragma unroll
                for (int i = 0; i < MOVE_A; i++)
                    if (MOVES(QUADS_A, i * ITEMS + id))
                        STORE_A(a_next[s][i], i * ITEMS + id);
                #pragma unroll
                for (int i = 0; i < MOVE_W; i++)
                    if (MOVES(QUADS_W, i * ITEMS + id))
                        STORE_W(w_next[s][i], i * ITEMS + id);
#if EARLY
                FETCH(a_next[s], w_next[s], k0 + (AHEAD + s) * STEP)
                barrier(CLK_LOCAL_MEM_FENCE);
#else
                barrier(CLK_LOCAL_MEM_FENCE);
                FETCH(a_next[s], w_next[s], k0 + (AHEAD + s) * STEP)
#endif
                multiply_step(v, at, wt, x, y);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
    STORE_QUAD(0)
#if TM > 1
    STORE_QUAD(1)
#endif
#if TM > 2
#error "a row of results is missing"
#endif
}
