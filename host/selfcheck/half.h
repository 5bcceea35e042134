/* SPDX-License-Identifier: MIT
 * Half arithmetic, for devices whose driver does not list cl_khr_fp16. */
#ifndef FFCL_SELFCHECK_HALF_H
#define FFCL_SELFCHECK_HALF_H

#include "cl/context.h"

typedef enum ffcl_half_arithmetic {
    FFCL_HALF_NONE,             /* a kernel that computes in half does not build, or is wrong */
    FFCL_HALF_BY_PRAGMA,        /* not listed, but right with the pragma alone */
    FFCL_HALF_LISTED,
    FFCL_HALF_LISTED_WRONG      /* listed, and wrong or not built */
} ffcl_half_arithmetic;

/* Builds a kernel that computes in half and compares every result; tried anew at each call.  No
 * kernel of ffcl needs it but those of matrix units: storage as half is core OpenCL C. */
ffcl_half_arithmetic ffcl_selfcheck_half(ffcl_ctx *ctx);

#endif
