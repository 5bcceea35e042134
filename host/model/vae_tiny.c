/* SPDX-License-Identifier: MIT
 * The decoder of AutoencoderTiny (diffusers; TAESD, Bohan 2023, taesd.py): convolutions and ReLU
 * alone.  It reads latents as the generator makes them, not divided by the scale of the autoencoder
 * that it imitates. */
#include <stdio.h>

#include "model/vae_weights.h"
#include "util.h"

/* C channels for each pixel of x, whose side becomes scale times as long. */
static ffcl_tensor take(const ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *x, size_t scale,
                        size_t C)
{
    return ffcl_take(ctx, ffcl_image_of(vae->dtype, x->batch, scale * x->rows / x->width,
                                        scale * x->width, C));
}

/* x becomes y. */
static void replace(ffcl_ctx *ctx, ffcl_tensor *x, ffcl_tensor y)
{
    ffcl_give(ctx, x);
    *x = y;
}

/* w * x (+ add), with w's activation before add. */
static ffcl_tensor convolve(const ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *x,
                            const ffcl_conv_weight *w, const ffcl_tensor *add)
{
    ffcl_tensor y = take(vae, ctx, x, w->upsample ? 2 : 1, w->out);
    ffcl_conv(ctx, &(ffcl_conv_desc){.out = y, .x = *x, .w = w, .add = add});
    return y;
}

static void relu(ffcl_ctx *ctx, const ffcl_tensor *x)
{
    ffcl_pointwise(ctx, x, x, FFCL_RULE_RELU, 1);
}

/* x becomes relu(conv3(relu(conv2(relu(conv1(x))))) + skip(x)). */
static void block(const ffcl_vae *vae, ffcl_ctx *ctx, ffcl_tensor *x, const ffcl_tiny_block *b)
{
    ffcl_tensor h = convolve(vae, ctx, x, &b->conv[0], NULL);       /* (B, P, C) */
    replace(ctx, &h, convolve(vae, ctx, &h, &b->conv[1], NULL));    /* (B, P, C) */
    if (b->skip.out)
        replace(ctx, x, convolve(vae, ctx, x, &b->skip, NULL));     /* (B, P, C) */
    replace(ctx, x, convolve(vae, ctx, &h, &b->conv[2], x));        /* (B, P, C) */
    relu(ctx, x);
    ffcl_give(ctx, &h);
}

static void decode(const ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *out,
                   const ffcl_tensor *latent, float factor, const ffcl_tap *tap)
{
    ffcl_tensor held = ffcl_take(ctx, *latent);
    ffcl_tensor x = ffcl_take(ctx, ffcl_image_of(vae->dtype, latent->batch, latent->width,
                                                 latent->width, vae->conv_in.out));
    ffcl_pointwise(ctx, &held, latent, FFCL_RULE_TANH, factor);     /* (B, zc, R*R) */
    ffcl_latent_conv(ctx, &x, &held, 1, NULL, &vae->conv_in);       /* (B, R*R, C) */
    relu(ctx, &x);
    ffcl_give(ctx, &held);
    ffcl_vae_see(vae, tap, ctx, &x, "act.conv_in");
    for (size_t i = 0; i < vae->d.levels; i++) {
        const ffcl_tiny_stage *s = &vae->stages[i];
        char name[32];
        for (size_t j = 0; j < s->n; j++)
            block(vae, ctx, &x, &s->blocks[j]);                     /* (B, P, C) */
        if (s->upsample.out)
            replace(ctx, &x, convolve(vae, ctx, &x, &s->upsample, NULL));   /* (B, 4*P, C) */
        snprintf(name, sizeof name, "act.up%zu", i);
        ffcl_vae_see(vae, tap, ctx, &x, name);
    }
    ffcl_conv(ctx, &(ffcl_conv_desc){.out = *out, .x = x, .w = &vae->conv_out});    /* (B, P, 3) */
    ffcl_pointwise(ctx, out, out, FFCL_RULE_COLOURS, 1);
    ffcl_give(ctx, &x);
}

static size_t largest_activation(const ffcl_vae *vae, size_t R)
{
    size_t side = R, largest = R * R * vae->conv_in.out;
    for (size_t i = 0; i < vae->d.levels; i++) {
        const ffcl_tiny_stage *s = &vae->stages[i];
        for (size_t j = 0; j < s->n; j++)
            largest = ffcl_max(largest, side * side * s->blocks[j].conv[0].out);
        if (s->upsample.out) {
            side *= 2;
            largest = ffcl_max(largest, side * side * s->upsample.out);
        }
    }
    return largest;
}

const ffcl_vae_kind ffcl_vae_tiny = {
    .name = "AutoencoderTiny", .activations = {"relu"}, .rename = ffcl_vae_tiny_rename,
    .derive = ffcl_vae_tiny_derive, .table = ffcl_vae_tiny_table,
    .largest_activation = largest_activation, .decode = decode};
