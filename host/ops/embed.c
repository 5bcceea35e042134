/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"

int ffcl_embed_scalar(ffcl_ctx *ctx, cl_mem out, cl_mem t, size_t B)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "embed", "embed_scalar_f32", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_embed_scalar_cost(B));
    return ffcl_launch_items(ctx, k, B * 256, FFCL_BUF(out), FFCL_BUF(t), FFCL_I32(B * 256));
}

int ffcl_embed_condition(ffcl_ctx *ctx, cl_mem out, cl_mem table, cl_mem y, cl_mem sum, size_t rows,
                         size_t B, size_t D, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "embed", "embed_condition", ffcl_store_option(store));
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_embed_condition_cost(B, D, rows, store));
    return ffcl_launch_items(ctx, k, B * D, FFCL_BUF(out), FFCL_BUF(table), FFCL_BUF(y),
                             FFCL_BUF(rows ? sum : table), FFCL_I32(rows), FFCL_I32(D),
                             FFCL_I32(B * D));
}
