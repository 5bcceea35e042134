/* SPDX-License-Identifier: MIT
 * Recordings of the models: SiT, VAE, and the whole step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_presets.h"
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

int ffcl_verify_labels(ffcl_verifier *v, const ffcl_sit_dims *d, size_t B, int32_t **out)
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

/* Scalars that a recording has of each image, as the published functions take them; NULL: it has
 * none. */
typedef struct scalars {
    float *t, *r, *s, *h, *w, *omega, *t_min, *t_max;
} scalars;

static int read_scalars(ffcl_verifier *v, size_t B, scalars *out)
{
    const char *const names[] = {"t", "r", "s", "h", "w", "omega", "t_min", "t_max"};
    float **const to[] = {&out->t, &out->r, &out->s,     &out->h,
                          &out->w, &out->omega, &out->t_min, &out->t_max};
    int rc = 0;
    *out = (scalars){.t = NULL};
    for (size_t i = 0; rc == 0 && i < sizeof names / sizeof *names; i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, names[i]);
        if (info && info->count != B)
            rc = ffcl_fail(v->err, FFCL_EFORMAT, "%s: %s does not have one value for each of the "
                           "%zu x", ffcl_tensor_file_path(v->file), names[i], B);
        else if (info)
            rc = ffcl_verify_floats(v, names[i], to[i]);
    }
    return rc;
}

static void free_scalars(scalars *s)
{
    free(s->t);
    free(s->r);
    free(s->s);
    free(s->h);
    free(s->w);
    free(s->omega);
    free(s->t_min);
    free(s->t_max);
}

/* What input i of an image is fed with: as recorded, or as cfg has it. */
static float scalar_of(const ffcl_engine *engine, const ffcl_condition *c, ffcl_input_kind kind,
                       const scalars *s, size_t i)
{
    const float *end = s->r ? s->r : s->s;
    const ffcl_moment first = {.t = ffcl_engine_config(engine)->model.noise_time, .delta = 1,
                               .r = 1 - ffcl_engine_config(engine)->model.noise_time};
    if (kind == FFCL_INPUT_T && s->t)
        return s->t[i];
    if ((kind == FFCL_INPUT_R || kind == FFCL_INPUT_GOAL) && end)
        return end[i];
    if (kind == FFCL_INPUT_DELTA && s->h)
        return s->h[i];
    if (kind == FFCL_INPUT_DELTA && s->t && end)
        return s->t[i] > end[i] ? s->t[i] - end[i] : end[i] - s->t[i];
    if (kind == FFCL_INPUT_DELTA && s->t)
        return s->t[i];
    if (kind == FFCL_INPUT_GUIDANCE && s->w)
        return s->w[i];
    if (kind == FFCL_INPUT_OMEGA && s->omega)
        return (float)(1.0 - 1.0 / (double)s->omega[i]);
    if (kind == FFCL_INPUT_T_MIN && s->t_min)
        return s->t_min[i];
    if (kind == FFCL_INPUT_T_MAX && s->t_max)
        return s->t_max[i];
    return (float)ffcl_schedule_input(ffcl_engine_config(engine), &first, kind, c->number);
}

/* (inputs, B); image i has the scalars of image i mod of. */
static float *fill_scalars(const ffcl_engine *engine, size_t B, size_t of, const scalars *s)
{
    const size_t n = ffcl_engine_sit(engine)->embedders;
    const size_t all = ffcl_engine_sit(engine)->split == SIZE_MAX ? n : 2 * n;
    float *values = malloc((all * B + 1) * sizeof *values);
    for (size_t k = 0; values && k < all; k++) {
        const ffcl_condition *c = ffcl_engine_condition(engine, k % n);
        const ffcl_input_kind kind = k >= n && c->has_second ? c->second : c->kind;
        for (size_t i = 0; i < B; i++)
            values[k * B + i] = scalar_of(engine, c, kind, s, i % of);
    }
    return values;
}

int ffcl_verify_latents(ffcl_verifier *v, const char *name, size_t C, size_t R)
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

static const char *const sit_inputs[] = {"x", "t",     "y",     "z",     "r", "s",
                                         "h", "w", "omega", "t_min", "t_max", NULL};

int ffcl_verify_is_sit(const ffcl_verifier *v)
{
    return has(v, "x") && has(v, "t") && has(v, "y");
}

static size_t recorded(const ffcl_verifier *v, const char *key)
{
    const char *text = ffcl_tensor_file_metadata(v->file, key);
    return text ? strtoull(text, NULL, 10) : 0;
}

