/* SPDX-License-Identifier: MIT
 * 3 x 3 convolutions of NHWC images by fewer multiplications (Winograd 1980; Lavin and Gray, arXiv
 * 1509.09308): a tile of 4 x 4 output pixels is  A [sum over channels of (G w G^T) * (B d B^T)]
 * A^T, d the pixels under it, * element by element.  So a convolution is POINTS^2 GEMMs
 * (tiles, C) x (C, Cout) with transforms before and after, each the same in both directions.
 *
 * By default: the points 0, +-1/sqrt 2, +-sqrt 2 and infinity, 6 multiplications in place of 4 * 3
 * in each direction.  These points lose least: 1.8 times the error of plain sums, where the usual
 * 0, +-1, +-2 make it 4 times.
 *
 * With -DUPSAMPLE, after a nearest 2x upsample, d being 4 x 4 pixels of the small image.  Its
 * four outputs in one direction are
 *   w0 d0 + (w1 + w2) d1,  (w0 + w1) d1 + w2 d2,  w0 d1 + (w1 + w2) d2,  (w0 + w1) d2 + w2 d3
 * and with  s = (w0 + w1 + w2)(d1 + d2)/2,  p = (w0 + w1 - w2)(d1 - d2)/2,
 *           q = (w0 - w1 - w2)(d1 - d2)/2
 * they are  s - q + w0 (d0 - d2),  s + p,  s + q,  s - p + w2 (d3 - d1):
 * 5 multiplications in place of 8.
 *
 * x (B, H, W, C), V (POINTS^2, ld, C), U (POINTS^2, C, Cout), M (POINTS^2, ld, Cout), out and add
 * (B, H', W', Cout).  With -DHALF x, U, out and add are half, V and M float32 in any case.
 * Tiles go along rows, ty * across + tx of an image after another;
 * `first` is the tile of row 0 of V and M.  Channels are taken in vectors of VW (VW divides C and
 * Cout); no local memory.  On a CPU a work-item has a tile to itself: global (tiles, 1).  On a GPU
 * it has a tile's vector, neighbours neighbouring ones: with TILES 1, global (vectors, tiles). */
#include "vector.clh"

#ifndef TILES
#define TILES 0         /* the dimension that counts tiles */
#endif

#define SQRT2 1.4142135623730951f
#define SQRT_HALF 0.7071067811865476f

#ifdef UPSAMPLE
#define POINTS 5
#define SIDE 4          /* pixels of d in a direction, */
#define STEP 2          /* and from tile to tile */
#else
#define POINTS 6
#define SIDE 6
#define STEP 4
#endif

/* t = B d */
static inline void before(const vec d[SIDE], vec t[POINTS])
{
#ifdef UPSAMPLE
    t[0] = d[0] - d[2];
    t[1] = d[1] - d[2];
    t[2] = d[1] + d[2];
    t[3] = t[1];
    t[4] = d[3] - d[1];
#else
    vec even = d[4] - 2.0f * d[2], odd = SQRT_HALF * (d[3] - 2.0f * d[1]);
    t[0] = (d[0] - 2.5f * d[2]) + d[4];
    t[1] = even + odd;
    t[2] = even - odd;
    even = d[4] - 0.5f * d[2];
    odd = SQRT2 * (d[3] - 0.5f * d[1]);
    t[3] = even + odd;
    t[4] = even - odd;
    t[5] = (d[1] - 2.5f * d[3]) + d[5];
#endif
}

/* y = A m */
static inline void after(const vec m[POINTS], vec y[4])
{
#ifdef UPSAMPLE
    y[0] = (m[2] - m[3]) + m[0];
    y[1] = m[2] + m[1];
    y[2] = m[2] + m[3];
    y[3] = (m[2] - m[1]) + m[4];
#else
    vec even = m[1] + m[2], odd = m[1] - m[2], more = m[3] + m[4], less = m[3] - m[4];
    y[0] = (even + more) + m[0];
    y[1] = SQRT_HALF * odd + SQRT2 * less;
    y[2] = 0.5f * even + 2.0f * more;
    y[3] = (0.5f * SQRT_HALF * odd + 2.0f * SQRT2 * less) + m[5];
#endif
}

/* g = G w */
static inline void of_weight(const vec w[3], vec g[POINTS])
{
    vec ends = w[0] + w[2];
#ifdef UPSAMPLE
    g[0] = w[0];
    g[1] = 0.5f * ((w[0] - w[2]) + w[1]);
    g[2] = 0.5f * (ends + w[1]);
    g[3] = 0.5f * ((w[0] - w[2]) - w[1]);
    g[4] = w[2];
#else
    vec near = w[0] + 0.5f * w[2], far = w[0] + 2.0f * w[2];
    (void)ends;
    g[0] = w[0];
    g[1] = (-2.0f / 3.0f) * (near + SQRT_HALF * w[1]);
    g[2] = (-2.0f / 3.0f) * (near - SQRT_HALF * w[1]);
    g[3] = (1.0f / 6.0f) * (far + SQRT2 * w[1]);
    g[4] = (1.0f / 6.0f) * (far - SQRT2 * w[1]);
    g[5] = w[2];
#endif
}

