/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/ops.h"

int ffcl_cast_to_half(ffcl_ctx *ctx, cl_mem out, size_t at, cl_mem x, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "cast", "cast_to_half", "");
    if (rc)
        return rc;
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(x), FFCL_I32(at), FFCL_I32(n));
}

int ffcl_cast_to_float(ffcl_ctx *ctx, cl_mem out, cl_mem x, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "cast", "cast_to_float", "");
    if (rc)
        return rc;
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(x), FFCL_I32(n));
}