static ffcl_sit_hints recorded_hints(const ffcl_verifier *v)
{
    const ffcl_tensor_info *x = ffcl_tensor_file_find(v->file, has(v, "x") ? "x" : "z");
    return (ffcl_sit_hints){.heads = recorded(v, "num_heads"), .split = recorded(v, "dmf_depth"),
                            .side = x && x->rank == 4 ? x->shape[2] : 0};
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

/* Of a network that predicts data, what its code makes of that: (x - F) / max(t, 0.05). */
static void to_velocity(float *F, const float *x, const float *t, size_t B, size_t each)
{
    for (size_t i = 0; i < B * each; i++)
        F[i] = (x[i] - F[i]) / fmaxf(t[i / each], 0.05f);
}

/* out_null, the output for the null class; solution, SoFlow's x + (s - t) F. */
static int check_other(ffcl_verifier *v, ffcl_engine *engine, const ffcl_tensor_info *info,
                       const ffcl_step *done, const scalars *s)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    const size_t B = done->B, each = d->C * d->R * d->R;
    float *F = malloc((B * each + 1) * sizeof *F);
    int32_t *y = malloc((B + 1) * sizeof *y);
    int rc = F && y ? 0 : ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
    for (size_t i = 0; rc == 0 && i < B; i++)
        y[i] = (int32_t)d->classes;
    ffcl_step step = *done;
    step.y = y;
    step.F = F;
    step.tap = NULL;
    if (rc == 0 && strcmp(info->name, "out_null") == 0) {
        rc = ffcl_engine_run(engine, &step, v->err);
        if (rc == 0 && ffcl_engine_config(engine)->model.predicts_data)
            to_velocity(F, done->z, s->t, B, each);
    } else
        for (size_t i = 0; rc == 0 && i < B * each; i++)
            F[i] = done->z[i] + (s->s[i / each] - s->t[i / each]) * done->F[i];
    if (rc == 0)
        rc = ffcl_verify_compare(v, info, F, B * each, sit_limit_of(engine));
    free(F);
    free(y);
    return rc;
}

static int check_velocity(ffcl_verifier *v, ffcl_engine *engine, const ffcl_tensor_info *info,
                          const ffcl_step *done, const scalars *s)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    const size_t each = d->C * d->R * d->R;
    float *F = malloc((done->B * each + 1) * sizeof *F);
    if (!F || !s->t) {
        free(F);
        return ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
    }
    memcpy(F, done->F, done->B * each * sizeof *F);
    to_velocity(F, done->z, s->t, done->B, each);
    int rc = ffcl_verify_compare(v, info, F, done->B * each, sit_limit_of(engine));
    free(F);
    return rc;
}

/* One out_cfg_S; done: the step whose inputs it doubles, s: its scalars. */
static int check_cfg(ffcl_verifier *v, ffcl_engine *engine, const ffcl_tensor_info *info,
                     const ffcl_step *done, const scalars *s)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    const size_t B = done->B;
    const size_t each = d->C * d->R * d->R;
    const float scale = strtof(info->name + strlen("out_cfg_"), NULL);
    float *xx = malloc(2 * B * each * sizeof *xx), *F = malloc(2 * B * each * sizeof *F);
    float *values = NULL;
    int32_t *yy = malloc(2 * B * sizeof *yy);
    int rc = 0;
    if (xx && F && yy) {
        for (size_t h = 0; h < 2; h++)
            memcpy(xx + h * B * each, done->z, B * each * sizeof *xx);
        for (size_t i = 0; i < B; i++) {
            yy[i] = done->y[i];
            yy[B + i] = (int32_t)d->rows - 1;       /* the null class */
        }
        values = fill_scalars(engine, 2 * B, B, s);
    }
    if (!values)
        rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for %s", info->name);
    ffcl_step step = {.B = 2 * B, .z = xx, .y = yy, .scalars = values, .F = F};
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0) {
        guide(F, B, d->C, d->R * d->R, scale);
        rc = ffcl_verify_compare(v, info, F, 2 * B * each, sit_limit_of(engine));
    }
    free(xx);
    free(F);
    free(yy);
    free(values);
    return rc;
}

/* Is it checked with the samplers, or one of their inputs? */
static int is_of_methods(const char *name)
{
    return ffcl_verify_is_method(name) || !strncmp(name, "noise", 5) ||
           !strncmp(name, "sde_noise", 9) || !strncmp(name, "latent_denorm", 13) ||
           !strncmp(name, "bytes_", 6) ||
           !strcmp(name, "latent_mean") || !strcmp(name, "latent_std") ||
           !strcmp(name, "image") || !strcmp(name, "bytes");
}

/* The recordings that are outputs: out, out_cfg_S, act.*; done: the step that ran, s: its
 * scalars. */
