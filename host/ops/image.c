/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"

void ffcl_image_bytes(ffcl_ctx *ctx, const ffcl_tensor *bytes, const ffcl_tensor *bad,
                      const ffcl_tensor *x, int rule)
{
    const size_t n = ffcl_count(x);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "image", "image_bytes_f32", "");
    ffcl_work(ctx, ffcl_image_bytes_cost(n));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(bytes), FFCL_BUF(bad), FFCL_INT(bad->at), FFCL_DENSE(x),
                      FFCL_INT(rule), FFCL_INT(x->stride), FFCL_INT(n));
}

void ffcl_image_channels_last(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = ffcl_count(out);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "image", "image_channels_last_f32", "");
    ffcl_work(ctx, ffcl_image_channels_last_cost(n));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_BUF(x), FFCL_INT(x->at), FFCL_INT(out->cols),
                      FFCL_INT(out->rows), FFCL_INT(n));
}
