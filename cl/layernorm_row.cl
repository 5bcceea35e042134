/* SPDX-License-Identifier: MIT
 * The layer norm of layernorm.cl with one work-item a row, in vectors of VW floats (VW divides D);
 * no local memory and no barrier.  For CPUs; a file of its own, as PoCL compiles all kernels of a
 * file.  Global (rows rounded up). */
#include "norm_options.clh"
#include "vector.clh"

__kernel void layernorm_mod_row(__global act *out, __global const float *x,
                                __global const float *mod, int D, int T, int mod_ld, int shift_at,
                                int scale_at, float eps, int rows WEIGHT_ARGUMENT)
{
    int row = get_global_id(0);
    if (row >= rows)
        return;
    __global const float *in = x + (size_t)row * D;
    __global act *to = out + (size_t)row * D;
    __global const float *m = mod + (size_t)(row / T) * mod_ld;
    vec sum = (vec)(0.0f), squares = (vec)(0.0f);
#if !RMS
    for (int d = 0; d < D; d += VW)
        sum += LOAD_FLOATS(in + d);
#endif
    float mean = lanes(sum) / D;
    for (int d = 0; d < D; d += VW) {
        vec diff = LOAD_FLOATS(in + d) - mean;
        squares += diff * diff;
    }
    float inv = 1.0f / sqrt(lanes(squares) / D + eps);
    for (int d = 0; d < D; d += VW) {
        vec v = (LOAD_FLOATS(in + d) - mean) * inv *
                FACTOR(LOAD_FLOATS(m + scale_at + d), LOAD_FLOATS(weight + d))
                PLUS_SHIFT(LOAD_FLOATS(m + shift_at + d));
        STORE(v, to + d);
    }
}
