/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

int ffcl_image_bytes(ffcl_ctx *ctx, cl_mem bytes, cl_mem x, int rule, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "image", "image_bytes_f32", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_image_bytes_cost(n));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(bytes), FFCL_BUF(x), FFCL_I32(rule), FFCL_I32(n));
}

int ffcl_image_finite(ffcl_ctx *ctx, cl_mem bad, cl_mem x, size_t B, size_t each)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "image", "image_finite_f32", "");
    if (rc)
        return rc;
    size_t local[2] = {ffcl_local_size(ctx, k, 256), 1};
    size_t parts = ffcl_min(ffcl_div_up(each, local[0] * 16), 64);
    size_t global[2] = {local[0] * ffcl_max(parts, 1), B};
    ffcl_work(ctx, ffcl_image_finite_cost(B, each));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(bad), FFCL_BUF(x), FFCL_I32(each));
}
