/* SPDX-License-Identifier: MIT */
#include "model/vae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/vae_weights.h"
#include "ops/ops.h"
#include "model/weights_map.h"
#include "util.h"

static const float norm_eps = 1e-6f;

static size_t largest_activation(const ffcl_vae *vae, size_t R);
static void decode(const ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *out,
                   const ffcl_tensor *latent, float factor, const ffcl_tap *tap);

static const ffcl_vae_kind autoencoder_kl = {
    .name = "AutoencoderKL", .activations = {"silu", "swish"}, .rename = ffcl_vae_rename,
    .derive = ffcl_vae_derive, .table = ffcl_vae_table, .largest_activation = largest_activation,
    .decode = decode};

/* The kind, by names.  LDM numbers its up blocks from the image backwards; to rename them one must
 * know how many there are. */
static int look(ffcl_vae *vae, const char *path, const char *wrapper, size_t *levels,
                ffcl_error *err)
{
    ffcl_tensor_file *file = NULL;
    size_t i;
    int rc = ffcl_tensor_file_open_as(&file, path, wrapper, 1, err);
    vae->kind = &autoencoder_kl;
    for (size_t k = 0; rc == 0 && k < ffcl_tensor_file_count(file); k++) {
        const char *name = ffcl_tensor_file_at(file, k)->name;
        const char *up = strstr(name, "decoder.up.");
        if (up && sscanf(up, "decoder.up.%zu.", &i) == 1)
            *levels = ffcl_max(*levels, i + 1);
        if (ffcl_vae_is_tiny(name))
            vae->kind = &ffcl_vae_tiny;
    }
    vae->is_ldm = *levels > 0;
    ffcl_tensor_file_close(&file);
    return rc;
}

int ffcl_vae_open(ffcl_vae **out, const char *path, const ffcl_vae_options *options,
                  ffcl_error *err)
{
    *out = NULL;
    char *config_path = NULL, *config_text = NULL;
    ffcl_vae *vae = calloc(1, sizeof *vae);
    if (!vae)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    size_t levels = 0;
    int rc = look(vae, path, options->wrapper, &levels, err);
    if (rc == 0)
        rc = ffcl_weights_open(&vae->weights, path, options->wrapper, 1, vae->kind->rename,
                               &levels, err);
    if (rc == 0)
        rc = ffcl_vae_find_config(path, &config_path, &config_text, err);
    if (rc == 0)
        rc = vae->kind->derive(vae, options, config_path, config_text, err);
    if (rc == 0)
        rc = vae->kind->table(vae, NULL, err);
    if (rc)
        ffcl_vae_close(&vae);
    *out = vae;
    free(config_path);
    free(config_text);
    return rc;
}

void ffcl_vae_close(ffcl_vae **vae)
{
    ffcl_vae *v = *vae;
    if (!v)
        return;
    for (size_t i = 0; i < v->weights.n_rows; i++) {
        if (v->weights.rows[i].to)
            ffcl_weight_release(v->weights.rows[i].to);
        if (v->weights.rows[i].conv)
            ffcl_conv_release(v->weights.rows[i].conv);
    }
    for (size_t i = 0; v->up && i < v->d.levels; i++) {
        free(v->up[i].resnets);
        free(v->up[i].attentions);
    }
    for (size_t i = 0; v->stages && i < v->d.levels; i++)
        free(v->stages[i].blocks);
    free(v->up);
    free(v->stages);
    free(v->d.mean);
    free(v->d.std);
    ffcl_weights_close(&v->weights);
    free(v);
    *vae = NULL;
}

const ffcl_vae_dims *ffcl_vae_dims_of(const ffcl_vae *vae)
{
    return &vae->d;
}

int ffcl_vae_prepare(ffcl_vae *vae, ffcl_ctx *ctx, ffcl_dtype dtype)
{
    vae->dtype = dtype;
    vae->layout = dtype == FFCL_F32 && ffcl_gemm_takes_columns(ctx) ? FFCL_COLUMNS : FFCL_ROWS;
    return vae->kind->table(vae, ctx, ctx->err);
}

size_t ffcl_vae_bytes(const ffcl_vae *vae)
{
    return ffcl_weights_bytes(&vae->weights);
}

size_t ffcl_vae_mapped_bytes(const ffcl_vae *vae, const ffcl_ctx *ctx)
{
    return ffcl_weights_mapped_bytes(&vae->weights, ctx);
}

size_t ffcl_vae_largest_bytes(const ffcl_vae *vae)
{
    return ffcl_weights_largest_bytes(&vae->weights);
}

int ffcl_vae_load(ffcl_vae *vae, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    return ffcl_weights_load(&vae->weights, ctx, done, total);
}

size_t ffcl_vae_largest_activation(const ffcl_vae *vae, size_t R)
{
    return vae->kind->largest_activation(vae, R);
}

void ffcl_vae_decode(ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *out,
                     const ffcl_tensor *latent, float factor, const ffcl_tap *tap)
{
    vae->kind->decode(vae, ctx, out, latent, factor, tap);
}

