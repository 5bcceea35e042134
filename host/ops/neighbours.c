/* SPDX-License-Identifier: MIT
 * Nearest neighbours among features, and who lies within whose reach. */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* A work-group a row; local memory makes devices with small work-groups take small ones. */
static const ffcl_kernel *kernel(ffcl_ctx *ctx, const char *name, size_t *items)
{
    char options[32];
    *items = 64;
    while (*items > ctx->device.caps.max_work_group && *items > 1)
        *items /= 2;
    snprintf(options, sizeof options, "-DITEMS=%zu", *items);
    return ffcl_kernel_get(ctx, "neighbours", name, options);
}

void ffcl_nearest(ffcl_ctx *ctx, const ffcl_nearest_desc *d)
{
    size_t items;
    const ffcl_kernel *k = kernel(ctx, "nearest_f32", &items);
    const size_t local[2] = {items, 1}, global[2] = {items, d->dot.rows};
    ffcl_work(ctx, ffcl_each_cost(ffcl_count(&d->dot), 4.0, 4.0));
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(&d->nearest), FFCL_BUF(&d->which),
                FFCL_INT(d->row0), FFCL_BUF(&d->dot), FFCL_INT(d->dot.ld), FFCL_BUF(&d->aa),
                FFCL_INT(d->aa.at), FFCL_BUF(&d->bb), FFCL_INT(d->dot.cols), FFCL_INT(d->col0));
}

void ffcl_inside(ffcl_ctx *ctx, const ffcl_inside_desc *d)
{
    size_t items;
    const ffcl_kernel *k = kernel(ctx, "inside_f32", &items);
    const size_t local[2] = {items, 1}, global[2] = {items, d->dot.rows};
    ffcl_work(ctx, ffcl_each_cost(ffcl_count(&d->dot), 5.0, 4.0));
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(&d->in_row), FFCL_INT(d->row0),
                FFCL_BUF(&d->in_col), FFCL_INT(d->col0), FFCL_BUF(&d->of_row),
                FFCL_BUF(&d->of_col), FFCL_BUF(&d->dot), FFCL_INT(d->dot.ld), FFCL_BUF(&d->aa),
                FFCL_INT(d->aa.at), FFCL_BUF(&d->bb), FFCL_INT(d->dot.cols));
}

void ffcl_squared_lengths(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    size_t items;
    const ffcl_kernel *k = kernel(ctx, "squared_lengths", &items);
    const size_t local[2] = {items, 1}, global[2] = {items, x->rows};
    ffcl_work(ctx, ffcl_each_cost(ffcl_count(x), 2.0, 4.0));
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(out), FFCL_DENSE(x), FFCL_INT(x->cols));
}
