/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"

int ffcl_cast_to_half(ffcl_ctx *ctx, cl_mem out, size_t at, cl_mem x, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "cast", "cast_to_half", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_cast_cost(n));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(x), FFCL_I32(at), FFCL_I32(n));
}

int ffcl_cast_to_tiles(ffcl_ctx *ctx, cl_mem out, cl_mem x, size_t first, size_t rows, size_t K)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "cast", "cast_to_tiles", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_cast_cost(rows * K));
    return ffcl_launch_items(ctx, k, rows * K, FFCL_BUF(out), FFCL_BUF(x), FFCL_I32(first),
                             FFCL_I32(K), FFCL_I32(rows * K));
}

int ffcl_cast_to_float(ffcl_ctx *ctx, cl_mem out, cl_mem x, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "cast", "cast_to_float", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_cast_cost(n));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(x), FFCL_I32(n));
}