static int check_sit_outputs(ffcl_verifier *v, ffcl_engine *engine, const watcher *w,
                             const ffcl_step *done, const scalars *s)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(engine);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ffcl_tensor_file_count(v->file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(v->file, i);
        if (is_input(info->name, sit_inputs) || was_seen(w, info->name) ||
            is_of_methods(info->name))
            continue;
        if (strcmp(info->name, "out") == 0 && ffcl_engine_config(engine)->model.predicts_data)
            rc = check_velocity(v, engine, info, done, s);
        else if (strcmp(info->name, "out") == 0 || strcmp(info->name, "out_x") == 0)
            rc = ffcl_verify_compare(v, info, done->F, done->B * d->C * d->R * d->R,
                                     sit_limit_of(engine));
        else if (strncmp(info->name, "out_cfg_", 8) == 0)
            rc = check_cfg(v, engine, info, done, s);
        else if (strcmp(info->name, "out_null") == 0 ||
                 (strcmp(info->name, "solution") == 0 && s->s && s->t))
            rc = check_other(v, engine, info, done, s);
        else
            ffcl_verify_unchecked(v, info->name, "not checked: the model has no such tensor", 0);
    }
    return rc;
}

int ffcl_verify_sit(ffcl_verifier *v)
{
    const size_t B = ffcl_tensor_file_find(v->file, "x")->shape[0];
    const ffcl_engine_wants wants = {.sit = 1, .batch = B, .count = B, .own_labels = 1,
                                     .own_scalars = 1, .is_recording = 1,
                                     .hints = recorded_hints(v)};
    watcher w = {.v = v};
    const ffcl_tap tap = {watch, &w};
    ffcl_engine *engine = NULL;
    float *x = NULL, *F = NULL, *values = NULL;
    scalars s = {.t = NULL};
    int32_t *y = NULL;
    int rc = ffcl_engine_open(&engine, v->cfg, &wants, v->obs, v->err);
    if (rc == 0)
        w.limit = sit_limit_of(engine);
    if (rc == 0)
        rc = ffcl_verify_latents(v, "x", ffcl_engine_sit(engine)->C, ffcl_engine_sit(engine)->R);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "x", &x);
    if (rc == 0)
        rc = read_scalars(v, B, &s);
    if (rc == 0)
        rc = ffcl_verify_labels(v, ffcl_engine_sit(engine), B, &y);
    if (rc == 0) {
        F = malloc(ffcl_tensor_file_find(v->file, "x")->count * sizeof *F);
        values = fill_scalars(engine, B, B, &s);
        if (!F || !values)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the outputs");
    }
    ffcl_step step = {.B = B, .z = x, .y = y, .scalars = values, .F = F, .tap = &tap};
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0)
        rc = check_sit_outputs(v, engine, &w, &step, &s);
    ffcl_engine_close(&engine);
    if (rc == 0)
        rc = ffcl_verify_methods(v, &wants.hints);
    free(w.seen);
    free(x);
    free(F);
    free(values);
    free(y);
    free_scalars(&s);
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

/* The samplers of the model that the recorded one was distilled from. */
static int check_teacher(ffcl_verifier *v, const ffcl_sit_hints *hints)
{
    for (size_t i = 0; i < ffcl_tensor_file_count(v->file); i++) {
        const char *name = ffcl_tensor_file_at(v->file, i)->name;
        if (!is_input(name, sample_inputs) && !ffcl_verify_is_method(name))
            ffcl_verify_unchecked(v, name, "the student's, not part of the check", -1);
    }
    return ffcl_verify_methods(v, hints);
}

