/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

int ffcl_latent_update(ffcl_ctx *ctx, cl_mem latent, cl_mem bad, cl_mem z, cl_mem F, float sign,
                       size_t B, size_t each)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "latent", "latent_update_f32", "");
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_latent_update_cost(B * each));
    return ffcl_launch_items(ctx, k, B * each, FFCL_BUF(latent), FFCL_BUF(bad), FFCL_BUF(z),
                             FFCL_BUF(F), FFCL_F32(sign), FFCL_I32(each), FFCL_I32(B * each));
}

/* Pixels of an item: more read the weights less often, where there is work for every unit. */
static size_t pixels_for(const ffcl_ctx *ctx, size_t M)
{
    return M >= 64 * (size_t)ctx->device.caps.units ? 16 : 8;
}

int ffcl_latent_conv(ffcl_ctx *ctx, cl_mem out, cl_mem latent, size_t first, float factor,
                     const ffcl_conv_weight *point, const ffcl_conv_weight *conv, size_t B,
                     size_t R, ffcl_store store)
{
    const size_t C = conv->in, N = conv->out, M = B * R * R, pixels = pixels_for(ctx, M);
    const size_t vec = N % 4 ? 1 : 4;
    const ffcl_conv_weight *p = point ? point : conv;
    const ffcl_kernel *k;
    char options[64];
    snprintf(options, sizeof options, "-DPIXELS=%zu -DVEC=%zu %s", pixels, vec,
             ffcl_store_option(store));
    int rc = ffcl_kernel_get(ctx, &k, "latent_conv", "latent_conv", options);
    if (rc)
        return rc;
    size_t local[2] = {ffcl_local_size(ctx, k, 128), 1};
    size_t global[2] = {ffcl_round_up(N / vec, local[0]), ffcl_div_up(M, pixels)};
    ffcl_work(ctx, ffcl_latent_conv_cost(point, conv, B, R, store));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(out), FFCL_BUF(latent),
                       FFCL_I32(first * C * R * R), FFCL_F32(factor), FFCL_BUF(p->weight[0]),
                       FFCL_BUF(p->bias), FFCL_I32(point != NULL), FFCL_BUF(conv->weight[0]),
                       FFCL_BUF(conv->bias), FFCL_I32(C), FFCL_I32(R), FFCL_I32(conv->side),
                       FFCL_I32(N), FFCL_I32(M));
}
