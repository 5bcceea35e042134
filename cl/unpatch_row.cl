/* SPDX-License-Identifier: MIT
 * What gemm_skinny.cl computes with UNPATCH, without epilogue but bias, without local memory and
 * barriers: for CPUs.  A work-item has a row, whose columns it takes in vectors of VW, a divisor of
 * N.  K is cut into the same slices, at most MOST_SLICES, which are added up in the same order, so
 * that results are the same bytes.  Global (M). */
#include "vector.clh"
#define MOST_SLICES 256

__kernel void gemm_unpatch_row(__global float *out, int out_at, __global const float *a, int a_at,
                               int a_row, int a_col, __global const float *w, int w_at, int w_ld,
                               __global const float *bias, int bias_at, int has_bias, int M, int N,
                               int K, int slices, int C, int Cout, int R, int p)
{
    int m = get_global_id(0), G = R / p, b = m / (G * G), t = m - b * G * G;
    if (m >= M)
        return;
    __global const float *row = a + a_at + (size_t)m * a_row;
    for (int n0 = 0; n0 < N; n0 += VW) {
        vec part[MOST_SLICES];
        float v[VW];
        for (int s = 0; s < slices; s++)
            part[s] = (vec)(0.0f);
        for (int k = 0; k < K; k++)
            part[k % slices] += row[(size_t)k * a_col] *
                                LOAD_FLOATS(w + w_at + (size_t)k * w_ld + n0);
        for (int left = slices, take; left > 1;) {
            take = min(left, 8);
            left /= take;
            for (int s = 0; s < left; s++)
                for (int i = 1; i < take; i++)
                    part[s] += part[s + i * left];
        }
        STORE_FLOATS(part[0], v);
        for (int i = 0; i < VW; i++) {
            int n = n0 + i, c = n % Cout, ij = n / Cout;
            int y = t / G * p + ij / p, x = t % G * p + ij % p;
            if (c < C)
                out[out_at + (((size_t)b * C + c) * R + y) * R + x] =
                    has_bias ? v[i] + bias[bias_at + n] : v[i];
        }
    }
}
