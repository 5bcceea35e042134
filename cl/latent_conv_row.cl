/* SPDX-License-Identifier: MIT
 * What latent_conv.cl computes, in the same order, without local memory and barriers: for CPUs.  A
 * work-item has a pixel, whose outputs it takes in vectors of VW, a divisor of N; side*side*C is at
 * most MOST_TAPS.  Global (M). */
#include "vector.clh"
#define MOST_TAPS 512

__kernel void latent_conv_row(__global act *out, __global const float *latent, int at,
                              float factor, __global const float *point,
                              __global const float *point_bias, int has_point,
                              __global const float *w, __global const float *bias, int C, int R,
                              int side, int N, int M)
{
    int m = get_global_id(0), P = R * R, taps = side * side * C;
    if (m >= M)
        return;
    int b = m / P, y0 = (m - b * P) / R - side / 2, x0 = m % R - side / 2;
    __global const float *planes = latent + at + (size_t)b * C * P;
    float q[MOST_TAPS];
    for (int e = 0; e < taps; e++) {
        int tap = e / C, c = e % C, y = y0 + tap / side, x = x0 + tap % side;
        __global const float *in = planes + y * R + x;
        float v = 0.0f;
        if (x >= 0 && x < R && y >= 0 && y < R) {
            if (has_point) {
                for (int i = 0; i < C; i++)
                    v += in[i * P] * factor * point[i * C + c];
                v += point_bias[c];
            } else {
                v = in[c * P] * factor;
            }
        }
        q[e] = v;
    }
    for (int o = 0; o < N; o += VW) {
        vec sum = (vec)(0.0f);
        for (int e = 0; e < taps; e++)
            sum += q[e] * LOAD_FLOATS(w + (size_t)e * N + o);
        STORE(sum + LOAD_FLOATS(bias + o), out + (size_t)m * N + o);
    }
}
