/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"

int ffcl_ceiling_copy(ffcl_ctx *ctx, cl_mem out, cl_mem in, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "ceiling", "ceiling_copy", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_each_cost(n, 0.0, 8.0));
    return ffcl_launch_items(ctx, k, n / 4, FFCL_BUF(out), FFCL_BUF(in), FFCL_I32(n));
}

int ffcl_ceiling_fma(ffcl_ctx *ctx, cl_mem out, cl_mem in, float times, float plus, size_t rounds,
                     size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "ceiling", "ceiling_fma", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_ceiling_fma_cost(rounds, n));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(in), FFCL_F32(times),
                             FFCL_F32(plus), FFCL_I32(rounds), FFCL_I32(n));
}
