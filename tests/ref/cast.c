/* SPDX-License-Identifier: MIT
 * out = x rounded to the nearest half, ties to even: to a multiple of the unit in the last place
 * of eleven bits, and of 2^-24 below 2^-14; infinity above 65504 and half a unit. */
#include <math.h>

#include "ref.h"

void ffcl_ref_cast_to_half(double *out, const float *x, size_t n)
{
    for (size_t e = 0; e < n; e++) {
        double v = (double)x[e], unit = ldexp(1.0, -24);
        if (isfinite(v) && fabs(v) >= ldexp(1.0, -14))
            unit = ldexp(1.0, ilogb(v) - 10);
        double rounded = nearbyint(v / unit) * unit;
        out[e] = fabs(rounded) > 65504.0 ? copysign(INFINITY, v) : rounded;
    }
}
