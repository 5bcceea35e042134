/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

void ffcl_latent_update(ffcl_ctx *ctx, const ffcl_latent_update_desc *d)
{
    const size_t n = ffcl_count(&d->x);
    const int terms = (d->y ? 1 : 0) | (d->F ? 2 : 0) | (d->noise ? 4 : 0);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "latent", "latent_update_f32", "");
    ffcl_work(ctx, ffcl_latent_update_cost(n, !!d->y + !!d->F + !!d->noise));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(&d->out), FFCL_BUF(&d->bad), FFCL_DENSE(&d->x),
                      FFCL_FLOAT(d->cx), FFCL_DENSE(d->y ? d->y : &d->x), FFCL_FLOAT(d->cy),
                      FFCL_DENSE(d->F ? d->F : &d->x), FFCL_FLOAT(d->cF),
                      FFCL_DENSE(d->noise ? d->noise : &d->x), FFCL_FLOAT(d->cn), FFCL_INT(terms),
                      FFCL_INT(d->x.stride), FFCL_INT(n));
}

void ffcl_latent_guide(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *F, float scale,
                       size_t guided)
{
    const size_t n = ffcl_count(out);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "latent", "latent_guide_f32", "");
    ffcl_work(ctx, ffcl_latent_guide_cost(n));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_DENSE(F), FFCL_FLOAT(scale),
                      FFCL_INT(guided), FFCL_INT(out->rows), FFCL_INT(out->cols), FFCL_INT(n));
}

void ffcl_latent_affine(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x,
                        const ffcl_tensor *table)
{
    const size_t n = ffcl_count(x);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "latent", "latent_affine_f32", "");
    ffcl_work(ctx, ffcl_latent_affine_cost(n));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(out), FFCL_BUF(x), FFCL_INT(x->at), FFCL_DENSE(table),
                      FFCL_INT(x->rows), FFCL_INT(x->cols), FFCL_INT(n));
}

/* Of cl/latent_conv_row.cl: outputs of a vector, the most taps and channels. */
enum { WIDE = 16, MOST_TAPS = 512 };

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
    const int by_rows = ffcl_is_cpu(ctx) && N % WIDE == 0 &&
                        conv->side * conv->side * conv->in <= MOST_TAPS;
    char options[64];
    snprintf(options, sizeof options, "-DPIXELS=%zu -DVEC=%zu %s", pixels, vec,
             ffcl_dtype_option(out->dtype));
    if (by_rows)
        snprintf(options, sizeof options, "-DVW=16 %s", ffcl_dtype_option(out->dtype));
    const ffcl_kernel *k = by_rows
        ? ffcl_kernel_get(ctx, "latent_conv_row", "latent_conv_row", options)
        : ffcl_kernel_get(ctx, "latent_conv", "latent_conv", options);
    size_t local[2] = {ffcl_local_size(ctx, k, by_rows ? 8 : 128), 1};
    size_t global[2] = {ffcl_round_up(N / vec, local[0]), ffcl_div_up(M, pixels)};
    if (by_rows) {
        global[0] = ffcl_round_up(M, local[0]);
        global[1] = 1;
    }
    ffcl_work(ctx, ffcl_latent_conv_cost(out, point, conv));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(out), FFCL_BUF(latent), FFCL_INT(latent->at),
                FFCL_FLOAT(factor), FFCL_BUF(&p->weight[0]), FFCL_BUF(&p->bias),
                FFCL_INT(point != NULL), FFCL_BUF(&conv->weight[0]), FFCL_BUF(&conv->bias),
                FFCL_INT(conv->in), FFCL_INT(latent->width), FFCL_INT(conv->side), FFCL_INT(N),
                FFCL_INT(M));
}
