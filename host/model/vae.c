/* SPDX-License-Identifier: MIT */
#include "model/vae.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gemm.h"
#include "model/vae_weights.h"
#include "util.h"

static const float norm_eps = 1e-6f;

/* The text of a file of at most 1 MB, or NULL where it cannot be read. */
static char *read_text(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = f ? calloc(1, (1u << 20) + 1) : NULL;
    if (text && fread(text, 1, 1u << 20, f) == 0) {
        free(text);
        text = NULL;
    }
    if (f)
        fclose(f);
    return text;
}

/* config.json of the weights at path: NAME.config.json, else config.json in the same folder. */
static char *find_config(const char *path, char **text)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path);
    char *own = ffcl_format("%.*s.config.json", (int)stem, path);
    *text = own ? read_text(own) : NULL;
    if (*text)
        return own;
    free(own);
    char *dir = ffcl_path_dir(path);
    char *shared = dir ? ffcl_path_join(dir, "config.json") : NULL;
    *text = shared ? read_text(shared) : NULL;
    free(dir);
    return shared;
}

/* LDM counts its up blocks from the picture, so their number is needed to rename them. */
static size_t count_ldm_levels(const char *path, ffcl_error *err, int *rc)
{
    ffcl_tensor_file *file = NULL;
    size_t levels = 0, i;
    *rc = ffcl_tensor_file_open(&file, path, err);
    for (size_t k = 0; *rc == 0 && k < ffcl_tensor_file_count(file); k++) {
        const char *up = strstr(ffcl_tensor_file_at(file, k)->name, "decoder.up.");
        if (up && sscanf(up, "decoder.up.%zu.", &i) == 1)
            levels = ffcl_max(levels, i + 1);
    }
    ffcl_tensor_file_close(&file);
    return levels;
}

int ffcl_vae_open(ffcl_vae **out, const char *path, ffcl_error *err)
{
    *out = NULL;
    char *config_path = NULL, *config_text = NULL;
    ffcl_vae *vae = calloc(1, sizeof *vae);
    if (!vae)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    int rc = 0;
    size_t levels = count_ldm_levels(path, err, &rc);
    if (rc == 0)
        rc = ffcl_weights_open(&vae->weights, path, ffcl_vae_rename, &levels, err);
    if (rc == 0) {
        config_path = find_config(path, &config_text);
        rc = ffcl_vae_derive(vae, config_path ? config_path : path, config_text, err);
    }
    if (rc == 0)
        rc = ffcl_vae_table(vae, err);
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
    for (size_t i = 0; v->up && i < v->d.levels; i++)
        free(v->up[i].resnets);
    free(v->up);
    ffcl_weights_close(&v->weights);
    free(v);
    *vae = NULL;
}

const ffcl_vae_dims *ffcl_vae_dims_of(const ffcl_vae *vae)
{
    return &vae->d;
}

int ffcl_vae_prepare(ffcl_vae *vae, ffcl_ctx *ctx, ffcl_store store)
{
    vae->store = store;
    vae->winograd = store == FFCL_STORE_FLOAT && ffcl_winograd_fits(ctx);
    vae->nmajor = store == FFCL_STORE_FLOAT && ffcl_gemm_takes_nmajor(ctx);
    return ffcl_vae_table(vae, ctx->err);
}

size_t ffcl_vae_bytes(const ffcl_vae *vae)
{
    return ffcl_weights_bytes(&vae->weights);
}

size_t ffcl_vae_largest_weight(const ffcl_vae *vae)
{
    return ffcl_weights_largest(&vae->weights);
}

int ffcl_vae_load(ffcl_vae *vae, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    return ffcl_weights_load(&vae->weights, ctx, done, total);
}

size_t ffcl_vae_largest(const ffcl_vae *vae, size_t R)
{
    size_t largest = 0, side = R;
    for (size_t i = 0; i < vae->d.levels; i++) {
        const ffcl_vae_level *level = &vae->up[i];
        size_t width = ffcl_max(level->resnets[0].conv1.in, level->resnets[0].conv1.out);
        largest = ffcl_max(largest, side * side * width);
        if (level->upsample.out) {
            side *= 2;
            largest = ffcl_max(largest, side * side * level->upsample.out);
        }
    }
    return ffcl_max(largest, R * R * vae->d.mid * 3);
}

/* A picture on its way: buf (B, P, C) with P = Hh * Ww, and its moments where there are any. */
typedef struct feature {
    ffcl_buf buf, sums;
    size_t Hh, Ww, C, chunks;
} feature;

static int take_feature(ffcl_ctx *ctx, feature *f, size_t B, size_t Hh, size_t Ww, size_t C,
                        ffcl_store store)
{
    *f = (feature){.Hh = Hh, .Ww = Ww, .C = C};
    return ffcl_take_stored(ctx, &f->buf, B * Hh * Ww * C, store);
}

static void give_feature(ffcl_ctx *ctx, feature *f)
{
    ffcl_give(ctx, &f->sums);
    ffcl_give(ctx, &f->buf);
}

