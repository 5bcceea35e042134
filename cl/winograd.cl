/* SPDX-License-Identifier: MIT
 * Convolutions of NHWC images by fewer multiplications (Winograd 1980; Lavin and Gray, arXiv
 * 1509.09308): a tile of OUTS x OUTS output pixels is  A [sum over channels of (G w G^T) *
 * (B d B^T)] A^T, d the pixels under it, * element by element (winograd.clh has A, B and G).  So a
 * convolution is POINTS^2 GEMMs (tiles, C) x (C, Cout) with transforms before and after, each the
 * same in both directions.  TAPS x TAPS taps, 3 (tiles of 4 x 4) or 5 (2 x 2); with -DUPSAMPLE 3
 * after a nearest 2x upsample.
 *
 * x (B, H, W, C), V (POINTS^2, ld, C), U (POINTS^2, C, Cout), M (POINTS^2, ld, Cout), out and add
 * (B, H', W', Cout).  With -DHALF x, U, out and add are half, V and M float32 in any case.
 * Tiles go along rows, ty * across + tx of an image after another; the first begins `pad` pixels
 * above and left of the image.
 * `first` is the tile of row 0 of V and M.  Channels are taken in vectors of VW (VW divides C and
 * Cout); no local memory.  On a CPU a work-item has a tile to itself: global (tiles, 1).  On a GPU
 * it has a tile's vector, neighbours neighbouring ones: with TILES 1, global (vectors, tiles); its
 * loops are unrolled, so that values stay in registers.  On a CPU that gains nothing, and PoCL
 * would compile ten times as long. */
#include "vector.clh"
#include "winograd.clh"

#ifndef TILES
#define TILES 0         /* the dimension that counts tiles */
#endif
/* A GPU has a work-item for each vector: a loop would have its compiler keep in registers what does
 * not change from round to round. */
#if TILES
#define EACH_VECTOR(c, n) if (c < n)
#else
#define EACH_VECTOR(c, n) for (; c < n; c += get_global_size(1) * VW)
#endif

/* Where weight w has tap `tap` of input channel c of output o: (n, C, TAPS, TAPS), or with
 * TAPS_FIRST (n, TAPS, TAPS, C). */
#ifdef TAPS_FIRST
#define WEIGHT_AT(o, tap, c) (((size_t)(o) * TAPS * TAPS + (tap)) * C + (c))
#else
#define WEIGHT_AT(o, tap, c) (((size_t)(o) * C + (c)) * TAPS * TAPS + (tap))
#endif

/* U's columns of outputs first .. first + n - 1 (n a multiple of VW), whose weights are
 * w (n, C, TAPS, TAPS).  A work-item has an input channel to itself and so writes whole rows, as
 * the lines of the POINTS^2 matrices are too far apart to be written one by one.  Global (C rounded
 * up). */
__kernel IN_REGISTERS
void winograd_weights(__global act *U, __global const float *w, int C, int Cout,
                      int first, int n)
{
    int c = get_global_id(0);
    if (c >= C)
        return;
    for (int o = 0; o < n; o += VW) {
        float taps[TAPS * TAPS][VW];
        for (int i = 0; i < VW; i++)
            for (int tap = 0; tap < TAPS * TAPS; tap++)
                taps[tap][i] = w[WEIGHT_AT(o + i, tap, c)];
        vec rows[POINTS][TAPS], g[POINTS];
        for (int x = 0; x < TAPS; x++) {
            vec column[TAPS];
            for (int y = 0; y < TAPS; y++)
                column[y] = LOAD_FLOATS(taps[TAPS * y + x]);
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
void winograd_before(__global float *V, __global const act *x, int H, int W, int C, int pad,
                     int across, int down, int first, int tiles, int ld)
{
    int row = get_global_id(TILES);
    if (row >= tiles)
        return;
    int tile = first + row, b = tile / (across * down), rest = tile - b * across * down;
    int y0 = rest / across * STEP - pad, x0 = rest % across * STEP - pad;
    __global const act *image = x + (size_t)b * H * W * C;
    int c = get_global_id(!TILES) * VW;
    EACH_VECTOR(c, C) {
        vec half_way[POINTS][SIDE], t[POINTS];
#if TILES
        #pragma unroll
#endif
        for (int i = 0; i < SIDE; i++) {
            vec d[SIDE];
#if TILES
            #pragma unroll
#endif
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
#if TILES
        #pragma unroll
#endif
        for (int j = 0; j < POINTS; j++) {
            before(half_way[j], t);
#if TILES
            #pragma unroll
#endif
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
    int y0 = rest / across * OUTS, x0 = rest % across * OUTS;
    int rows = min(OUTS, H - y0), columns = min(OUTS, W - x0);
    size_t corner = ((size_t)b * H + y0) * W + x0;
    int o = get_global_id(!TILES) * VW;
    EACH_VECTOR(o, Cout) {
        vec half_way[OUTS][POINTS], m[POINTS], y[OUTS], shift = LOAD_FLOATS(bias + o);
        for (int i = 0; i < POINTS; i++) {
            for (int j = 0; j < POINTS; j++)
                m[j] = LOAD_FLOATS(M + ((size_t)(j * POINTS + i) * ld + row) * Cout + o);
            after(m, y);
            for (int j = 0; j < OUTS; j++)
                half_way[j][i] = y[j];
        }
        /* Loops of known length, so that half_way and y stay in registers. */
        for (int j = 0; j < OUTS; j++) {
            if (j >= rows)
                break;
            after(half_way[j], y);
            for (int i = 0; i < OUTS; i++) {
                if (i >= columns)
                    break;
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
