/* SPDX-License-Identifier: MIT
 * Types of a tensor's elements, in files and on devices.  Devices have F32, F16, I32 and U8. */
#ifndef FFCL_DTYPE_H
#define FFCL_DTYPE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef enum ffcl_dtype {
    FFCL_F32, FFCL_F16, FFCL_BF16, FFCL_F64, FFCL_F8_E4M3, FFCL_F8_E5M2,
    FFCL_I64, FFCL_I32, FFCL_I16, FFCL_I8, FFCL_U8, FFCL_BOOL
} ffcl_dtype;

/* Bytes of an element. */
static inline size_t ffcl_dtype_bytes(ffcl_dtype dtype)
{
    static const unsigned char bytes[] = {4, 2, 2, 8, 1, 1, 8, 4, 2, 1, 1, 1};
    return bytes[dtype];
}

/* Exact, subnormals, infinities and NaN payloads included. */
static inline float ffcl_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, rest = h & 0x7fff, bits;
    float value;
    if (rest < 0x400) {                             /* zero or subnormal: rest * 2^-24 */
        value = (float)rest * 0x1p-24f;
        memcpy(&bits, &value, 4);
    } else {                                        /* exponent bias 15 becomes 127 or all ones */
        bits = (rest << 13) + (rest >= 0x7c00 ? 0x70000000u : 0x38000000u);
    }
    bits |= sign;
    memcpy(&value, &bits, 4);
    return value;
}

#endif
