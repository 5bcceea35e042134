/* SPDX-License-Identifier: MIT
 * Winograd's transform of half weights on GPUs (winograd.clh has G), for each convolution anew: as
 * halves the transformed ones would be rounded once more, and be four times as many. */
#ifndef EACH
#define EACH 4
#endif
typedef float vec;
#include "tiles.clh"
#include "winograd.clh"

/* U (36, C, Cout) of the 3 x 3 weights W, (9 C, Cout) in tiles, a tap after another.  A work-item
 * has EACH input channels of an output, 4 or 1, which divides C; neighbours have neighbouring
 * outputs.  Global (Cout rounded up, C / EACH rounded up); no local memory. */
__kernel IN_REGISTERS
void winograd_tiles(__global float *U, __global const half *W, int C, int Cout)
{
    const int o = get_global_id(0), c = get_global_id(1) * EACH;
    if (o >= Cout || c >= C)
        return;
    float taps[TAPS * TAPS][EACH];
    #pragma unroll
    for (int tap = 0; tap < TAPS * TAPS; tap++) {
        const int k = tap * C + c;
        __global const half *from = W + piece_at(o, k & ~7, TAPS * TAPS * C) + (k & 7);
#if EACH == 4
        vstore4(vload_half4(0, from), 0, taps[tap]);
#else
        taps[tap][0] = vload_half(0, from);
#endif
    }
    #pragma unroll
    for (int e = 0; e < EACH; e++) {
        float rows[POINTS][TAPS], g[POINTS];
        #pragma unroll
        for (int x = 0; x < TAPS; x++) {
            const float column[TAPS] = {taps[x][e], taps[TAPS + x][e], taps[2 * TAPS + x][e]};
            of_weight(column, g);
            #pragma unroll
            for (int i = 0; i < POINTS; i++)
                rows[i][x] = g[i];
        }
        #pragma unroll
        for (int i = 0; i < POINTS; i++) {
            of_weight(rows[i], g);
            #pragma unroll
            for (int j = 0; j < POINTS; j++)
                U[((size_t)(i * POINTS + j) * C + c + e) * Cout + o] = g[j];
        }
    }
}
