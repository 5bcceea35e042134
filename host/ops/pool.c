/* SPDX-License-Identifier: MIT
 * What an Inception network has beside convolutions: its input, pools, means. */
#include <stdio.h>

#include "cl/choices.h"
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
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE_AT(bytes), FFCL_INT(H), FFCL_INT(W),
                      FFCL_INT(R), FFCL_FLOAT((float)H / (float)R), FFCL_FLOAT((float)W / (float)R),
                      FFCL_INT(rule), FFCL_INT(n));
}

size_t ffcl_pool_extent(ffcl_pool pool, size_t n)
{
    return pool == FFCL_POOL_MAX_HALVES ? (n - 3) / 2 + 1 : n;
}

static int can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx, (void)desc;
    return 1;
}

/* Both kernels take the same arguments: n work-items. */
static void launch(ffcl_ctx *ctx, const ffcl_pool_desc *d, const ffcl_kernel *k, size_t n)
{
    const int halves = d->pool == FFCL_POOL_MAX_HALVES;
    ffcl_work(ctx, ffcl_pool_cost(&d->out, &d->x));
    ffcl_launch_items(ctx, k, n, FFCL_BUF(&d->out), FFCL_INT(d->out.at), FFCL_INT(d->out.ld),
                      FFCL_DENSE(&d->x), FFCL_INT(ffcl_height(&d->x)), FFCL_INT(d->x.width),
                      FFCL_INT(d->x.cols), FFCL_INT(ffcl_height(&d->out)), FFCL_INT(d->out.width),
                      FFCL_INT(halves ? 2 : 1), FFCL_INT(!halves),
                      FFCL_INT(d->pool == FFCL_POOL_MEAN), FFCL_INT(n));
}

static void element_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_pool_desc *d = desc;
    launch(ctx, d, ffcl_kernel_get(ctx, "pool", "pool_3x3", ffcl_dtype_option(d->x.dtype)),
           ffcl_count(&d->out));
}

static int eights_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_pool_desc *d = desc;
    (void)ctx;
    return d->x.cols % 8 == 0 && d->out.at % 8 == 0 && d->out.ld % 8 == 0;
}

static void eights_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_pool_desc *d = desc;
    launch(ctx, d, ffcl_kernel_get(ctx, "pool", "pool_3x3_eights", ffcl_dtype_option(d->x.dtype)),
           ffcl_count(&d->out) / 8);
}

static void row_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_pool_desc *d = desc;
    char options[48];
    snprintf(options, sizeof options, "-DVW=%zu %s", ffcl_vector(d->x.cols),
             ffcl_dtype_option(d->x.dtype));
    launch(ctx, d, ffcl_kernel_get(ctx, "pool_row", "pool_3x3_row", options),
           d->out.batch * d->out.rows);
}

static ffcl_cost cost(const void *desc)
{
    const ffcl_pool_desc *d = desc;
    return ffcl_pool_cost(&d->out, &d->x);
}

static const ffcl_variant variants[] = {
    {"element", "on GPUs: a work-item has a result", can, NULL, cost, element_run},
    {"eights", "on GPUs, channels in whole eights: a work-item has eight", eights_can, NULL, cost,
     eights_run},
    {"row", "on CPUs: a work-item has a pixel, channels in vectors", can, ffcl_on_cpu, cost,
     row_run},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_pool_desc *d = desc;
    ffcl_sizes_tensor(s, &d->out);
    ffcl_sizes_tensor(s, &d->x);
    ffcl_sizes_add(s, d->pool);
}

const ffcl_operation ffcl_pool_operation = {FFCL_OP_POOL, "pool", variants,
                                            sizeof variants / sizeof *variants, sizes};

void ffcl_pool_3x3(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, ffcl_pool pool)
{
    ffcl_dispatch(ctx, &ffcl_pool_operation, &(ffcl_pool_desc){*out, *x, pool});
}

void ffcl_mean_pixels(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = x->batch * x->cols;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "pool", "mean_pixels",
                                           ffcl_dtype_option(x->dtype));
    ffcl_work(ctx, ffcl_each_cost(ffcl_count(x), 1.0, ffcl_each_bytes(x)));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE_AT(out), FFCL_DENSE(x), FFCL_INT(x->rows),
                      FFCL_INT(x->cols), FFCL_INT(n));
}

void ffcl_take_columns(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t n = ffcl_count(out);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "pool", "take_columns",
                                           ffcl_dtype_option(x->dtype));
    ffcl_work(ctx, ffcl_each_cost(n, 0.0, 4.0 + ffcl_each_bytes(x)));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE_AT(out), FFCL_BUF(x), FFCL_INT(x->at),
                      FFCL_INT(x->ld), FFCL_INT(out->cols), FFCL_INT(n));
}