static int norm(ffcl_vae *vae, ffcl_ctx *ctx, cl_mem out, const feature *x, const ffcl_vae_norm *n,
                size_t B, int with_silu)
{
    const ffcl_moments moments = {x->sums.mem, x->chunks};
    return ffcl_groupnorm(ctx, out, x->buf.mem, &moments, n->gamma.mem, n->beta.mem, B,
                          x->Hh * x->Ww, n->C, vae->d.groups, norm_eps, with_silu, vae->store);
}

/* y = w * x (+ add) in the kernel that also leaves y's moments for the norm that follows. */
static int halo_conv(ffcl_vae *vae, ffcl_ctx *ctx, feature *y, const feature *x,
                     const ffcl_conv_weight *w, size_t B, const feature *add)
{
    const size_t G = vae->d.groups;
    int rc = 0;
    y->chunks = ffcl_halo_conv_chunks(w, x->Hh, x->Ww, G);
    if (y->chunks)
        rc = ffcl_take(ctx, &y->sums, B * G * y->chunks * 2);
    const ffcl_halo halo = {.has_add = add != NULL, .add = add ? add->buf.mem : NULL,
                            .groups = y->chunks ? G : 0, .moments = y->sums.mem};
    return rc ? rc : ffcl_halo_conv(ctx, y->buf.mem, x->buf.mem, w, B, x->Hh, x->Ww, &halo);
}

/* The same in the way that suits device and sizes, the moments left out where another kernel runs;
 * takes y. */
static int convolve(ffcl_vae *vae, ffcl_ctx *ctx, feature *y, const feature *x,
                    const ffcl_conv_weight *w, size_t B, const feature *add)
{
    const size_t scale = w->kind == FFCL_CONV_UPSAMPLE || w->kind == FFCL_CONV_WINOGRAD_UPSAMPLE
                             ? 2 : 1;
    int rc = take_feature(ctx, y, B, scale * x->Hh, scale * x->Ww, w->out, vae->store);
    if (rc)
        return rc;
    if (ffcl_halo_conv_fits(ctx, w, B, x->Hh, x->Ww))
        return halo_conv(vae, ctx, y, x, w, B, add);
    return ffcl_conv(ctx, y->buf.mem, x->buf.mem, w, B, x->Hh, x->Ww, add != NULL,
                     add ? add->buf.mem : NULL);
}

/* h = SiLU(GN(x)); takes h. */
static int normed(ffcl_vae *vae, ffcl_ctx *ctx, feature *h, const feature *x,
                  const ffcl_vae_norm *n, size_t B)
{
    int rc = take_feature(ctx, h, B, x->Hh, x->Ww, x->C, vae->store);
    return rc ? rc : norm(vae, ctx, h->buf.mem, x, n, B, 1);
}

/* x becomes shortcut(x) + conv2(SiLU(GN(conv1(SiLU(GN(x)))))). */
static int resnet(ffcl_vae *vae, ffcl_ctx *ctx, feature *x, const ffcl_vae_resnet *r, size_t B)
{
    feature h = {0}, t = {0}, h2 = {0}, s = {0}, y = {0};
    int rc = normed(vae, ctx, &h, x, &r->norm1, B);
    if (rc == 0)
        rc = convolve(vae, ctx, &t, &h, &r->conv1, B, NULL);
    give_feature(ctx, &h);
    if (rc == 0)
        rc = normed(vae, ctx, &h2, &t, &r->norm2, B);
    give_feature(ctx, &t);
    if (rc == 0 && r->shortcut.out) {
        rc = convolve(vae, ctx, &s, x, &r->shortcut, B, NULL);
        give_feature(ctx, x);
        *x = s;
    }
    if (rc == 0)
        rc = convolve(vae, ctx, &y, &h2, &r->conv2, B, x);
    give_feature(ctx, &h2);
    give_feature(ctx, x);
    *x = y;
    return rc;
}

/* out (M, N) = a (M, C) w + b (+ add). */
static int linear(ffcl_ctx *ctx, ffcl_store store, cl_mem out, cl_mem a, const ffcl_weight *w,
                  const ffcl_weight *b, size_t M, size_t N, size_t C, int has_add, cl_mem add)
{
    const int half = store == FFCL_STORE_HALF;
    ffcl_product p = {.m = M, .n = N, .k = C, .a = a, .a_ld = C, .w = w->mem,
                      .w_ld = w->nmajor ? C : N, .w_nmajor = w->nmajor, .out = out, .out_ld = N,
                      .epilogue = {.has_bias = 1, .bias = b->mem, .has_add = has_add, .add = add,
                                   .add_ld = N, .add_rows = M},
                      .half = half, .out_half = half};
    return ffcl_gemm(ctx, &p);
}

