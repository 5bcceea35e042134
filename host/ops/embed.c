/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"

void ffcl_embed_scalar(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *t)
{
    const size_t n = ffcl_count(out);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "embed", "embed_scalar_f32", "");
    ffcl_work(ctx, ffcl_embed_scalar_cost(out->batch));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE(t), FFCL_INT(n));
}

void ffcl_embed_condition(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *table,
                          const ffcl_tensor *y, const ffcl_tensor *sum)
{
    const size_t n = ffcl_count(out);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "embed", "embed_condition",
                                           ffcl_dtype_option(out->dtype));
    ffcl_work(ctx, ffcl_embed_condition_cost(out, sum));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE(table), FFCL_DENSE(y),
                      FFCL_BUF(sum ? sum : table), FFCL_INT(sum ? sum->at : 0),
                      FFCL_INT(sum ? sum->batch : 0), FFCL_INT(out->cols), FFCL_INT(n));
}
