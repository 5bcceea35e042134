/* SPDX-License-Identifier: MIT */
#include "half.h"

#include <math.h>
#include <string.h>

enum { INFINITE = 0x7c00 };

uint16_t ffcl_half_from(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000, x = bits & 0x7fffffff;
    if (x > 0x7f800000)
        return (uint16_t)(sign | INFINITE | 0x200 | (x >> 13 & 0x3ff));
    if (x >= 0x47800000)                        /* 65536 and more */
        return (uint16_t)(sign | INFINITE);
    if (x < 0x33000000)                         /* below half the smallest */
        return (uint16_t)sign;
    /* A mantissa of 24 bits, of which `drop` go; below 2^-14 the exponent stays and more go. */
    uint32_t exponent = x >> 23, mantissa = (x & 0x7fffff) | 0x800000;
    uint32_t drop = exponent < 113 ? 126 - exponent : 13;
    uint32_t kept = mantissa >> drop, rest = mantissa & ((1u << drop) - 1), tie = 1u << (drop - 1);
    if (exponent >= 113)
        kept += (exponent - 113) << 10;         /* the leading one adds 1 to the exponent */
    kept += rest > tie || (rest == tie && (kept & 1));      /* a carry gives the next exponent */
    return (uint16_t)(sign | kept);
}

float ffcl_half_value(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31;
    uint32_t mantissa = half & 0x3ff, bits;
    if (exponent == 31)
        bits = 0x7f800000 | mantissa << 13;
    else if (exponent > 0)
        bits = (exponent + 112) << 23 | mantissa << 13;
    else {
        float small = (float)mantissa / 16777216.0f;        /* in units of 2^-24: exact */
        memcpy(&bits, &small, sizeof bits);
    }
    bits |= sign;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* By the definition, of a half that is not negative; infinity counts as 65536. */
static double defined(int half)
{
    int exponent = half >> 10, mantissa = half & 0x3ff;
    return exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
}

static int wrong(int h)
{
    double want = h == INFINITE ? (double)INFINITY : defined(h);
    float minus = ffcl_half_value((uint16_t)(h | 0x8000));
    if ((double)ffcl_half_value((uint16_t)h) != want || (double)minus != -want || !signbit(minus) ||
        ffcl_half_from((float)want) != h || ffcl_half_from(minus) != (h | 0x8000))
        return 1;
    if (h == INFINITE)
        return 0;
    float tie = (float)((defined(h) + defined(h + 1)) / 2.0);
    return ffcl_half_from(tie) != h + (h & 1) ||
           ffcl_half_from(nextafterf(tie, 0.0f)) != h ||
           ffcl_half_from(nextafterf(tie, INFINITY)) != h + 1 ||
           ffcl_half_from(-tie) != ((h + (h & 1)) | 0x8000);
}

int ffcl_half_selftest(void)
{
    for (int h = 0; h <= INFINITE; h++)
        if (wrong(h))
            return h + 1;
    for (int h = INFINITE + 1; h < 0x8000; h++) {
        float nan = ffcl_half_value((uint16_t)h);
        if (!isnan(nan) || !isnan(ffcl_half_value(ffcl_half_from(nan))))
            return h + 1;
    }
    return 0;
}
