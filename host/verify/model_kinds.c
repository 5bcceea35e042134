/* SPDX-License-Identifier: MIT
 * Recordings of the models: SiT, VAE, and the whole step. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample/engine.h"
#include "util.h"
#include "verify/verify.h"

/* Relative L2 against float64 runs: PyTorch's own float32 is at 3e-7 and 2e-6. */
static const double sit_limit = 1e-5, vae_limit = 2e-5;
/* Half operands, float32 sums: PyTorch's fp16 autocast is at 6.6e-4 and 2.5e-3 on XL/2.  Guidance
 * amplifies the difference of a batch's two halves. */
static const double sit_half_limit = 2e-3, vae_half_limit = 6e-3;
static const double bytes_share = 0.999, bytes_half_share = 0.9;

static int is_half(const ffcl_engine *engine)
{
    return ffcl_engine_dtype(engine) == FFCL_F16;
}

static double sit_limit_of(const ffcl_engine *engine)
{
    return is_half(engine) ? sit_half_limit : sit_limit;
}

static double vae_limit_of(const ffcl_engine *engine)
{
    return is_half(engine) ? vae_half_limit : vae_limit;
}

static int has(const ffcl_verifier *v, const char *name)
{
    return ffcl_tensor_file_find(v->file, name) != NULL;
}

static int is_input(const char *name, const char *const *inputs)
{
    for (; *inputs; inputs++)
        if (strcmp(name, *inputs) == 0)
            return 1;
    return 0;
}

/* (B, P, C) to (B, C, P). */
static float *channels_first(const float *x, size_t B, size_t P, size_t C)
{
    float *out = malloc((B * P * C + 1) * sizeof *out);
    for (size_t b = 0; out && b < B; b++)
        for (size_t p = 0; p < P; p++)
            for (size_t c = 0; c < C; c++)
                out[(b * C + c) * P + p] = x[(b * P + p) * C + c];
    return out;
}

/* ---- taps: intermediate tensors are compared as they are made ------------------------------ */

typedef struct watcher {
    ffcl_verifier *v;
    double limit;
    char (*seen)[64];           /* names compared */
    size_t n_seen;
} watcher;

static int watch(void *user, ffcl_ctx *ctx, const char *name, const ffcl_tensor *t)
{
    watcher *w = user;
    const ffcl_tensor_info *info = ffcl_tensor_file_find(w->v->file, name);
    if (!info)
        return 0;
    const size_t n = ffcl_count(t);
    float *got = malloc(n * sizeof *got), *turned = NULL;
    char(*grown)[64] = realloc(w->seen, (w->n_seen + 1) * sizeof *grown);
    int rc = 0;
    if (grown)
        w->seen = grown;
    if (!got || !grown)
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s", name);
    if (rc == 0)
        rc = ffcl_buffer_read(ctx, t->mem, 0, got, n * sizeof *got);
    if (rc == 0 && t->width) {
        turned = channels_first(got, t->batch, t->rows, t->cols);
        if (!turned)
            rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s", name);
    }
    if (rc == 0) {
        snprintf(w->seen[w->n_seen++], sizeof *w->seen, "%s", name);
        rc = ffcl_verify_compare(w->v, info, turned ? turned : got, n, w->limit);
    }
    free(got);
    free(turned);
    return rc;
}

static int was_seen(const watcher *w, const char *name)
{
    for (size_t i = 0; i < w->n_seen; i++)
        if (strcmp(w->seen[i], name) == 0)
            return 1;
    return 0;
}

/* ---- inputs ------------------------------------------------------------------------------ */

/* Labels as int32, checked against the model's table (the null class included). */
static int read_labels(ffcl_verifier *v, const ffcl_sit_dims *d, size_t B, int32_t **out)
{
    int64_t *wide = NULL;
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, "y");
    int32_t *y = malloc((B + 1) * sizeof *y);
    int rc = y ? ffcl_verify_integers(v, "y", &wide)
               : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for y");
    if (rc == 0 && info->count != B)
        rc = ffcl_fail(v->err, FFCL_EFORMAT, "%s has %zu labels for %zu inputs",
                       ffcl_tensor_file_path(v->file), info->count, B);
    for (size_t i = 0; rc == 0 && i < B; i++) {
        if (wide[i] < 0 || (uint64_t)wide[i] >= d->rows)
            rc = ffcl_fail(v->err, FFCL_EWEIGHTS, "%s has label %lld, and the model 0 to %zu",
                           ffcl_tensor_file_path(v->file), (long long)wide[i], d->rows - 1);
        else
            y[i] = (int32_t)wide[i];
    }
    free(wide);
    *out = y;
    return rc;
}

