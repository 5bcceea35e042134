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

int ffcl_embed_label(ffcl_ctx *ctx, cl_mem out, cl_mem table, cl_mem y, size_t B, size_t D)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "embed", "embed_label_f32", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_embed_label_cost(B, D));
    return ffcl_launch_items(ctx, k, B * D, FFCL_BUF(out), FFCL_BUF(table), FFCL_BUF(y),
                             FFCL_I32(D), FFCL_I32(B * D));
}

int ffcl_silu(ffcl_ctx *ctx, cl_mem out, cl_mem c, size_t n, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "embed", "embed_silu", ffcl_store_option(store));
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_silu_cost(n, store));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(c), FFCL_I32(n));
}