/* U's columns of outputs first .. first + n - 1 (n a multiple of VW), whose weights are
 * w (n, C, 3, 3).  A work-item has an input channel to itself and so writes whole rows, as the
 * lines of the POINTS^2 matrices are too far apart to be written one by one.  Global (C rounded
 * up). */
__kernel void winograd_weights(__global act *U, __global const float *w, int C, int Cout,
                                   int first, int n)
{
    int c = get_global_id(0);
    if (c >= C)
        return;
    for (int o = 0; o < n; o += VW) {
        float taps[9][VW];
        for (int i = 0; i < VW; i++)
            for (int tap = 0; tap < 9; tap++)
                taps[tap][i] = w[((size_t)(o + i) * C + c) * 9 + tap];
        vec rows[POINTS][3], g[POINTS];
        for (int x = 0; x < 3; x++) {
            vec column[3];
            for (int y = 0; y < 3; y++)
                column[y] = LOAD_FLOATS(taps[3 * y + x]);
            of_weight(column, g);
            for (int i = 0; i < POINTS; i++)
                rows[i][x] = g[i];
        }
        for (int i = 0; i < POINTS; i++) {
            of_weight(rows[i], g);
            for (int j = 0; j < POINTS; j++)
                STORE(g[j], U + ((size_t)(i * POINTS + j) * C + c) * Cout + first + o);
        }
    }
}

/* V of x; across, down: tiles of an image. */
__kernel IN_REGISTERS
void winograd_before(__global float *V, __global const act *x, int H, int W, int C,
                     int across, int down, int first, int tiles, int ld)
{
    int row = get_global_id(TILES);
    if (row >= tiles)
        return;
    int tile = first + row, b = tile / (across * down), rest = tile - b * across * down;
    int y0 = rest / across * STEP - 1, x0 = rest % across * STEP - 1;
    __global const act *image = x + (size_t)b * H * W * C;
    for (int c = get_global_id(!TILES) * VW; c < C; c += get_global_size(!TILES) * VW) {
        vec half_way[POINTS][SIDE], t[POINTS];
        for (int i = 0; i < SIDE; i++) {
            vec d[SIDE];
            for (int j = 0; j < SIDE; j++) {
                int iy = y0 + j, ix = x0 + i;
                int inside = iy >= 0 && iy < H && ix >= 0 && ix < W;
                d[j] = (vec)(0.0f);
                if (inside)
                    d[j] = LOAD(image + ((size_t)iy * W + ix) * C + c);
            }
            before(d, t);
            for (int j = 0; j < POINTS; j++)
                half_way[j][i] = t[j];
        }
        for (int j = 0; j < POINTS; j++) {
            before(half_way[j], t);
            for (int i = 0; i < POINTS; i++)
                STORE_FLOATS(t[i], V + ((size_t)(j * POINTS + i) * ld + row) * C + c);
        }
    }
}

/* out of M, bias (Cout), with has_relu ReLU and, with has_add, add; H, W of out, whose pixels are
 * out_ld apart from out_at on. */
__kernel IN_REGISTERS
void winograd_after(__global act *out, int out_at, int out_ld,
                    __global const float *M, __global const float *bias,
                    int has_relu, __global const act *add, int has_add, int H,
                    int W, int Cout, int across, int down, int first, int tiles,
                    int ld)
{
    int row = get_global_id(TILES);
    if (row >= tiles)
        return;
    int tile = first + row, b = tile / (across * down), rest = tile - b * across * down;
    int y0 = rest / across * 4, x0 = rest % across * 4;
    int rows = min(4, H - y0), columns = min(4, W - x0);
    size_t corner = ((size_t)b * H + y0) * W + x0;
    for (int o = get_global_id(!TILES) * VW; o < Cout; o += get_global_size(!TILES) * VW) {
        vec half_way[4][POINTS], m[POINTS], y[4], shift = LOAD_FLOATS(bias + o);
        for (int i = 0; i < POINTS; i++) {
            for (int j = 0; j < POINTS; j++)
                m[j] = LOAD_FLOATS(M + ((size_t)(j * POINTS + i) * ld + row) * Cout + o);
            after(m, y);
            for (int j = 0; j < 4; j++)
                half_way[j][i] = y[j];
        }
        for (int j = 0; j < rows; j++) {
            after(half_way[j], y);
            for (int i = 0; i < columns; i++) {
                size_t pixel = corner + (size_t)j * W + i;
                vec v = y[i] + shift;
                if (has_relu)
                    v = relu_of(v);
                if (has_add)
                    v += LOAD(add + pixel * Cout + o);
                STORE(v, out + out_at + pixel * out_ld + o);
            }
        }
    }
}
