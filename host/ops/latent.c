/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

void ffcl_latent_update(ffcl_ctx *ctx, const ffcl_tensor *latent, const ffcl_tensor *bad,
                        const ffcl_tensor *z, const ffcl_tensor *F, float sign)
{
    const size_t n = ffcl_count(z);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "latent", "latent_update_f32", "");
    ffcl_work(ctx, ffcl_latent_update_cost(n));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(latent), FFCL_BUF(bad), FFCL_DENSE(z), FFCL_DENSE(F),
                      FFCL_FLOAT(sign), FFCL_INT(z->stride), FFCL_INT(n));
}

/* Pixels of a work-item: more read the weights less often, where there is work for every unit. */
static size_t pixels_for(const ffcl_ctx *ctx, size_t M)
{
    return M >= 64 * (size_t)ctx->device.caps.units ? 16 : 8;
}

void ffcl_latent_conv(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *latent,
                      float factor, const ffcl_conv_weight *point, const ffcl_conv_weight *conv)
{
    const size_t N = conv->out, M = out->batch * out->rows;
    const size_t pixels = pixels_for(ctx, M), vec = N % 4 ? 1 : 4;
    const ffcl_conv_weight *p = point ? point : conv;
    char options[64];
    snprintf(options, sizeof options, "-DPIXELS=%zu -DVEC=%zu %s", pixels, vec,
             ffcl_dtype_option(out->dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "latent_conv", "latent_conv", options);
    size_t local[2] = {ffcl_local_size(ctx, k, 128), 1};
    size_t global[2] = {ffcl_round_up(N / vec, local[0]), ffcl_div_up(M, pixels)};
    ffcl_work(ctx, ffcl_latent_conv_cost(out, point, conv));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(out), FFCL_BUF(latent), FFCL_INT(latent->at),
                FFCL_FLOAT(factor), FFCL_BUF(&p->weight[0]), FFCL_BUF(&p->bias),
                FFCL_INT(point != NULL), FFCL_BUF(&conv->weight[0]), FFCL_BUF(&conv->bias),
                FFCL_INT(conv->in), FFCL_INT(latent->width), FFCL_INT(conv->side), FFCL_INT(N),
                FFCL_INT(M));
}