void ffcl_vae_see(const ffcl_vae *vae, const ffcl_tap *tap, ffcl_ctx *ctx, const ffcl_tensor *x,
                  const char *name)
{
    if (!tap || vae->dtype == FFCL_F32) {
        ffcl_tap_see(tap, ctx, x, "%s", name);
        return;
    }
    ffcl_tensor floats = *x;
    floats.dtype = FFCL_F32;
    floats = ffcl_take(ctx, floats);
    ffcl_cast(ctx, &floats, x);
    ffcl_tap_see(tap, ctx, &floats, "%s", name);
    ffcl_give(ctx, &floats);
}

/* ---- AutoencoderKL ----------------------------------------------------------------------- */

static size_t largest_activation(const ffcl_vae *vae, size_t R)
{
    size_t largest = 0, side = R;
    for (size_t i = 0; i < vae->d.levels; i++) {
        const ffcl_vae_level *level = &vae->up[i];
        size_t width = ffcl_max(level->resnets[0].conv1.in, level->resnets[0].conv1.out);
        for (size_t j = 0; j < vae->d.layers; j++)
            width = ffcl_max(width, level->attentions[j].qkv.w.cols);
        largest = ffcl_max(largest, side * side * width);
        if (level->upsample.out) {
            side *= 2;
            largest = ffcl_max(largest, side * side * level->upsample.out);
        }
    }
    return ffcl_max(largest, R * R * vae->d.mid * 3);
}

/* An image between two layers: t (B, P, C), and its moments for the norm that follows, where the
 * convolution left them (else moments.batch is 0). */
typedef struct feature {
    ffcl_tensor t, moments;
} feature;

/* An image of C channels, scaled from another. */
static ffcl_tensor image(const ffcl_vae *vae, const ffcl_tensor *like, size_t scale, size_t C)
{
    return ffcl_image_of(vae->dtype, like->batch, scale * like->rows / like->width,
                         scale * like->width, C);
}

static feature take(ffcl_ctx *ctx, const ffcl_vae *vae, const ffcl_tensor *like, size_t scale,
                    size_t C)
{
    return (feature){.t = ffcl_take(ctx, image(vae, like, scale, C))};
}

static void give(ffcl_ctx *ctx, feature *f)
{
    ffcl_give(ctx, &f->moments);
    ffcl_give(ctx, &f->t);
}

/* x becomes y. */
static void replace(ffcl_ctx *ctx, feature *x, feature y)
{
    give(ctx, x);
    *x = y;
}

static ffcl_groupnorm_desc norm_of(const ffcl_vae *vae, const feature *x, const ffcl_vae_norm *n,
                                   ffcl_act act)
{
    return (ffcl_groupnorm_desc){.x = x->t, .gamma = n->gamma, .beta = n->beta,
                                 .moments = x->moments.batch ? &x->moments : NULL,
                                 .groups = vae->d.groups, .eps = norm_eps, .act = act};
}

/* act(GN(x)), (B, P, C). */
static feature norm(const ffcl_vae *vae, ffcl_ctx *ctx, const feature *x, const ffcl_vae_norm *n,
                    ffcl_act act)
{
    feature h = take(ctx, vae, &x->t, 1, x->t.cols);
    ffcl_groupnorm_desc desc = norm_of(vae, x, n, act);
    desc.out = h.t;
    ffcl_groupnorm(ctx, &desc);
    return h;
}

/* Can w * SiLU(GN(x)) be computed at once? */
static int takes_norm(const ffcl_vae *vae, const ffcl_ctx *ctx, const feature *x,
                      const ffcl_conv_weight *w)
{
    ffcl_tensor moments = {.rows = vae->d.groups};
    return ffcl_conv_takes_norm(ctx, &(ffcl_conv_desc){
        .out = image(vae, &x->t, 1, w->out), .x = x->t, .w = w, .moments = &moments});
}

/* w * x (+ add), add (B, P, Cout) or NULL; with n w * SiLU(GN(x)). */
static feature convolve(const ffcl_vae *vae, ffcl_ctx *ctx, const feature *x,
                        const ffcl_conv_weight *w, const ffcl_tensor *add, const ffcl_vae_norm *n)
{
    feature y = take(ctx, vae, &x->t, w->upsample ? 2 : 1, w->out);
    ffcl_groupnorm_desc desc = {0};
    if (n)
        desc = norm_of(vae, x, n, FFCL_ACT_SILU);
    y.moments.rows = vae->d.groups;
    ffcl_conv(ctx, &(ffcl_conv_desc){y.t, x->t, w, add, &y.moments, n ? &desc : NULL});
    return y;
}

/* w * SiLU(GN(x)), (B, P, Cout). */
static feature norm_convolve(const ffcl_vae *vae, ffcl_ctx *ctx, const feature *x,
                             const ffcl_vae_norm *n, const ffcl_conv_weight *w)
{
    if (takes_norm(vae, ctx, x, w))
        return convolve(vae, ctx, x, w, NULL, n);
    feature h = norm(vae, ctx, x, n, FFCL_ACT_SILU);
    replace(ctx, &h, convolve(vae, ctx, &h, w, NULL, NULL));
    return h;
}

