/* SPDX-License-Identifier: MIT
 * The transforms of winograd.cl for GPUs, of 3 x 3 taps with padding: a work-item has VW channels,
 * 1 or 2, of a tile, in registers.  Operands as there; VW divides C, Cout, out_at and out_ld.
 *
 * With NORM x is not what is convolved, but what a group norm makes of it as it is read: stats
 * (B, G, 2), means and 1 / sqrt(var + eps), as groupnorm_combine writes them, gamma and beta (C),
 * then SiLU with with_silu.  Zeros around the image stay zeros.
 * With MOMENTS part (B, G, chunks) are the moments of out, as groupnorm_partial's: a chunk is the
 * ROWS tiles of a work-group, all of one image and of 16 pixels; whole groups, of Cout / G channels
 * of which VW takes some, and out's channels fill whole work-groups.
 * Global (C / VW or Cout / VW rounded up, tiles rounded up), local (WIDE, ROWS).  Local memory 4
 * bytes a work-item, and only with MOMENTS. */
#ifndef VW
#define VW 1
#endif
#ifndef NORM
#define NORM 0
#endif
#ifndef MOMENTS
#define MOMENTS 0
#endif
#ifndef WIDE
#define WIDE 64
#endif
#ifndef ROWS
#define ROWS 4
#endif
/* With MOMENTS tiles lie inside the image as wholes. */
#if MOMENTS
#define INSIDE(j, i) 1
#else
#define INSIDE(j, i) (y0 + (j) < H && x0 + (i) < W)
#endif

#if VW == 2
typedef float2 vec;
#define LOAD_FLOATS(p) (*(__global const float2 *)(p))
#define STORE_FLOATS(v, p) (*(__global float2 *)(p) = (v))
#define SUM(v) ((v).x + (v).y)
#ifdef HALF
typedef ushort2 packed;
#define OPENED(raw) vload_half2(0, (const half *)&(raw))
#define PACK(v, raw) STORE_HALF2(v, 0, (half *)&(raw))
#else
typedef float2 packed;
#endif
#else
typedef float vec;
#define LOAD_FLOATS(p) (*(p))
#define STORE_FLOATS(v, p) (*(p) = (v))
#define SUM(v) (v)
#ifdef HALF
typedef ushort packed;
#define OPENED(raw) vload_half(0, (const half *)&(raw))
#define PACK(v, raw) STORE_HALF(v, 0, (half *)&(raw))
#else
typedef float packed;
#endif
#endif
#ifndef HALF
#define OPENED(raw) (raw)
#define PACK(v, raw) ((raw) = (v))
#endif
#include "winograd.clh"

static inline vec load(__global const act *p)
{
    const packed raw = *(__global const packed *)p;
    return OPENED(raw);
}

/* Stores v, and returns it as it was rounded. */
static inline vec store(__global act *p, vec v)
{
    packed raw;
    PACK(v, raw);
    *(__global packed *)p = raw;
    return OPENED(raw);
}

/* V of x; across, down: tiles of an image. */
__kernel IN_REGISTERS
void winograd_gpu_before(__global float *V, __global const act *x, int H, int W, int C, int across,
                         int down, int first, int tiles, int ld
#if NORM
                         , __global const float2 *stats, __global const float *gamma,
                         __global const float *beta, int G, int with_silu
#endif
                         )
{
    const int c = get_global_id(0) * VW, row = get_global_id(1);
    if (c >= C || row >= tiles)
        return;
    const int tile = first + row, b = tile / (across * down), rest = tile - b * across * down;
    const int y0 = rest / across * STEP - 1, x0 = rest % across * STEP - 1;
    vec t[POINTS][SIDE];
    x += (size_t)b * H * W * C + c;
    V += (size_t)row * C + c;
#if NORM
    const float2 s = stats[b * G + c / (C / G)];
    const vec scale = s.y * LOAD_FLOATS(gamma + c), shift = LOAD_FLOATS(beta + c);
#endif
    /* Outside the image the nearest pixel is read, so that no load waits for a comparison. */
    int line[SIDE];
    #pragma unroll
    for (int j = 0; j < SIDE; j++)
        line[j] = clamp(y0 + j, 0, H - 1) * W;
    #pragma unroll
    for (int i = 0; i < SIDE; i++) {
        vec d[SIDE], of[POINTS];
        const int ix = clamp(x0 + i, 0, W - 1);
        #pragma unroll
        for (int j = 0; j < SIDE; j++)
            d[j] = load(x + (size_t)((line[j] + ix) * C));
        #pragma unroll
        for (int j = 0; j < SIDE; j++) {
#if NORM
            d[j] = (d[j] - s.x) * scale + shift;
            if (with_silu)
                d[j] = d[j] / (1.0f + exp(-d[j]));
#endif
            const int inside = ix == x0 + i && y0 + j >= 0 && y0 + j < H;
            d[j] = inside ? d[j] : (vec)(0.0f);
        }
        before(d, of);
        #pragma unroll
        for (int j = 0; j < POINTS; j++)
            t[j][i] = of[j];
    }
    #pragma unroll
    for (int j = 0; j < POINTS; j++) {
        vec of[POINTS];
        before(t[j], of);
        #pragma unroll
        for (int i = 0; i < POINTS; i++) {
            STORE_FLOATS(of[i], V);
            V += (size_t)ld * C;
        }
    }
}

