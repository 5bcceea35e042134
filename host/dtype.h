/* SPDX-License-Identifier: MIT
 * Types of a tensor's elements, in files and on devices.  Devices have F32, F16, I32 and U8. */
#ifndef FFCL_DTYPE_H
#define FFCL_DTYPE_H

#include <stddef.h>

typedef enum ffcl_dtype {
    FFCL_F32, FFCL_F16, FFCL_BF16, FFCL_F64,
    FFCL_I64, FFCL_I32, FFCL_I16, FFCL_I8, FFCL_U8, FFCL_BOOL
} ffcl_dtype;

/* Bytes of an element. */
static inline size_t ffcl_dtype_bytes(ffcl_dtype dtype)
{
    static const unsigned char bytes[] = {4, 2, 2, 8, 8, 4, 2, 1, 1, 1};
    return bytes[dtype];
}

#endif
