/* SPDX-License-Identifier: MIT
 * The attention of attention.cl for CPUs and for devices where the tiled kernel does not fit:
 * one work-item computes QB queries of one head alone, no local memory and no barrier.
 * attn_row: global (ceil(T/QB), H, B).  Keys in blocks of KB: scores, running maximum, then
 * the weighted values, in vectors of VW floats along the head (VW divides DH). */
#ifndef DH
#define DH 72
#endif
#include "vector.clh"
#define QB 4
#define KB 16
#define NV (DH / VW)

__kernel IN_REGISTERS
void attn_row(__global act *out, __global const act *qkv, int T, int H, float scale)
{
    int t0 = get_global_id(0) * QB, h = get_global_id(1), b = get_global_id(2);
    if (t0 >= T)
        return;
    int ld = 3 * H * DH;
    __global const act *base = qkv + (size_t)b * T * ld + h * DH;
    __global const act *keys = base + H * DH, *values = keys + H * DH;

    vec acc[QB][NV];
    float top[QB], sum[QB];
    for (int i = 0; i < QB; i++) {
        top[i] = -INFINITY;
        sum[i] = 0.0f;
        for (int v = 0; v < NV; v++)
            acc[i][v] = (vec)(0.0f);
    }
    for (int s0 = 0; s0 < T; s0 += KB) {
        int nk = min(KB, T - s0);
        float p[QB][KB];
        for (int j = 0; j < nk; j++) {
            vec dot_sum[QB];
            for (int i = 0; i < QB; i++)
                dot_sum[i] = (vec)(0.0f);
            for (int v = 0; v < NV; v++) {
                vec k = LOAD(keys + (size_t)(s0 + j) * ld + v * VW);
                for (int i = 0; i < QB; i++)
                    dot_sum[i] += k * LOAD(base + (size_t)min(t0 + i, T - 1) * ld + v * VW);
            }
            for (int i = 0; i < QB; i++)
                p[i][j] = lanes(dot_sum[i]) * scale;
        }
        for (int i = 0; i < QB; i++) {
            float m = top[i];
            for (int j = 0; j < nk; j++)
                m = fmax(m, p[i][j]);
            float f = exp(top[i] - m);
            top[i] = m;
            sum[i] *= f;
            for (int j = 0; j < nk; j++) {
                p[i][j] = exp(p[i][j] - m);
                sum[i] += p[i][j];
            }
            for (int v = 0; v < NV; v++)
                acc[i][v] *= f;
        }
        for (int j = 0; j < nk; j++)
            for (int v = 0; v < NV; v++) {
                vec value = LOAD(values + (size_t)(s0 + j) * ld + v * VW);
                for (int i = 0; i < QB; i++)
                    acc[i][v] += p[i][j] * value;
            }
    }
    for (int i = 0; i < QB; i++)
        if (t0 + i < T)
            for (int v = 0; v < NV; v++)
                STORE(acc[i][v] / sum[i],
                      out + ((size_t)b * T + t0 + i) * H * DH + h * DH + v * VW);
}