#if MOMENTS
/* The moments of the ROWS tiles of a work-group, of whose tile and VW channels the work-item has
 * v. */
static inline void store_moments(__global float2 *part, const vec v[4][4], int chunk, int chunks,
                                 int image, int Cout, int G, __local float sums[ROWS][WIDE])
{
    const int x = get_local_id(0), y = get_local_id(1), each = Cout / G / VW;
    const float n = 16.0f * ROWS * VW * each;
    vec sum = (vec)(0.0f);
    #pragma unroll
    for (int j = 0; j < 4; j++)
        sum += (v[j][0] + v[j][1]) + (v[j][2] + v[j][3]);
    sums[y][x] = SUM(sum);
    barrier(CLK_LOCAL_MEM_FENCE);
    float mean = 0.0f;
    for (int i = x / each * each; i < (x / each + 1) * each; i++)
        #pragma unroll
        for (int r = 0; r < ROWS; r++)
            mean += sums[r][i];
    mean /= n;
    sum = (vec)(0.0f);
    #pragma unroll
    for (int j = 0; j < 4; j++)
        #pragma unroll
        for (int i = 0; i < 4; i++)
            sum += (v[j][i] - mean) * (v[j][i] - mean);
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[y][x] = SUM(sum);
    barrier(CLK_LOCAL_MEM_FENCE);
    if (x % each || y)
        return;
    float squares = 0.0f;
    for (int i = x; i < x + each; i++)
        #pragma unroll
        for (int r = 0; r < ROWS; r++)
            squares += sums[r][i];
    const int group = (get_group_id(0) * WIDE + x) / each;
    part[((size_t)image * G + group) * chunks + chunk] = (float2)(mean, squares);
}
#endif

/* out of M, bias (Cout), with has_relu ReLU and, with has_add, add; H, W of out, whose pixels are
 * out_ld apart from out_at on. */
__kernel IN_REGISTERS
void winograd_gpu_after(__global act *out, int out_at, int out_ld, __global const float *M,
                        __global const float *bias, int has_relu, __global const act *add,
                        int has_add, int H, int W, int Cout, int across, int down, int first,
                        int tiles, int ld
#if MOMENTS
                        , __global float2 *part, int G
#endif
                        )
{
#if MOMENTS
    __local float sums[ROWS][WIDE];
#endif
    const int o = get_global_id(0) * VW, row = get_global_id(1);
    /* With MOMENTS of none or of all of a work-group. */
    if (o >= Cout || row >= tiles)
        return;
    const int tile = first + row, b = tile / (across * down), rest = tile - b * across * down;
    const int y0 = rest / across * 4, x0 = rest % across * 4;
    const size_t corner = ((size_t)b * H + y0) * W + x0;
    const vec shift = LOAD_FLOATS(bias + o);
    vec t[4][POINTS], v[4][4], plus[4][4];
    out += out_at + corner * out_ld + o;
    add += corner * Cout + o;
    /* Before the sums, so that the loads wait beside those of M. */
    #pragma unroll
    for (int j = 0; j < 4; j++)
        #pragma unroll
        for (int i = 0; i < 4; i++)
            plus[j][i] = (has_add && INSIDE(j, i)) ? load(add + (size_t)(j * W + i) * Cout)
                                                   : (vec)(0.0f);
    M += (size_t)row * Cout + o;
    #pragma unroll
    for (int j = 0; j < POINTS; j++) {
        vec m[POINTS], of[4];
        #pragma unroll
        for (int i = 0; i < POINTS; i++) {
            m[i] = LOAD_FLOATS(M);
            M += (size_t)ld * Cout;
        }
        after(m, of);
        #pragma unroll
        for (int i = 0; i < 4; i++)
            t[i][j] = of[i];
    }
    #pragma unroll
    for (int i = 0; i < 4; i++) {
        vec of[4];
        after(t[i], of);
        #pragma unroll
        for (int j = 0; j < 4; j++)
            v[j][i] = of[j] + shift;
    }
    #pragma unroll
    for (int j = 0; j < 4; j++)
        #pragma unroll
        for (int i = 0; i < 4; i++)
            if (INSIDE(j, i)) {
                if (has_relu)
                    v[j][i] = v[j][i] < 0.0f ? (vec)(0.0f) : v[j][i];
                if (has_add)
                    v[j][i] += plus[j][i];
                v[j][i] = store(out + (size_t)(j * W + i) * out_ld, v[j][i]);
            }
#if MOMENTS
    store_moments(part, v, rest / ROWS, across * down / ROWS, b, Cout, G, sums);
#endif
}
