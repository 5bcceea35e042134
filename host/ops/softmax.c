/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/choices.h"
#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

#define LOG2_E 1.4426950408889634

/* Quads of a row that a work-item of "group" keeps in registers; the fewest work-items of a row. */
enum { KEEP_MOST = 16, FEWEST = 64 };

static int row_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_softmax_desc *d = desc;
    (void)ctx;
    return d->out.dtype == FFCL_F32;
}

static void row_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_softmax_desc *d = desc;
    const size_t rows = d->x.batch * d->x.rows, n = d->x.cols;
    char options[16];
    snprintf(options, sizeof options, "-DVW=%zu", ffcl_vector(n));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "softmax_row", "softmax_row", options);
    size_t local = ffcl_local_size(ctx, k, 16), global = ffcl_round_up(rows, local);
    ffcl_work(ctx, ffcl_softmax_cost(d));
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_DENSE(&d->x), FFCL_INT(rows), FFCL_INT(n),
                FFCL_FLOAT(d->scale * LOG2_E));
}

static size_t items_for(size_t n)
{
    size_t items = FEWEST;
    while (items * 4 * KEEP_MOST < n)
        items *= 2;
    return items;
}

static int group_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_softmax_desc *d = desc;
    return d->x.cols % 4 == 0 && items_for(d->x.cols) <= ctx->device.caps.max_work_group;
}

static void group_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_softmax_desc *d = desc;
    const size_t rows = d->x.batch * d->x.rows, n = d->x.cols;
    size_t local = items_for(n), global = rows * local;
    char options[32];
    snprintf(options, sizeof options, "-DKEEP=%zu %s", ffcl_div_up(n / 4, local),
             ffcl_dtype_option(d->out.dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "softmax", "softmax_group", options);
    ffcl_work(ctx, ffcl_softmax_cost(d));
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_DENSE(&d->out), FFCL_DENSE(&d->x), FFCL_INT(n),
                FFCL_FLOAT(d->scale * LOG2_E), FFCL_LOCAL(local * sizeof(float)));
}

static int group_pays(const ffcl_ctx *ctx, const void *desc)
{
    return ((const ffcl_softmax_desc *)desc)->out.dtype == FFCL_F16 || !ffcl_is_cpu(ctx);
}

static ffcl_cost cost(const void *desc)
{
    return ffcl_softmax_cost(desc);
}

static const ffcl_variant variants[] = {
    {"row", "on CPUs, where a work-item has a row: float32, in place", row_can, NULL, cost,
     row_run},
    {"group", "on GPUs, where a work-group keeps a row in registers; to half on any device",
     group_can, group_pays, cost, group_run},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_softmax_desc *d = desc;
    ffcl_sizes_tensor(s, &d->out);
    ffcl_sizes_tensor(s, &d->x);
}

const ffcl_operation ffcl_softmax_operation = {FFCL_OP_SOFTMAX, "softmax", variants,
                                               sizeof variants / sizeof *variants, sizes};

void ffcl_softmax(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, double scale)
{
    ffcl_dispatch(ctx, &ffcl_softmax_operation, &(ffcl_softmax_desc){*out, *x, scale});
}
