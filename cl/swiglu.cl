/* SPDX-License-Identifier: MIT
 * SwiGLU (Shazeer, GLU Variants Improve Transformer), the activation between two linear layers:
 *   out[r][f] = silu(x[r][f]) * x[r][F + f],  f < F;  0,  F <= f < out_ld
 * x (rows, x_ld): F gates, then F values, then what is not read; out (rows, out_ld).
 * A work-item has V columns; V, 1 or 8, divides F, x_ld and out_ld.
 * Global (out_ld / V rounded up, rows). */
#ifndef V
#define V 8
#endif

__kernel void swiglu(__global act *out, __global const act *x, int F, int x_ld, int out_ld)
{
    int f = get_global_id(0) * V;
    size_t row = get_global_id(1);
    if (f >= out_ld)
        return;
#if V == 8
    float8 v = (float8)(0.0f);
    if (f < F) {
        float8 gate = LOAD_ACT8(x, row * x_ld + f);
        v = gate / (1.0f + exp(-gate)) * LOAD_ACT8(x, row * x_ld + F + f);
    }
    STORE_ACT8(out, row * out_ld + f, v);
#else
    float v = 0.0f;
    if (f < F)
        v = silu(LOAD_ACT(x, row * x_ld + f)) * LOAD_ACT(x, row * x_ld + F + f);
    STORE_ACT(out, row * out_ld + f, v);
#endif
}