/* scalars (embedders, B): times from t (NULL: 1), guidance from w (NULL: the configuration's). */
static float *fill_scalars(const ffcl_engine *engine, size_t B, const float *t, const float *w)
{
    size_t embedders = ffcl_engine_sit(engine)->embedders;
    float *scalars = malloc((embedders * B + 1) * sizeof *scalars);
    for (size_t k = 0; scalars && k < embedders; k++) {
        const ffcl_input_kind kind = ffcl_engine_condition(engine, k)->kind;
        const int is_time = kind == FFCL_INPUT_T || kind == FFCL_INPUT_DELTA;
        const float *from = kind == FFCL_INPUT_GUIDANCE ? w : is_time ? t : NULL;
        for (size_t i = 0; i < B; i++)
            scalars[k * B + i] = from ? from[i] : ffcl_engine_scalar(engine, k);
    }
    return scalars;
}

/* The shape of an input (B, C, R, R) against the model's. */
static int check_latents(ffcl_verifier *v, const char *name, size_t C, size_t R)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, name);
    char text[64];
    if (info->rank == 4 && info->count && info->shape[1] == C && info->shape[2] == info->shape[3] &&
        (R == 0 || info->shape[2] == R))
        return 0;
    return ffcl_fail(v->err, FFCL_EWEIGHTS,
                     "%s: %s is %s, and the model takes (N, %zu, %zu, %zu)",
                     ffcl_tensor_file_path(v->file), name,
                     ffcl_shape_text(text, sizeof text, info->shape, info->rank), C, R, R);
}

/* ---- SiT --------------------------------------------------------------------------------- */

static const char *const sit_inputs[] = {"x", "t", "y", NULL};

int ffcl_verify_is_sit(const ffcl_verifier *v)
{
    return has(v, "x") && has(v, "t") && has(v, "y");
}

static size_t recorded_heads(const ffcl_verifier *v)
{
    const char *text = ffcl_tensor_file_metadata(v->file, "num_heads");
    return text ? strtoull(text, NULL, 10) : 0;
}

/* forward_with_cfg of the published code: both halves share x and t, the second has the null
 * class; the first three channels are u + s (c - u) in both, the others each half's own.
 * F (2B, C, P) becomes that. */
static void guide(float *F, size_t B, size_t C, size_t P, float s)
{
    for (size_t b = 0; b < B; b++)
        for (size_t i = 0; i < ffcl_min(3, C) * P; i++) {
            float *c = &F[b * C * P + i], *u = &F[(B + b) * C * P + i];
            *c = *u = *u + s * (*c - *u);
        }
}

/* One out_cfg_S; done: the step whose inputs it doubles, t: its times (B). */
static int check_cfg(ffcl_verifier *v, ffcl_engine *engine, const ffcl_tensor_info *info,
                     const ffcl_step *done, const float *t)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    const size_t B = done->B;
    const size_t each = d->C * d->R * d->R;
    const float s = strtof(info->name + strlen("out_cfg_"), NULL);
    float *xx = malloc(2 * B * each * sizeof *xx), *F = malloc(2 * B * each * sizeof *F);
    float *tt = malloc(2 * B * sizeof *tt), *scalars = NULL;
    int32_t *yy = malloc(2 * B * sizeof *yy);
    int rc = 0;
    if (xx && F && tt && yy) {
        for (size_t h = 0; h < 2; h++) {
            memcpy(xx + h * B * each, done->z, B * each * sizeof *xx);
            memcpy(tt + h * B, t, B * sizeof *tt);
        }
        for (size_t i = 0; i < B; i++) {
            yy[i] = done->y[i];
            yy[B + i] = (int32_t)d->rows - 1;       /* the null class */
        }
        scalars = fill_scalars(engine, 2 * B, tt, NULL);
    }
    if (!scalars)
        rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
    ffcl_step step = {.B = 2 * B, .z = xx, .y = yy, .scalars = scalars, .F = F};
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0) {
        guide(F, B, d->C, d->R * d->R, s);
        rc = ffcl_verify_compare(v, info, F, 2 * B * each, sit_limit_of(engine));
    }
    free(xx);
    free(F);
    free(tt);
    free(yy);
    free(scalars);
    return rc;
}

