/* SPDX-License-Identifier: MIT */
#include "eval/kept.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

uint16_t ffcl_half_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const float size = fabsf(x);
    if (isnan(x))
        return sign | 0x7e00;
    if (size >= 65520.0f)               /* rounds to 65536, which is no half */
        return sign | 0x7c00;
    if (size < 0x1p-14f)                /* whole steps of 2^-24 */
        return (uint16_t)(sign | (uint16_t)nearbyintf(size * 0x1p24f));
    bits &= 0x7fffffff;
    bits += 0xfff + (bits >> 13 & 1);
    return (uint16_t)(sign | (uint16_t)((bits - (112u << 23)) >> 13));
}

float ffcl_float_of(uint16_t half)
{
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    float x;
    if (exponent == 31)
        x = fraction ? NAN : INFINITY;
    else if (exponent)
        x = ldexpf((float)(1024 + fraction), (int)exponent - 25);
    else
        x = ldexpf((float)fraction, -24);
    return half & 0x8000 ? -x : x;
}

void ffcl_kept_close(ffcl_kept *kept)
{
    free(kept->floats);
    free(kept->halves);
    memset(kept, 0, sizeof *kept);
}

int ffcl_kept_add(ffcl_kept *k, const float *x, ffcl_error *err)
{
    if (k->n == k->room) {
        const size_t room = k->room ? 2 * k->room : 1024;
        void *grown = k->is_half ? realloc(k->halves, room * k->D * sizeof *k->halves)
                                 : realloc(k->floats, room * k->D * sizeof *k->floats);
        if (!grown)
            return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the features of %zu images, "
                             "which precision and recall need", room);
        k->room = room;
        if (k->is_half)
            k->halves = grown;
        else
            k->floats = grown;
    }
    for (size_t c = 0; c < k->D && k->is_half; c++)
        k->halves[k->n * k->D + c] = ffcl_half_of(x[c]);
    if (!k->is_half)
        memcpy(k->floats + k->n * k->D, x, k->D * sizeof *x);
    k->n++;
    return 0;
}

void ffcl_kept_get(const ffcl_kept *k, size_t first, size_t n, float *to)
{
    if (!k->is_half)
        memcpy(to, k->floats + first * k->D, n * k->D * sizeof *to);
    for (size_t i = 0; i < n * k->D && k->is_half; i++)
        to[i] = ffcl_float_of(k->halves[first * k->D + i]);
}
