/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "cl/launch.h"
#include "ops/cost.h"

void ffcl_cast(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = ffcl_count(x);
    assert(ffcl_count(out) == n && out->dtype != x->dtype && x->at == 0);
    ffcl_work(ctx, ffcl_cast_cost(n));
    if (out->dtype == FFCL_F32) {
        const ffcl_kernel *k = ffcl_kernel_get(ctx, "cast", "cast_to_float", "");
        ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_DENSE(x), FFCL_INT(n));
    } else {
        const ffcl_kernel *k = ffcl_kernel_get(ctx, "cast", "cast_to_half", "");
        ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_DENSE(x), FFCL_INT(out->at), FFCL_INT(n));
    }
}

void ffcl_cast_to_tiles(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, size_t first)
{
    const size_t n = ffcl_count(x), each = x->cols % 8 ? 1 : 8;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "cast", each == 8 ? "cast_to_pieces"
                                                                  : "cast_to_tiles", "");
    ffcl_work(ctx, ffcl_cast_cost(n));
    ffcl_launch_items(ctx, k, n / each, FFCL_BUF(out), FFCL_DENSE(x), FFCL_INT(first),
                      FFCL_INT(x->cols), FFCL_INT(n / each));
}