int ffcl_verify_sample(ffcl_verifier *v)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, "z");
    const size_t B = info->rank ? info->shape[0] : 0;
    ffcl_engine_wants wants = {.sit = 1, .vae = 1, .count = B, .own_labels = 1,
                               .hints = recorded_hints(v)};
    ffcl_engine *engine = NULL;
    ffcl_step step = {.B = B};
    float *z = NULL, *values = NULL;
    scalars s = {.t = NULL};
    int32_t *y = NULL;
    size_t pixels = 0;
    int rc = 0;
    const ffcl_preset *preset = ffcl_preset_of(v->cfg);
    if (preset && !preset->one_step)
        return check_teacher(v, &wants.hints);
    if (has(v, "w") && ffcl_tensor_file_find(v->file, "w")->count == B)
        rc = ffcl_verify_floats(v, "w", &s.w);
    /* With the configuration's scalars the pass is the sampler's own. */
    for (size_t i = 0; s.w && i < B; i++)
        wants.own_scalars |= s.w[i] != (float)v->cfg->sampler.guidance;
    if (rc == 0)
        rc = ffcl_engine_open(&engine, v->cfg, &wants, v->obs, v->err);
    if (rc == 0)
        rc = ffcl_verify_latents(v, "z", ffcl_engine_sit(engine)->C, ffcl_engine_sit(engine)->R);
    if (rc == 0)
        rc = ffcl_verify_floats(v, "z", &z);
    if (rc == 0)
        rc = ffcl_verify_labels(v, ffcl_engine_sit(engine), B, &y);
    if (rc == 0) {
        size_t side = info->shape[2] * ffcl_engine_vae(engine)->upscale;
        pixels = side * side;
        values = wants.own_scalars ? fill_scalars(engine, B, B, &s) : NULL;
        step.F = malloc(info->count * sizeof *step.F);
        step.latent = malloc(info->count * sizeof *step.latent);
        step.image = malloc(B * pixels * 3 * sizeof *step.image);
        step.bytes = malloc(B * pixels * 3);
        if (wants.own_scalars && !values)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the inputs");
        if (!step.F || !step.latent || !step.image || !step.bytes)
            rc = ffcl_fail(v->err, FFCL_ENOMEM, "out of memory for the outputs");
    }
    step.z = z;
    step.y = y;
    step.scalars = values;
    if (rc == 0)
        rc = ffcl_engine_run(engine, &step, v->err);
    if (rc == 0)
        rc = check_sample_outputs(v, engine, &step, info->count, pixels);
    ffcl_engine_close(&engine);
    free(z);
    free(y);
    free(values);
    free_scalars(&s);
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

/* A value for each of C channels, of a tensor that is there. */
static int read_channels(ffcl_verifier *v, const char *name, size_t C, float **out)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, name);
    if (info->count != C)
        return ffcl_fail(v->err, FFCL_EFORMAT, "%s: %s does not have one value for each of the %zu "
                         "channels", ffcl_tensor_file_path(v->file), name, C);
    return ffcl_verify_floats(v, name, out);
}

/* z_normalised, what a sampler gives: z, of the same shape, is that in the decoder's form, by
 * config.json, [vae] stats or the recording's own mean and deviation. */
static int check_normalised(ffcl_verifier *v, const ffcl_engine *engine,
                            const ffcl_tensor_info *info, const float *z)
{
    const ffcl_latent_form *form = ffcl_engine_latent_form(engine);
    const ffcl_tensor_info *like = ffcl_tensor_file_find(v->file, "z");
    const size_t C = like->shape[1], P = like->shape[2] * like->shape[3];
    const int own = has(v, "latent_mean") && has(v, "latent_std") && !strcmp(form->stats, "none");
    float *values = NULL, *mean = NULL, *std = NULL;
    if (info->rank != 4 || memcmp(info->shape, like->shape, 4 * sizeof *info->shape) != 0)
        return ffcl_fail(v->err, FFCL_EFORMAT, "%s: %s is not of the shape of z",
                         ffcl_tensor_file_path(v->file), info->name);
    int rc = ffcl_verify_floats(v, info->name, &values);
    if (rc == 0 && own)
        rc = read_channels(v, "latent_mean", C, &mean);
    if (rc == 0 && own)
        rc = read_channels(v, "latent_std", C, &std);
    for (size_t i = 0; rc == 0 && i < info->count; i++) {
        const size_t c = i / P % C;
        /* Back to what was recorded under this name. */
        values[i] = own ? (z[i] - mean[c]) / std[c] : (z[i] - form->plus[c]) / form->times[c];
    }
    if (rc == 0)
        rc = ffcl_verify_compare(v, info, values, info->count, vae_limit);
    free(values);
    free(mean);
    free(std);
    return rc;
}

int ffcl_verify_vae(ffcl_verifier *v)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(v->file, "z");
    const size_t B = info->rank ? info->shape[0] : 0;
    const ffcl_engine_wants wants = {.vae = 1, .batch = B, .count = B,
                                     .groups_hint = recorded(v, "norm_num_groups")};
    watcher w = {.v = v};
    const ffcl_tap tap = {watch, &w};
    ffcl_engine *engine = NULL;
    float *z = NULL, *image = NULL, *turned = NULL;
    size_t pixels = 0;
    int rc = ffcl_engine_open(&engine, v->cfg, &wants, v->obs, v->err);
    if (rc == 0)
        w.limit = vae_limit_of(engine);
    if (rc == 0)
        rc = ffcl_verify_latents(v, "z", ffcl_engine_vae(engine)->zc, 0);
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
        if (strcmp(t->name, "latent_mean") == 0 || strcmp(t->name, "latent_std") == 0)
            continue;
        if (strcmp(t->name, "z_normalised") == 0)
            rc = check_normalised(v, engine, t, z);
        else if (strcmp(t->name, "out") == 0)
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
