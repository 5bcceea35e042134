/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"

void ffcl_ceiling_copy(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = ffcl_count(x);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "ceiling", "ceiling_copy", "");
    ffcl_work(ctx, ffcl_each_cost(n, 0.0, 8.0));
    ffcl_launch_items(ctx, k, n / 4, FFCL_DENSE(out), FFCL_DENSE(x), FFCL_INT(n));
}

void ffcl_ceiling_fma(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, float times,
                      float plus, size_t rounds)
{
    const size_t n = ffcl_count(x);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "ceiling", "ceiling_fma", "");
    ffcl_work(ctx, ffcl_ceiling_fma_cost(rounds, n));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE(x), FFCL_FLOAT(times),
                      FFCL_FLOAT(plus), FFCL_INT(rounds), FFCL_INT(n));
}
