/* SPDX-License-Identifier: MIT
 * Convolutions by Winograd's method whose taps are a line, 1 x TAPS or, where is_tall, TAPS x 1:
 * a tile of OUTS output pixels along the line is  A [sum over channels of (G w) * (B d)], so a
 * convolution is POINTS GEMMs (tiles, C) x (C, Cout).  Output has as many pixels as x (B, H, W, C);
 * otherwise as in winograd.cl, TAPS 3 or 7. */
#include "vector.clh"
#include "winograd.clh"

#ifndef TILES
#define TILES 0
#endif

/* w (n, C, TAPS) */
__kernel void winograd_line_weights(__global act *U, __global const float *w, int C, int Cout,
                                    int first, int n)
{
    int c = get_global_id(0);
    if (c >= C)
        return;
    for (int o = 0; o < n; o += VW) {
        float taps[TAPS][VW];
        for (int i = 0; i < VW; i++)
            for (int tap = 0; tap < TAPS; tap++)
                taps[tap][i] = w[((size_t)(o + i) * C + c) * TAPS + tap];
        vec line[TAPS], g[POINTS];
        for (int tap = 0; tap < TAPS; tap++)
            line[tap] = LOAD_FLOATS(taps[tap]);
        of_weight(line, g);
        for (int i = 0; i < POINTS; i++)
            STORE(g[i], U + ((size_t)i * C + c) * Cout + first + o);
    }
}

/* The first output of a tile, (row, column) of its image. */
static inline int2 corner_of(int rest, int across, int is_tall)
{
    int y = rest / across, x = rest - y * across;
    return is_tall ? (int2)(y * OUTS, x) : (int2)(y, x * OUTS);
}

__kernel IN_REGISTERS
void winograd_line_before(__global float *V, __global const act *x, int H, int W, int C,
                          int is_tall, int across, int down, int first, int tiles, int ld)
{
    int row = get_global_id(TILES);
    if (row >= tiles)
        return;
    int tile = first + row, b = tile / (across * down);
    int2 corner = corner_of(tile - b * across * down, across, is_tall);
    /* Pixel `at` of a line of n pixels, `step` pixels of x apart. */
    int at = (is_tall ? corner.x : corner.y) - TAPS / 2, n = is_tall ? H : W;
    int step = is_tall ? W : 1;
    __global const act *line = x + ((size_t)b * H * W +
                                    (is_tall ? corner.y : corner.x * W)) * C;
    for (int c = get_global_id(!TILES) * VW; c < C; c += get_global_size(!TILES) * VW) {
        vec d[SIDE], t[POINTS];
        for (int i = 0; i < SIDE; i++) {
            d[i] = (vec)(0.0f);
            if (at + i >= 0 && at + i < n)
                d[i] = LOAD(line + (size_t)(at + i) * step * C + c);
        }
        before(d, t);
        for (int i = 0; i < POINTS; i++)
            STORE_FLOATS(t[i], V + ((size_t)i * ld + row) * C + c);
    }
}

__kernel IN_REGISTERS
void winograd_line_after(__global act *out, int out_at, int out_ld, __global const float *M,
                         __global const float *bias, int has_relu, __global const act *add,
                         int has_add, int H, int W, int Cout, int across, int down, int first,
                         int tiles, int ld, int is_tall)
{
    int row = get_global_id(TILES);
    if (row >= tiles)
        return;
    int tile = first + row, b = tile / (across * down);
    int2 corner = corner_of(tile - b * across * down, across, is_tall);
    int pixels = min(OUTS, is_tall ? H - corner.x : W - corner.y), step = is_tall ? W : 1;
    size_t begin = ((size_t)b * H + corner.x) * W + corner.y;
    for (int o = get_global_id(!TILES) * VW; o < Cout; o += get_global_size(!TILES) * VW) {
        vec m[POINTS], y[OUTS], shift = LOAD_FLOATS(bias + o);
        for (int i = 0; i < POINTS; i++)
            m[i] = LOAD_FLOATS(M + ((size_t)i * ld + row) * Cout + o);
        after(m, y);
        for (int i = 0; i < OUTS; i++) {
            if (i >= pixels)
                break;
            size_t pixel = begin + (size_t)i * step;
            vec v = y[i] + shift;
            if (has_relu)
                v = relu_of(v);
            if (has_add)
                v += LOAD(add + pixel * Cout + o);
            STORE(v, out + out_at + pixel * out_ld + o);
        }
    }
}
