/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/choices.h"
#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

static size_t head_size(const ffcl_qk_norm_desc *d)
{
    return d->qkv.cols / 3 / d->heads;
}

/* NORM of cl/qk_norm.cl. */
static int norm_option(const ffcl_qk_norm_desc *d)
{
    return d->norm == FFCL_NORM_LAYER ? 2 : d->norm == FFCL_NORM_RMS ? 1 : 0;
}

/* Columns of a work-item of "group". */
static size_t columns(size_t Dh)
{
    return Dh % 8 == 0 ? 8 : Dh % 2 == 0 ? 2 : 1;
}

/* Both kernels take the same arguments; those that are absent are any buffer.  local_bytes 0: none
 * of local memory. */
static void launch(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_qk_norm_desc *d, size_t n,
                   size_t global, size_t local, size_t local_bytes)
{
    const ffcl_tensor *const other = &d->qkv;
    const ffcl_arg args[] = {FFCL_DENSE(&d->qkv), FFCL_BUF(d->weight.cols ? &d->weight : other),
                             FFCL_BUF(d->bias.cols ? &d->bias : other),
                             FFCL_BUF(d->rope.cols ? &d->rope : other), FFCL_INT(d->qkv.rows),
                             FFCL_INT(d->heads), FFCL_FLOAT(d->eps), FFCL_INT(n),
                             FFCL_LOCAL(local_bytes)};
    ffcl_work_shape(ctx, ffcl_qk_norm_cost(d), "%zux%zux%zux%zu", d->qkv.batch, d->qkv.rows,
                    d->heads, head_size(d));
    ffcl_launch_args(ctx, k, 1, &global, &local, args,
                     sizeof args / sizeof *args - (local_bytes == 0));
}

static int row_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx, (void)desc;
    return 1;
}

static void row_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_qk_norm_desc *d = desc;
    const size_t Dh = head_size(d), n = 2 * d->qkv.batch * d->qkv.rows;
    char options[96];
    snprintf(options, sizeof options, "-DDH=%zu -DVW=%zu -DNORM=%d -DROPE=%d %s", Dh,
             ffcl_vector(Dh), norm_option(d), d->rope.cols != 0, ffcl_dtype_option(d->qkv.dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "qk_norm_row", "qk_norm_row", options);
    const size_t local = ffcl_local_size(ctx, k, 8);
    launch(ctx, k, d, n, ffcl_round_up(n, local), local, 0);
}

/* Is there a work-item for each piece of a head? */
static int group_can(const ffcl_ctx *ctx, const void *desc)
{
    const size_t Dh = head_size(desc);
    return Dh / columns(Dh) <= ffcl_min(ctx->device.caps.max_work_group, 256);
}

static void group_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_qk_norm_desc *d = desc;
    const size_t Dh = head_size(d), n = 2 * d->qkv.batch * d->qkv.rows * d->heads;
    const size_t pieces = Dh / columns(Dh), most = ffcl_min(ctx->device.caps.max_work_group, 256);
    const size_t heads = ffcl_max(ffcl_min(most, 128) / pieces, 1);
    char options[96];
    snprintf(options, sizeof options, "-DDH=%zu -DV=%zu -DHEADS=%zu -DNORM=%d -DROPE=%d %s", Dh,
             columns(Dh), heads, norm_option(d), d->rope.cols != 0,
             ffcl_dtype_option(d->qkv.dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "qk_norm", "qk_norm", options);
    const size_t local = heads * pieces;
    launch(ctx, k, d, n, ffcl_div_up(n, heads) * local, local, local * sizeof(float));
}

static ffcl_cost cost(const void *desc)
{
    return ffcl_qk_norm_cost(desc);
}

static const ffcl_variant variants[] = {
    {"row", "on CPUs: a work-item has the heads of q, or of k, of a token", row_can, NULL, cost,
     row_run},
    {"group", "on GPUs: work-items keep eight columns each, and share a head by local memory",
     group_can, ffcl_on_gpu, cost, group_run},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_qk_norm_desc *d = desc;
    ffcl_sizes_tensor(s, &d->qkv);
    ffcl_sizes_tensor(s, &d->weight);
    ffcl_sizes_tensor(s, &d->bias);
    ffcl_sizes_tensor(s, &d->rope);
    ffcl_sizes_add(s, d->heads);
    ffcl_sizes_add(s, d->norm);
}

const ffcl_operation ffcl_qk_norm_operation = {FFCL_OP_QK_NORM, "qk_norm", variants,
                                               sizeof variants / sizeof *variants, sizes};

void ffcl_qk_norm(ffcl_ctx *ctx, const ffcl_qk_norm_desc *desc)
{
    ffcl_dispatch(ctx, &ffcl_qk_norm_operation, desc);
}
