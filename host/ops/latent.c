/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"

int ffcl_latent_update(ffcl_ctx *ctx, cl_mem latent, cl_mem z, cl_mem F, float sign, size_t n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "latent", "latent_update_f32", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_latent_update_cost(n));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(latent), FFCL_BUF(z), FFCL_BUF(F),
                             FFCL_F32(sign), FFCL_I32(n));
}

int ffcl_latent_to_pixels(ffcl_ctx *ctx, cl_mem out, cl_mem latent, size_t first, float factor,
                          size_t B, size_t C, size_t P)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "latent", "latent_to_pixels_f32", "");
    if (rc)
        return rc;
    size_t n = B * C * P;
    ffcl_work(ctx, ffcl_latent_to_pixels_cost(n));
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(latent), FFCL_I32(first * C * P),
                             FFCL_F32(factor), FFCL_I32(C), FFCL_I32(P), FFCL_I32(n));
}