/* The recordings that are outputs: out, out_cfg_S, act.*; done: the step that ran, t: its times. */
static int check_sit_outputs(ffcl_verifier *v, ffcl_engine *engine, const watcher *w,
                             const ffcl_step *done, const float *t)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        if (is_input(info->name, sit_inputs) || was_seen(w, info->name))
            continue;
        if (strcmp(info->name, "out") == 0)
            rc = ffcl_verify_compare(v, info, done->F, done->B * d->C * d->R * d->R,
                                     sit_limit_of(engine));
        else if (strncmp(info->name, "out_cfg_", 8) == 0)
            rc = check_cfg(v, engine, info, done, t);
        else
            ffcl_verify_unchecked(v, info->name, "not checked: the model has no such tensor", 0);
    }
    return rc;
}

int ffcl_verify_sit(ffcl_verifier *v)
{
    const size_t B = ffcl_tensor_file_find(v->file, "x")->shape[0];
    const ffcl_engine_wants wants = {.sit = 1, .batch = B, .count = B, .own_labels = 1,
                                     .own_scalars = 1, .heads_hint = recorded_heads(v)};
    watcher w = {.v = v};
    const ffcl_tap tap = {watch, &w};
    ffcl_engine *engine = NULL;
    float *x = NULL, *t = NULL, *F = NULL, *scalars = NULL;
    int32_t *y = NULL;
    int rc = ffcl_engine_open(&engine, v->cfg, &wants, v->obs, v->err);
    if (rc == 0)
        w.limit = sit_limit_of(engine);
    if (rc == 0)
        rc = check_latents(v, "x", ffcl_engine_sit(engine)->C, ffcl_engine_sit(engine)->R);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "x", &x);
    if (rc == 0 && ffcl_tensor_file_find(v->file, "t")->count != B)
        rc = ffcl_fail(v->err, FFCL_EFORMAT, "%s: t does not have one time for each of the %zu x",
                       ffcl_tensor_file_path(v->file), B);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "t", &t);
    if (rc == 0)
        rc = read_labels(v, ffcl_engine_sit(engine), B, &y);
    if (rc == 0) {
        F = malloc(ffcl_tensor_file_find(v->file, "x")->count * sizeof *F);
        scalars = fill_scalars(engine, B, t, NULL);
        if (!F || !scalars)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the outputs");
    }
    ffcl_step step = {.B = B, .z = x, .y = y, .scalars = scalars, .F = F, .tap = &tap};
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0)
        rc = check_sit_outputs(v, engine, &w, &step, t);
    ffcl_engine_close(&engine);
    free(w.seen);
    free(x);
    free(t);
    free(F);
    free(scalars);
    free(y);
    return rc;
}

/* ---- the whole step ---------------------------------------------------------------------- */

static const char *const sample_inputs[] = {"z", "y", "w", NULL};

int ffcl_verify_is_sample(const ffcl_verifier *v)
{
    return has(v, "z") && has(v, "y");
}

static int check_sample_outputs(ffcl_verifier *v, const ffcl_engine *engine, const ffcl_step *step,
                                size_t n, size_t pixels)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        const char *name = info->name;
        if (is_input(name, sample_inputs))
            continue;
        if (strcmp(name, "F") == 0) {
            rc = ffcl_verify_compare(v, info, step->F, n, sit_limit_of(engine));
        } else if (strcmp(name, "latent") == 0) {
            rc = ffcl_verify_compare(v, info, step->latent, n, sit_limit_of(engine));
        } else if (strcmp(name, "image") == 0) {
            float *turned = channels_first(step->image, step->B, pixels, 3);
            rc = turned ? ffcl_verify_compare(v, info, turned, step->B * pixels * 3,
                                              vae_limit_of(engine))
                        : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the images");
            free(turned);
        } else if (strcmp(name, "samples_u8") == 0) {
            rc = ffcl_verify_compare_bytes(v, info, step->bytes, step->B * pixels * 3,
                                           is_half(engine) ? bytes_half_share : bytes_share,
                                           is_half(engine) ? 3 : 1);
        } else if (strncmp(name, "teacher_", 8) == 0) {
            ffcl_verify_unchecked(v, name, "the teacher's, not part of the check", -1);
        } else {
            ffcl_verify_unchecked(v, name, "not checked: no known output", 0);
        }
    }
    return rc;
}

