/* SPDX-License-Identifier: MIT
 * mingw-w64's fmaf rounds twice, and the noise is made of fmaf: images would differ in their last
 * bits from those of other systems. */
#include <math.h>

float fmaf(float x, float y, float z);

/* The product is exact in double.  The sum is rounded to odd, from where a second rounding, to
 * float, gives what one would have given. */
float fmaf(float x, float y, float z)
{
    const double product = (double)x * (double)y;
    volatile double sum = product + (double)z;
    const volatile double rest = sum - product;
    const double error = (product - (sum - rest)) + ((double)z - rest);
    uint64_t bits;
    double odd = sum;
    memcpy(&bits, &odd, sizeof bits);
    if (isfinite(odd) && error != 0.0 && !(bits & 1)) {
        /* The true sum lies between this number and its neighbour on the side of the error. */
        bits += (error > 0.0) == (odd > 0.0) ? 1 : (uint64_t)-1;
        memcpy(&odd, &bits, sizeof odd);
    }
    return (float)odd;
}
