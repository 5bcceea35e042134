/* SPDX-License-Identifier: MIT
 * Convolutions of NHWC images with few outputs, stride 1, zero padding:
 *   out[b][y][x][o] = bias[o] + sum over taps and c of
 *                     x[b][y + dy + ky][x + dx + kx][c] w[o][tap][c]
 * x (B, H, W, C), weight (Cout, kh*kw*C), out (B, H, W, Cout), Cout at most 4; n = B*H*W.
 * One work-item a pixel; it takes channels in vectors of VW, a divisor of C, which is 1 except on
 * CPUs.  No local memory. */
#ifndef VW
#define VW 1
#endif
#include "vector.clh"

__kernel void conv_direct_f32(__global float *out, __global const float *x,
                              __global const float *weight, __global const float *bias, int H,
                              int W, int C, int Cout, int kh, int kw, int dy, int dx, int n)
{
    int pixel = get_global_id(0);
    if (pixel >= n)
        return;
    int b = pixel / (H * W), rest = pixel - b * H * W;
    int y = rest / W, x0 = rest - y * W;
    vec sum[4];
    for (int o = 0; o < 4; o++)
        sum[o] = (vec)(0.0f);
    for (int tap = 0; tap < kh * kw; tap++) {
        int iy = y + dy + tap / kw, ix = x0 + dx + tap % kw;
        if (iy < 0 || iy >= H || ix < 0 || ix >= W)
            continue;
        __global const float *in = x + (((size_t)b * H + iy) * W + ix) * C;
        __global const float *w = weight + (size_t)tap * C;
        for (int c = 0; c < C; c += VW) {
            vec v = LOAD_FLOATS(in + c);
            for (int o = 0; o < 4; o++)
                if (o < Cout)
                    sum[o] += v * LOAD_FLOATS(w + (size_t)o * kh * kw * C + c);
        }
    }
    for (int o = 0; o < 4; o++)
        if (o < Cout)
            out[(size_t)pixel * Cout + o] = bias[o] + lanes(sum[o]);
}