int ffcl_verify_sample(ffcl_verifier *v)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, "z");
    const size_t B = info->rank ? info->shape[0] : 0;
    ffcl_engine_wants wants = {.sit = 1, .vae = 1, .count = B, .own_labels = 1,
                               .heads_hint = recorded_heads(v)};
    ffcl_engine *engine = NULL;
    ffcl_step step = {.B = B};
    float *z = NULL, *w = NULL, *scalars = NULL;
    int32_t *y = NULL;
    size_t pixels = 0;
    int rc = 0;
    if (has(v, "w") && ffcl_tensor_file_find(v->file, "w")->count == B)
        rc = ffcl_verify_floats(v, "w", &w);
    /* With the configuration's scalars the pass is the sampler's own. */
    for (size_t i = 0; w && i < B; i++)
        wants.own_scalars |= w[i] != (float)v->cfg->sampler.guidance;
    if (rc == 0)
        rc = ffcl_engine_open(&engine, v->cfg, &wants, v->obs, v->err);
    if (rc == 0)
        rc = check_latents(v, "z", ffcl_engine_sit(engine)->C, ffcl_engine_sit(engine)->R);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "z", &z);
    if (rc == 0)
        rc = read_labels(v, ffcl_engine_sit(engine), B, &y);
    if (rc == 0) {
        size_t side = info->shape[2] * ffcl_engine_vae(engine)->upscale;
        pixels = side * side;
        scalars = wants.own_scalars ? fill_scalars(engine, B, NULL, w) : NULL;
        step.F = malloc(info->count * sizeof *step.F);
        step.latent = malloc(info->count * sizeof *step.latent);
        step.image = malloc(B * pixels * 3 * sizeof *step.image);
        step.bytes = malloc(B * pixels * 3);
        if (wants.own_scalars && !scalars)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the inputs");
        if (!step.F || !step.latent || !step.image || !step.bytes)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the outputs");
    }
    step.z = z;
    step.y = y;
    step.scalars = scalars;
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0)
        rc = check_sample_outputs(v, engine, &step, info->count, pixels);
    ffcl_engine_close(&engine);
    free(z);
    free(w);
    free(y);
    free(scalars);
    free(step.F);
    free(step.latent);
    free(step.image);
    free(step.bytes);
    return rc;
}

/* ---- VAE --------------------------------------------------------------------------------- */

int ffcl_verify_is_vae(const ffcl_verifier *v)
{
    return has(v, "z");
}

int ffcl_verify_vae(ffcl_verifier *v)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, "z");
    const size_t B = info->rank ? info->shape[0] : 0;
    const ffcl_engine_wants wants = {.vae = 1, .batch = B, .count = B};
    watcher w = {.v = v};
    const ffcl_tap tap = {watch, &w};
    ffcl_engine *engine = NULL;
    float *z = NULL, *image = NULL, *turned = NULL;
    size_t pixels = 0;
    int rc = ffcl_engine_open(&engine, v->cfg, &wants, v->obs, v->err);
    if (rc == 0)
        w.limit = vae_limit_of(engine);
    if (rc == 0)
        rc = check_latents(v, "z", ffcl_engine_vae(engine)->zc, 0);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "z", &z);
    if (rc == 0) {
        size_t side = info->shape[2] * ffcl_engine_vae(engine)->upscale;
        pixels = side * side;
        image = malloc(B * pixels * 3 * sizeof *image);
        if (!image)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the images");
    }
    ffcl_step step = {.B = B, .R = info->shape[2], .z = z, .image = image, .tap = &tap};
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0) {
        turned = channels_first(image, B, pixels, 3);
        if (!turned)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the images");
    }
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *t = ffcl_tensor_file_at(v->file, i);
        if (strcmp(t->name, "z") == 0 || was_seen(&w, t->name))
            continue;
        if (strcmp(t->name, "out") == 0)
            rc = ffcl_verify_compare(v, t, turned, B * pixels * 3, vae_limit_of(engine));
        else
            ffcl_verify_unchecked(v, t->name, "not checked: the model has no such tensor", 0);
    }
    ffcl_engine_close(&engine);
    free(w.seen);
    free(z);
    free(image);
    free(turned);
    return rc;
}
