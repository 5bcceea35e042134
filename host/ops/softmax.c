/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* Quads of a row that an item keeps in registers; the kernel has a work-group a row. */
enum { KEEP_MOST = 16, FEWEST = 64 };

static size_t items_for(size_t n)
{
    size_t items = FEWEST;
    while (items * 4 * KEEP_MOST < n)
        items *= 2;
    return items;
}

int ffcl_softmax_fits(const ffcl_ctx *ctx, size_t n)
{
    return n % 4 == 0 && items_for(n) <= ctx->device.caps.max_work_group;
}

int ffcl_softmax(ffcl_ctx *ctx, cl_mem out, cl_mem in, double scale, size_t rows, size_t n)
{
    const double log2_e = 1.4426950408889634;
    size_t local = items_for(n), global = rows * local;
    const ffcl_kernel *k;
    char options[32];
    snprintf(options, sizeof options, "-DKEEP=%zu", ffcl_div_up(n / 4, local));
    int rc = ffcl_kernel_get(ctx, &k, "softmax", "softmax_rows", options);
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_softmax_cost(rows, n));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(in), FFCL_I32(n),
                       FFCL_F32(scale * log2_e), FFCL_LOCAL(local * sizeof(float)));
}
