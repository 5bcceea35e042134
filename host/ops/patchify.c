/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"

int ffcl_patchify(ffcl_ctx *ctx, cl_mem rows, cl_mem z, size_t B, size_t C, size_t R, size_t p)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "patchify", "patchify_f32", "");
    if (rc)
        return rc;
    size_t n = B * C * R * R;
    ffcl_work(ctx, ffcl_patchify_cost(B, C, R));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(rows), FFCL_BUF(z), FFCL_I32(C), FFCL_I32(R),
                             FFCL_I32(p), FFCL_I32(n));
}

int ffcl_unpatchify(ffcl_ctx *ctx, cl_mem out, cl_mem rows, size_t B, size_t C, size_t Cout,
                    size_t R, size_t p)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "patchify", "unpatchify_f32", "");
    if (rc)
        return rc;
    size_t n = B * C * R * R;
    ffcl_work(ctx, ffcl_patchify_cost(B, C, R));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(rows), FFCL_I32(C), FFCL_I32(Cout),
                             FFCL_I32(R), FFCL_I32(p), FFCL_I32(n));
}
