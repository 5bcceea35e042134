/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"

int ffcl_image_bytes(ffcl_ctx *ctx, cl_mem bytes, cl_mem bad, size_t bad_at, cl_mem x, int rule,
                     size_t B, size_t each)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "image", "image_bytes_f32", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_image_bytes_cost(B * each));
    return ffcl_launch_items(ctx, k, B * each, FFCL_BUF(bytes), FFCL_BUF(bad), FFCL_I32(bad_at),
                             FFCL_BUF(x), FFCL_I32(rule), FFCL_I32(each), FFCL_I32(B * each));
}