/* x becomes SiLU(GN(x)), NULL; or stays, where w's convolution computes the norm, and that is n. */
static const ffcl_vae_norm *norm_before(const ffcl_vae *vae, ffcl_ctx *ctx, feature *x,
                                        const ffcl_vae_norm *n, const ffcl_conv_weight *w)
{
    if (takes_norm(vae, ctx, x, w))
        return n;
    replace(ctx, x, norm(vae, ctx, x, n, FFCL_ACT_SILU));
    return NULL;
}

/* x becomes shortcut(x) + conv2(SiLU(GN(conv1(SiLU(GN(x)))))). */
static void resnet(const ffcl_vae *vae, ffcl_ctx *ctx, feature *x, const ffcl_vae_resnet *r)
{
    feature h = norm_convolve(vae, ctx, x, &r->norm1, &r->conv1);               /* (B, P, C) */
    const ffcl_vae_norm *norm2 = norm_before(vae, ctx, &h, &r->norm2, &r->conv2);
    if (r->shortcut.out)
        replace(ctx, x, convolve(vae, ctx, x, &r->shortcut, NULL, NULL));       /* (B, P, C) */
    replace(ctx, x, convolve(vae, ctx, &h, &r->conv2, &x->t, norm2));           /* (B, P, C) */
    give(ctx, &h);
}

static void linear(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *a,
                   const ffcl_linear *l, const ffcl_tensor *add)
{
    ffcl_gemm(ctx, &(ffcl_matmul){.out = *out, .a = *a, .w = l->w, .bias = &l->b, .add = add});
}

/* x becomes x + proj(attention(GN(x))), one head of C channels over all pixels. */
static void attention(const ffcl_vae *vae, ffcl_ctx *ctx, feature *x, const ffcl_vae_attention *a)
{
    const size_t B = x->t.batch, P = x->t.rows, C = x->t.cols;
    feature h = norm(vae, ctx, x, &a->norm, FFCL_ACT_NONE);     /* (B, P, C) */
    ffcl_tensor qkv = ffcl_take(ctx, ffcl_tensor_of(vae->dtype, B, P, 3 * C));
    linear(ctx, &qkv, &h.t, &a->qkv, NULL);                               /* (B, P, 3*C) */
    ffcl_attention(ctx, &h.t, &qkv, 1);                                     /* (B, P, C) */
    ffcl_give(ctx, &qkv);
    feature y = take(ctx, vae, &x->t, 1, C);
    linear(ctx, &y.t, &h.t, &a->proj, &x->t);                             /* (B, P, C) */
    give(ctx, &h);
    replace(ctx, x, y);
}

static void decode(const ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *out,
                   const ffcl_tensor *latent, float factor, const ffcl_tap *tap)
{
    const ffcl_conv_weight *point = vae->post_quant.out ? &vae->post_quant : NULL;
    char name[32];
    feature x = {.t = ffcl_take(ctx, ffcl_image_of(vae->dtype, latent->batch, latent->width,
                                                   latent->width, vae->d.mid))};
    ffcl_latent_conv(ctx, &x.t, latent, factor, point, &vae->conv_in);      /* (B, R*R, mid) */
    ffcl_vae_see(vae, tap, ctx, &x.t, "act.conv_in");
    resnet(vae, ctx, &x, &vae->mid[0]);
    if (vae->is_attentive)
        attention(vae, ctx, &x, &vae->attention);
    resnet(vae, ctx, &x, &vae->mid[1]);                                     /* (B, R*R, mid) */
    ffcl_vae_see(vae, tap, ctx, &x.t, "act.mid");
    for (size_t i = 0; i < vae->d.levels; i++) {
        const ffcl_vae_level *level = &vae->up[i];
        for (size_t j = 0; j < vae->d.layers; j++) {
            resnet(vae, ctx, &x, &level->resnets[j]);                       /* (B, P, C) */
            if (level->attentions[j].qkv.w.cols)
                attention(vae, ctx, &x, &level->attentions[j]);             /* (B, P, C) */
        }
        if (level->upsample.out)
            replace(ctx, &x,                                                /* (B, 4*P, C) */
                    convolve(vae, ctx, &x, &level->upsample, NULL, NULL));
        /* Recordings have the file's own numbers, and LDM counts from the image. */
        snprintf(name, sizeof name, "act.up%zu", vae->is_ldm ? vae->d.levels - 1 - i : i);
        ffcl_vae_see(vae, tap, ctx, &x.t, name);
    }
    feature h = norm(vae, ctx, &x, &vae->norm_out, FFCL_ACT_SILU);          /* (B, P, C) */
    ffcl_conv(ctx, &(ffcl_conv_desc){.out = *out, .x = h.t, .w = &vae->conv_out});
    give(ctx, &h);
    give(ctx, &x);
}