/* x becomes x + proj(attention(GN(x))), one head of C channels over all pixels. */
static int attention(ffcl_vae *vae, ffcl_ctx *ctx, feature *x, size_t B)
{
    const size_t T = x->Hh * x->Ww, C = x->C, M = B * T;
    ffcl_buf h = {0}, qkv = {0};
    feature y = {0};
    int rc = ffcl_take_stored(ctx, &h, M * C, vae->store);
    if (rc == 0)
        rc = norm(vae, ctx, h.mem, x, &vae->attention_norm, B, 0);
    if (rc == 0)
        rc = ffcl_take_stored(ctx, &qkv, M * 3 * C, vae->store);
    if (rc == 0)
        rc = linear(ctx, vae->store, qkv.mem, h.mem, &vae->qkv_w, &vae->qkv_b, M, 3 * C, C, 0,
                    NULL);
    if (rc == 0)
        rc = ffcl_attention(ctx, h.mem, qkv.mem, B, T, 1, C, vae->store, FFCL_ATTENTION_AUTO);
    ffcl_give(ctx, &qkv);
    if (rc == 0)
        rc = take_feature(ctx, &y, B, x->Hh, x->Ww, C, vae->store);
    if (rc == 0)
        rc = linear(ctx, vae->store, y.buf.mem, h.mem, &vae->proj_w, &vae->proj_b, M, C, C, 1,
                    x->buf.mem);
    ffcl_give(ctx, &h);
    give_feature(ctx, x);
    *x = y;
    return rc;
}

/* x becomes conv3x3(nearest upsample by 2 of x). */
static int upsample(ffcl_vae *vae, ffcl_ctx *ctx, feature *x, const ffcl_conv_weight *w, size_t B)
{
    feature y = {0};
    int rc = convolve(vae, ctx, &y, x, w, B, NULL);
    give_feature(ctx, x);
    *x = y;
    return rc;
}

static int see(const ffcl_vae *vae, const ffcl_tap *tap, ffcl_ctx *ctx, const feature *x, size_t B,
               const char *name)
{
    if (tap && vae->store == FFCL_STORE_HALF) {
        ffcl_buf wide = {0};
        size_t n = B * x->Hh * x->Ww * x->C;
        int rc = ffcl_take(ctx, &wide, n);
        if (rc == 0)
            rc = ffcl_cast_to_float(ctx, wide.mem, x->buf.mem, n);
        if (rc == 0)
            rc = ffcl_tap_see(tap, ctx, wide.mem, B, n / B, x->Hh * x->Ww, "%s", name);
        ffcl_give(ctx, &wide);
        return rc;
    }
    return ffcl_tap_see(tap, ctx, x->buf.mem, B, x->Hh * x->Ww * x->C, x->Hh * x->Ww, "%s", name);
}

/* x (B, R, R, mid): the latents, scaled, through post_quant_conv, where there is one, and conv_in;
 * takes x. */
static int enter(ffcl_vae *vae, ffcl_ctx *ctx, feature *x, cl_mem latent, size_t first,
                 float factor, size_t B, size_t R)
{
    const ffcl_conv_weight *point = vae->post_quant.out ? &vae->post_quant : NULL;
    int rc = take_feature(ctx, x, B, R, R, vae->d.mid, vae->store);
    return rc ? rc : ffcl_latent_conv(ctx, x->buf.mem, latent, first, factor, point, &vae->conv_in,
                                      B, R, vae->store);
}

static int middle(ffcl_vae *vae, ffcl_ctx *ctx, feature *x, size_t B)
{
    int rc = resnet(vae, ctx, x, &vae->mid[0], B);
    if (rc == 0 && vae->has_attention)
        rc = attention(vae, ctx, x, B);
    return rc ? rc : resnet(vae, ctx, x, &vae->mid[1], B);
}

int ffcl_vae_decode(ffcl_vae *vae, ffcl_ctx *ctx, cl_mem out, cl_mem latent, size_t first,
                    float factor, size_t B, size_t R, const ffcl_tap *tap)
{
    feature x = {0}, h = {0};
    char name[32];
    ctx->pictures = B;
    int rc = enter(vae, ctx, &x, latent, first, factor, B, R);
    if (rc == 0)
        rc = see(vae, tap, ctx, &x, B, "act.conv_in");
    if (rc == 0)
        rc = middle(vae, ctx, &x, B);
    if (rc == 0)
        rc = see(vae, tap, ctx, &x, B, "act.mid");
    for (size_t i = 0; rc == 0 && i < vae->d.levels; i++) {
        for (size_t j = 0; rc == 0 && j < vae->d.layers; j++)
            rc = resnet(vae, ctx, &x, &vae->up[i].resnets[j], B);
        if (rc == 0 && vae->up[i].upsample.out)
            rc = upsample(vae, ctx, &x, &vae->up[i].upsample, B);
        snprintf(name, sizeof name, "act.up%zu", i);
        if (rc == 0)
            rc = see(vae, tap, ctx, &x, B, name);
    }
    if (rc == 0)
        rc = take_feature(ctx, &h, B, x.Hh, x.Ww, x.C, vae->store);
    if (rc == 0)
        rc = norm(vae, ctx, h.buf.mem, &x, &vae->norm_out, B, 1);
    if (rc == 0)
        rc = ffcl_conv(ctx, out, h.buf.mem, &vae->conv_out, B, x.Hh, x.Ww, 0, NULL);
    give_feature(ctx, &h);
    give_feature(ctx, &x);
    return rc;
}
