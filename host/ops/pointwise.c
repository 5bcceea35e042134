/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "cl/launch.h"
#include "ops/cost.h"

void ffcl_pointwise(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, ffcl_rule rule,
                    float factor)
{
    const size_t n = ffcl_count(out);
    assert(ffcl_count(x) == n && out->dtype == x->dtype && out->at == 0);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "pointwise", "pointwise",
                                           ffcl_dtype_option(out->dtype));
    ffcl_work(ctx, ffcl_pointwise_cost(out));
    ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_DENSE(x), FFCL_INT(rule),
                      FFCL_FLOAT(factor), FFCL_INT(n));
}
