/* SPDX-License-Identifier: MIT
 * Convolutions of NHWC images as a GEMM of im2col's columns and the weight (taps * C, Cout).
 * For few outputs: conv_direct.cl, and conv_taps_f32 after a GEMM.  conv_rows.cl: half images.
 * Tap (ky, kx) of kh x kw reads pixel (stride y + dy + ky, stride x + dx + kx), zero outside;
 * 3 x 3 with stride 1 and padding has dy = dx = -1. */

/* columns[(ky, kx, c)][m] = x[under tap (ky, kx) of output pixel first + m][c], zero outside the
 * image: x (B, H, W, C); output pixel (y, x) of OH x OW has its first tap at (stride y + dy,
 * stride x + dx); columns (kh*kw*C, ld), pixel-contiguous as the GEMM wants it; M pixels.
 * Work-groups of 32 x LINES transpose tiles of 32 pixels x 32 channels; local memory 4.2 KB.
 * Global (ceil(M/32) * 32, ceil(C/32) * LINES). */
#ifndef LINES
#define LINES 8
#endif
#define EACH (32 / LINES)
__kernel __attribute__((reqd_work_group_size(32, LINES, 1)))
void im2col_f32(__global float *columns, __global const float *x, int H, int W, int C, int OH,
                int OW, int kh, int kw, int stride, int dy, int dx, int first, int M, int ld)
{
    __local float tile[32][33];
    int lx = get_local_id(0), ly = get_local_id(1);
    int m0 = get_group_id(0) * 32, c0 = get_group_id(1) * 32;
    int c = c0 + lx;
    /* The pixels that this work-item reads: their image's start, first tap's row and
     * column. */
    size_t base[EACH];
    int py[EACH], px[EACH];
    for (int i = 0; i < EACH; i++) {
        int pixel = first + min(m0 + ly + LINES * i, M - 1);
        int b = pixel / (OH * OW), rest = pixel - b * OH * OW, row = rest / OW;
        base[i] = (size_t)b * H * W;
        py[i] = stride * row + dy;
        px[i] = stride * (rest - row * OW) + dx;
    }
    for (int tap = 0; tap < kh * kw; tap++) {
        int sy = tap / kw, sx = tap % kw;
        for (int i = 0; i < EACH; i++) {
            int iy = py[i] + sy, ix = px[i] + sx;
            int inside = iy >= 0 && iy < H && ix >= 0 && ix < W && c < C;
            tile[ly + LINES * i][lx] = inside ? x[(base[i] + (size_t)iy * W + ix) * C + c] : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int i = ly; i < 32; i += LINES)
            if (c0 + i < C && m0 + lx < M)
                columns[((size_t)tap * C + c0 + i) * ld + m0 + lx] = tile[lx][i];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* out[m][o] = wide[m][o] for the first Cout of `columns` columns; n = M * Cout. */
__kernel void conv_narrow_f32(__global float *out, __global const float *wide, int columns,
                              int Cout, int n)
{
    int e = get_global_id(0);
    if (e < n)
        out[e] = wide[(size_t)(e / Cout) * columns + e % Cout];
}

/* The sum of taps that a GEMM left apart: out (B, H, W, Cout), Cout at most 4, from pixel `first`
 * of all images on; sums (n, columns), of whole images: what tap (ky, kx) of side x side makes of a
 * pixel for output o in column (ky * side + kx) * Cout + o.
 *   out[y][x][o] = bias[o] + sum over taps of sums[(y + ky - shift, x + kx - shift)][tap][o]
 * A work-item a pixel. */
__kernel void conv_taps_f32(__global float *out, __global const float *sums,
                            __global const float *bias, int H, int W, int Cout, int side, int shift,
                            int columns, int first, int n)
{
    int pixel = get_global_id(0);
    if (pixel >= n)
        return;
    int x = pixel % W, y = pixel / W % H;
    float v[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int tap = 0; tap < side * side; tap++) {
        int dy = tap / side - shift, dx = tap % side - shift;
        if (y + dy < 0 || y + dy >= H || x + dx < 0 || x + dx >= W)
            continue;
        __global const float *from = sums + (size_t)(pixel + dy * W + dx) * columns + tap * Cout;
        #pragma unroll
        for (int o = 0; o < 4; o++)
            if (o < Cout)
                v[o] += from[o];
    }
    #pragma unroll
    for (int o = 0; o < 4; o++)
        if (o < Cout)
            out[(size_t)(first + pixel) * Cout + o] = v[o] + bias[o];
}
