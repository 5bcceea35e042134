/* SPDX-License-Identifier: MIT
 * What an Inception network has beside convolutions: its input, pools, means. */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

void ffcl_resize_bytes(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *bytes, int rule)
{
    const size_t H = ffcl_height(bytes), W = bytes->width, R = out->width;
    const size_t n = out->batch * out->rows;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "resize", "resize_bytes",
                                           ffcl_dtype_option(out->dtype));
    ffcl_work(ctx, ffcl_resize_cost(out, bytes));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE(bytes), FFCL_INT(H), FFCL_INT(W),
                      FFCL_INT(R), FFCL_FLOAT((float)H / (float)R), FFCL_FLOAT((float)W / (float)R),
                      FFCL_INT(rule), FFCL_INT(n));
}

size_t ffcl_pool_extent(ffcl_pool pool, size_t n)
{
    return pool == FFCL_POOL_MAX_HALVES ? (n - 3) / 2 + 1 : n;
}

void ffcl_pool_3x3(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, ffcl_pool pool)
{
    const int halves = pool == FFCL_POOL_MAX_HALVES, by_rows = ffcl_is_cpu(ctx);
    const size_t n = by_rows ? out->batch * out->rows : ffcl_count(out);
    char options[48];
    snprintf(options, sizeof options, "-DVW=%zu %s", ffcl_vector(x->cols),
             ffcl_dtype_option(x->dtype));
    const ffcl_kernel *k = by_rows ? ffcl_kernel_get(ctx, "pool_row", "pool_3x3_row", options)
                                   : ffcl_kernel_get(ctx, "pool", "pool_3x3",
                                                     ffcl_dtype_option(x->dtype));
    ffcl_work(ctx, ffcl_pool_cost(out, x));
    ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_INT(out->at), FFCL_INT(out->ld),
                      FFCL_DENSE(x), FFCL_INT(ffcl_height(x)), FFCL_INT(x->width),
                      FFCL_INT(x->cols), FFCL_INT(ffcl_height(out)), FFCL_INT(out->width),
                      FFCL_INT(halves ? 2 : 1), FFCL_INT(!halves), FFCL_INT(pool == FFCL_POOL_MEAN),
                      FFCL_INT(n));
}

void ffcl_mean_pixels(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = x->batch * x->cols;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "pool", "mean_pixels",
                                           ffcl_dtype_option(x->dtype));
    ffcl_work(ctx, ffcl_each_cost(ffcl_count(x), 1.0, ffcl_each_bytes(x)));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE(x), FFCL_INT(x->rows),
                      FFCL_INT(x->cols), FFCL_INT(n));
}

void ffcl_take_columns(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = ffcl_count(out);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "pool", "take_columns",
                                           ffcl_dtype_option(x->dtype));
    ffcl_work(ctx, ffcl_each_cost(n, 0.0, 4.0 + ffcl_each_bytes(x)));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_BUF(x), FFCL_INT(x->at), FFCL_INT(x->ld),
                      FFCL_INT(out->cols), FFCL_INT(n));
}
