/* SPDX-License-Identifier: MIT */
#include "sample/engine_impl.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/choices.h"
#include "cl/profile.h"
#include "cl/program.h"
#include "config_presets.h"
#include "model/family.h"
#include "ops/ops.h"
#include "selfcheck/choice.h"
#include "util.h"

/* ---- one batch on the device ------------------------------------------------------------- */

/* Enqueues a read into host memory that is valid when the batch is done; to may be NULL. */
void ffcl_engine_fetch(ffcl_ctx *ctx, const ffcl_tensor *from, void *to)
{
    const size_t bytes = ffcl_count(from) * ffcl_dtype_bytes(from->dtype);
    if (ctx->planning || ctx->status || !to)
        return;
    ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clEnqueueReadBuffer(ctx->queue, from->mem, CL_FALSE, 0,
                                                             bytes, to, 0, NULL,
                                                             ffcl_profile_copy(ctx, "read",
                                                                               bytes))));
}

/* The image (b, S*S, 3) of latents: decoded, or, where they are images, in another order. */
static void make_image(ffcl_engine *e, const ffcl_tensor *image, const ffcl_tensor *latent,
                       const ffcl_step *step, size_t at)
{
    ffcl_ctx *ctx = e->ctx;
    const float factor = e->sit && !e->is_affine ? e->form.times[0] : 1.0f;
    ffcl_tensor form = {0};
    if (e->is_pixels) {
        ffcl_image_channels_last(ctx, image, latent);
        return;
    }
    if (e->sit && e->is_affine) {
        form = ffcl_take(ctx, ffcl_latents_of(e, latent->batch));
        ffcl_latent_affine(ctx, &form, latent, &e->affine);
        ffcl_engine_fetch(ctx, &form,
                          step->denorm ? step->denorm + at * ffcl_latent_floats(e) : NULL);
    }
    ffcl_vae_decode(e->vae, ctx, image, form.batch ? &form : latent, factor, step->tap);
    ffcl_give(ctx, &form);
}

/* Decodes latents first .. first+b-1 and fetches what is wanted of the images. */
static void run_vae(ffcl_engine *e, const ffcl_lane *l, size_t first, size_t b,
                    const ffcl_step *step, size_t at)
{
    ffcl_ctx *ctx = e->ctx;
    const size_t each = ffcl_image_values(e);
    const ffcl_tensor latent = ffcl_images(e->latent, first, b);
    const ffcl_tensor bad = ffcl_images(e->flags, e->batch + first, b);
    const ffcl_tensor part = l->bytes ? l->bytes[first / e->decode_batch] : (ffcl_tensor){0};
    const ffcl_tensor bytes = ffcl_images(part, 0, b);
    ffcl_profile_stage(ctx, e->vae ? "VAE" : "image");
    ffcl_tensor image = ffcl_take(ctx, ffcl_image_of(FFCL_F32, b, e->S, e->S, 3));
    make_image(e, &image, &latent, step, at);
    ffcl_image_bytes(ctx, &bytes, &bad, &image, (int)e->cfg->output.bytes);
    ffcl_engine_fetch(ctx, &bytes, step->bytes ? l->host_bytes + first * each : NULL);
    ffcl_engine_fetch(ctx, &image, step->image ? step->image + at * each : NULL);
    ffcl_give(ctx, &image);
    if (step->features)
        ffcl_engine_make_features(e, l, first, &bytes);
}

int ffcl_engine_run_batch(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step,
                          size_t at)
{
    ffcl_ctx *ctx = e->ctx;
    const size_t n = ffcl_latent_floats(e);
    const ffcl_tensor latent = ffcl_images(e->latent, 0, B);
    ffcl_ctx_keep(ctx, ffcl_buffer_zero(ctx, e->flags.mem, 2 * e->batch * sizeof(cl_int)));
    if (e->sit) {
        ffcl_engine_run_sit(e, l, B, step, at);
        ffcl_engine_fetch(ctx, &latent, step->latent ? step->latent + at * n : NULL);
    }
    for (size_t first = 0; ffcl_makes_images(e) && first < B; first += e->decode_batch)
        run_vae(e, l, first, ffcl_min(e->decode_batch, B - first), step, at + first);
    if (step->features)
        ffcl_engine_fetch_features(e, l, B);
    ffcl_engine_fetch(ctx, &e->flags, l->flags);
    ffcl_profile_stage(ctx, "");
    return ffcl_ctx_check(ctx);
}

void ffcl_engine_shape(ffcl_engine *e)
{
    const ffcl_tensor one = ffcl_tensor_of(FFCL_F32, e->batch, 1, 1);
    e->latent = ffcl_tensor_in(e->latent.mem, ffcl_latents_of(e, e->batch));
    e->flags = ffcl_tensor_in(e->flags.mem, ffcl_tensor_of(FFCL_I32, 2 * e->batch, 1, 1));
    e->noise = ffcl_tensor_in(e->noise.mem, ffcl_latents_of(e, e->batch));
    e->affine = ffcl_tensor_in(e->affine.mem, ffcl_tensor_of(FFCL_F32, 1, 2, e->C));
    for (size_t k = 0; k < FFCL_LANES; k++) {
        ffcl_lane *l = &e->lanes[k];
        l->z = ffcl_tensor_in(l->z.mem, ffcl_latents_of(e, e->batch));
        l->y = ffcl_tensor_in(l->y.mem, ffcl_tensor_of(FFCL_I32, 2 * e->batch, 1, 1));
        for (size_t i = 0; l->scalars && i < e->inputs; i++)
            l->scalars[i] = ffcl_tensor_in(l->scalars[i].mem, one);
    }
}

/* ---- opening ----------------------------------------------------------------------------- */

/* Under [model] strict, pickles that would have Python call more than tensors need are refused. */
static int check_strict(const ffcl_engine *e, const ffcl_tensor_file *file, ffcl_error *err)
{
    const char *foreign = ffcl_tensor_file_foreign(file);
    if (!foreign || !e->cfg->model.strict)
        return 0;
    return ffcl_fail(err, FFCL_EFORMAT, "%s would have Python call %s, and [model] strict = yes "
                     "refuses that: save the state dict alone", ffcl_tensor_file_path(file),
                     foreign);
}

/* [model] noise_scale.  No file has pMF's, which follows from the model's width and the side of its
 * patches. */
static int find_noise_scale(ffcl_engine *e, const ffcl_engine_wants *wants, ffcl_error *err)
{
    static const struct { size_t D, p; double scale; } known[] = {
        {768, 16, 1}, {1024, 16, 1}, {1280, 16, 2}, {768, 32, 2}, {1024, 32, 4}, {1280, 32, 4},
    };
    const ffcl_sit_dims *d = ffcl_sit_dims_of(e->sit);
    e->noise_scale = isnan(e->cfg->model.noise_scale) ? 1.0 : e->cfg->model.noise_scale;
    if (!isnan(e->cfg->model.noise_scale) || e->cfg->model.preset != FFCL_PRESET_pmf ||
        wants->own_scalars || wants->own_noise)
        return 0;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].D == d->D && known[i].p == d->p) {
            e->noise_scale = known[i].scale;
            return 0;
        }
    return ffcl_fail(err, FFCL_ECONFIG, "%s has width %zu and patches of %zu, and no published pMF "
                     "has: set noise_scale under [model]", e->cfg->model.checkpoint, d->D, d->p);
}

static int open_models(ffcl_engine *e, const ffcl_engine_wants *wants, ffcl_error *err)
{
    int rc = 0;
    if (wants->sit)
        rc = ffcl_family_resolve(e->cfg, wants->is_recording, err);
    if (rc == 0 && wants->sit)
        rc = ffcl_sit_open(&e->sit, e->cfg, &wants->hints, err);
    e->is_pixels = wants->sit && wants->vae && strcmp(e->cfg->vae.weights, "none") == 0;
    if (rc == 0 && wants->vae && !e->is_pixels)
        rc = ffcl_family_check_vae(e->cfg, err);
    if (rc == 0 && wants->vae && !e->is_pixels)
        rc = ffcl_vae_open(&e->vae, e->cfg->vae.weights,
                           &(ffcl_vae_options){.wrapper = e->cfg->vae.wrapper,
                                               .groups = e->cfg->vae.groups,
                                               .groups_hint = wants->groups_hint}, err);
    if (rc == 0 && wants->sit && !wants->own_scalars)
        rc = ffcl_engine_open_schedule(e, err);
    if (rc == 0 && wants->sit)
        rc = find_noise_scale(e, wants, err);
    if (rc == 0 && wants->sit)
        rc = check_strict(e, ffcl_sit_file(e->sit), err);
    if (rc == 0 && e->vae)
        rc = check_strict(e, ffcl_vae_file(e->vae), err);
    if (rc)
        return rc;
    if (e->sit) {
        e->C = ffcl_sit_dims_of(e->sit)->C;
        e->R = ffcl_sit_dims_of(e->sit)->R;
        e->inputs = wants->own_scalars ? ffcl_sit_inputs(e->sit) : 0;
        for (size_t k = 0; wants->own_scalars && k < FFCL_LANES; k++) {
            e->lanes[k].scalars = calloc(e->inputs + 1, sizeof(ffcl_tensor));
            if (!e->lanes[k].scalars)
                return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the embedders");
        }
    } else {
        e->C = ffcl_vae_dims_of(e->vae)->zc;
    }
    if (e->vae && ffcl_vae_dims_of(e->vae)->zc != e->C)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s makes latents of %zu channels, and %s decodes %zu",
                         e->cfg->model.checkpoint, e->C, e->cfg->vae.weights,
                         ffcl_vae_dims_of(e->vae)->zc);
    if (e->is_pixels && e->C != 3)
        return ffcl_fail(err, FFCL_ECONFIG, "[vae] weights = none: %s makes latents of %zu "
                         "channels, which are no images", e->cfg->model.checkpoint, e->C);
    e->S = e->vae ? e->R * ffcl_vae_dims_of(e->vae)->upscale : e->is_pixels ? e->R : 0;
    return ffcl_engine_find_form(e, err);
}

/* Class labels that the model does not have are found before any work. */
static int check_classes(const ffcl_engine *e, ffcl_error *err)
{
    const ffcl_config *cfg = e->cfg;
    const ffcl_sit_dims *d = ffcl_sit_dims_of(e->sit);
    size_t classes = d->classes;
    if (cfg->sampler.class_text && cfg->sampler.n_named != classes)
        return ffcl_fail(err, FFCL_ECONFIG, "[sampler] classes has names of %s, which has %zu "
                         "classes, and %s has %zu: give numbers, or set [sampler] class_names",
                         cfg->sampler.class_names, cfg->sampler.n_named, cfg->model.checkpoint,
                         classes);
    for (size_t i = 0; i < cfg->sampler.n_classes; i++)
        if (cfg->sampler.classes[i] < 0 || (uint64_t)cfg->sampler.classes[i] >= classes)
            return ffcl_fail(err, FFCL_ECONFIG,
                             "[sampler] classes: class %lld is out of range (0 to %zu) for %s%s",
                             (long long)cfg->sampler.classes[i], classes - 1,
                             cfg->model.checkpoint, classes < d->rows
                             ? "; the last row of its label table is taken for the null class (if "
                               "it is none: [model] null_class = none)" : "");
    return 0;
}

static size_t divide(ffcl_engine *e, ffcl_lane *l, char *memory)
{
    size_t used = 0;
    l->host_z = ffcl_locked_part(memory, &used, e->batch * ffcl_latent_floats(e) * sizeof(float));
    l->host_scalars = ffcl_locked_part(memory, &used, e->inputs * e->batch * sizeof(float));
    l->host_y = ffcl_locked_part(memory, &used, 2 * e->batch * sizeof(cl_int));
    l->flags = ffcl_locked_part(memory, &used, 2 * e->batch * sizeof(cl_int));
    l->host_bytes = ffcl_locked_part(memory, &used,
                            ffcl_makes_images(e) ? e->batch * ffcl_image_values(e) : 0);
    return used;
}

static int lock_memory(ffcl_engine *e, ffcl_lane *l)
{
    int rc = ffcl_locked_open(e->ctx, &l->locked, divide(e, l, NULL));
    if (rc == 0)
        divide(e, l, l->locked.mapped);
    return rc;
}

static int create_lane(ffcl_engine *e, ffcl_lane *l)
{
    ffcl_ctx *ctx = e->ctx;
    l->bytes = calloc(e->n_parts, sizeof *l->bytes);
    if (!l->bytes)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a batch");
    for (size_t i = 0; i < e->n_parts; i++)
        l->bytes[i] = ffcl_image_of(FFCL_U8, e->decode_batch, e->S, e->S, 3);
    int rc = lock_memory(e, l);
    if (rc == 0 && e->sit)
        rc = ffcl_buffer_create(ctx, &l->z.mem, e->batch * ffcl_latent_floats(e) * sizeof(float),
                                "noise");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &l->y.mem, 2 * e->batch * sizeof(cl_int), "labels");
    for (size_t i = 0; rc == 0 && ffcl_makes_images(e) && i < e->n_parts; i++)
        rc = ffcl_buffer_create(ctx, &l->bytes[i].mem, e->decode_batch * ffcl_image_values(e),
                                "images");
    for (size_t i = 0; rc == 0 && i < e->inputs; i++)
        rc = ffcl_buffer_create(ctx, &l->scalars[i].mem, e->batch * sizeof(float), "scalars");
    return rc;
}

static int create_buffers(ffcl_engine *e)
{
    ffcl_ctx *ctx = e->ctx;
    e->n_parts = ffcl_div_up(e->batch, e->decode_batch);
    ffcl_engine_shape(e);
    int rc = ffcl_buffer_create(ctx, &e->latent.mem, ffcl_count(&e->latent) * sizeof(float),
                                "latents");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &e->flags.mem, 2 * e->batch * sizeof(cl_int), "flags");
    if (rc == 0 && e->schedule.n_noise)
        rc = ffcl_engine_create_noise(e);
    if (rc == 0 && e->is_affine)
        rc = ffcl_buffer_create(ctx, &e->affine.mem, 2 * e->C * sizeof(float), "deviations");
    if (rc == 0 && e->is_affine)
        rc = ffcl_buffer_write(ctx, e->affine.mem, 0, e->form_values, 2 * e->C * sizeof(float));
    for (size_t k = 0; rc == 0 && k < FFCL_LANES; k++)
        rc = create_lane(e, &e->lanes[k]);
    return rc;
}

static int load(ffcl_engine *e)
{
    uint64_t done = 0, total = ffcl_engine_weight_bytes(e);
    const double began = ffcl_clock();
    ffcl_profile_stage(e->ctx, "load");
    ffcl_report(e->ctx->obs, FFCL_PHASE_LOAD, NULL, 0, total);
    int rc = e->sit ? ffcl_sit_load(e->sit, e->ctx, &done, total) : 0;
    if (rc == 0 && e->sit && !e->lanes[0].scalars)
        rc = ffcl_engine_fix_scalars(e);
    if (rc == 0 && e->vae)
        rc = ffcl_vae_load(e->vae, e->ctx, &done, total);
    /* The last tensor has reported the end, unless part of the total is computed, not read. */
    if (rc == 0 && done < total)
        ffcl_report(e->ctx->obs, FFCL_PHASE_LOAD, NULL, total, total);
    ffcl_profile_stage(e->ctx, "");
    ffcl_profile_host(e->ctx, "load weights", began, ffcl_clock());
    return rc;
}

/* What loading launches are programs too; naming them here has them compiled with the rest.  The
 * arena's plan is lost. */
static int note_load_programs(ffcl_engine *e)
{
    ffcl_ctx *ctx = e->ctx;
    const ffcl_tensor f32 = ffcl_tensor_of(FFCL_F32, 1, 1, 1);
    const ffcl_tensor f16 = ffcl_tensor_of(FFCL_F16, 1, 1, 1);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    if (e->dtype == FFCL_F16 || !ffcl_gemm_takes_columns(ctx))
        ffcl_transpose(ctx, &f32, &f32);
    if (e->dtype == FFCL_F16)
        ffcl_cast(ctx, &f16, &f32);
    int rc = ffcl_ctx_check(ctx);
    if (rc == 0 && e->sit && !e->lanes[0].scalars)
        rc = ffcl_sit_fix(e->sit, ctx, NULL, e->schedule.n_moments);
    ctx->planning = 0;
    return rc;
}

/* All but the weights; a VAE alone learns its latent side from the first step. */
static int plan_for_side(ffcl_engine *e, const ffcl_engine_wants *wants)
{
    size_t ruled_out;
    int rc;
    /* Anew where kernels that were built take too few work-items: cl/limits.h. */
    do {
        ruled_out = e->ctx->n_ruled_out;
        rc = note_load_programs(e);
        if (rc == 0)
            rc = ffcl_engine_choose_batch(e, wants);
        const double began = ffcl_clock();
        if (rc == 0)
            rc = ffcl_programs_build(e->ctx);
        ffcl_profile_host(e->ctx, "build programs", began, ffcl_clock());
        if (rc == 0)
            rc = ffcl_engine_plan(e, e->batch, NULL);
        if (e->ctx->n_ruled_out > ruled_out)
            ffcl_choices_forget(e->ctx);
    } while (rc == 0 && e->ctx->n_ruled_out > ruled_out);
    if (rc == 0)
        rc = create_buffers(e);
    return rc ? rc : ffcl_arena_commit(e->ctx->arena);
}

/* The device and its programs. */
static int prepare(ffcl_engine *e, const ffcl_engine_wants *wants, const ffcl_observer *obs,
                   ffcl_error *err)
{
    int rc = ffcl_engine_open_device(&e->ctx, &e->dtype, e->cfg, wants, e, obs, err);
    if (rc == 0)
        rc = ffcl_engine_choose_way(e);
    if (rc == 0)
        ffcl_engine_report(e);
    if (rc == 0)
        rc = ffcl_choices_open(e->ctx);
    if (rc == 0 && wants->inception)
        rc = ffcl_engine_open_extractor(e, wants, obs, err);
    if (rc == 0 && e->sit)
        rc = plan_for_side(e, wants);
    return rc;
}

int ffcl_engine_open(ffcl_engine **out, const ffcl_config *cfg, const ffcl_engine_wants *wants,
                     const ffcl_observer *obs, ffcl_error *err)
{
    *out = NULL;
    ffcl_engine *e = calloc(1, sizeof *e);
    if (!e)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sampler");
    int rc = ffcl_config_copy(&e->cfg, cfg, err);
    if (rc == 0)
        rc = open_models(e, wants, err);
    if (rc == 0 && wants->sit && !wants->own_labels)
        rc = check_classes(e, err);
    if (rc == 0) {
        if (wants->compiling)
            pthread_mutex_lock(wants->compiling);
        rc = prepare(e, wants, obs, err);
        if (wants->compiling)
            pthread_mutex_unlock(wants->compiling);
    }
    if (rc == 0 && e->sit)
        rc = load(e);
    if (rc)
        ffcl_engine_close(&e);
    *out = e;
    return rc;
}

/* An engine of cfg's models that plans and computes nothing. */
static int open_plan(ffcl_engine **out, const ffcl_config *cfg, const ffcl_engine_wants *wants,
                     const ffcl_observer *obs, ffcl_error *err)
{
    ffcl_engine *e = *out = calloc(1, sizeof *e);
    if (!e)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the plan");
    int rc = ffcl_config_copy(&e->cfg, cfg, err);
    if (rc == 0)
        rc = open_models(e, wants, err);
    return rc ? rc : ffcl_engine_open_device(&e->ctx, &e->dtype, e->cfg, wants, e, obs, err);
}

int ffcl_engine_shapes(const ffcl_config *cfg, const ffcl_device *device,
                       void (*see)(void *user, const ffcl_matmul *p), void *user,
                       ffcl_engine_plan_info *info, const ffcl_observer *obs, ffcl_error *err)
{
    const ffcl_engine_wants wants = {.sit = 1, .vae = 1, .device = device, .is_plan = 1,
                                     .batch = cfg->sampler.batch,
                                     .count = ffcl_config_count(cfg)};
    ffcl_engine *e = NULL;
    int rc = open_plan(&e, cfg, &wants, obs, err);
    if (rc == 0)
        rc = ffcl_engine_choose_way(e);
    if (rc == 0)
        ffcl_engine_report(e);
    if (rc == 0)
        rc = ffcl_engine_choose_batch(e, &wants);
    if (rc == 0) {
        ffcl_blas_observe(e->ctx, see, user);
        rc = ffcl_engine_plan(e, e->batch, NULL);
    }
    if (rc == 0 && info)
        ffcl_engine_info(e, info);
    ffcl_engine_close(&e);
    return rc;
}

int ffcl_engine_trial_calls(const ffcl_config *cfg, const ffcl_device *device,
                            ffcl_trial_calls *calls, const ffcl_observer *obs, ffcl_error *err)
{
    const ffcl_engine_wants wants = {.sit = 1, .vae = 1, .device = device, .is_plan = 1};
    ffcl_engine *e = NULL;
    int rc = open_plan(&e, cfg, &wants, obs, err);
    if (rc == 0)
        rc = ffcl_engine_calls(e, calls);
    ffcl_engine_close(&e);
    return rc;
}

static void close_lane(ffcl_engine *e, ffcl_lane *l)
{
    ffcl_locked_close(e->ctx, &l->locked);
    for (size_t i = 0; l->scalars && i < e->inputs; i++)
        ffcl_weight_release(&l->scalars[i]);
    for (size_t i = 0; l->bytes && i < e->n_parts; i++)
        ffcl_weight_release(&l->bytes[i]);
    ffcl_weight_release(&l->z);
    ffcl_weight_release(&l->y);
    if (l->done)
        clReleaseEvent(l->done);
    free(l->scalars);
    free(l->bytes);
}

void ffcl_engine_close(ffcl_engine **engine)
{
    ffcl_engine *e = *engine;
    if (!e)
        return;
    if (e->ctx)
        clFinish(e->ctx->queue);
    for (size_t k = 0; k < FFCL_LANES; k++)
        close_lane(e, &e->lanes[k]);
    ffcl_extractor_close(&e->extractor);
    ffcl_weight_release(&e->latent);
    ffcl_weight_release(&e->flags);
    ffcl_weight_release(&e->noise);
    ffcl_weight_release(&e->affine);
    ffcl_vae_close(&e->vae);
    ffcl_sit_close(&e->sit);
    ffcl_schedule_close(&e->schedule);
    ffcl_config_close(&e->cfg);
    free(e->form_values);
    if (e->ctx)
        ffcl_blas_close(e->ctx);
    ffcl_ctx_close(&e->ctx);
    free(e);
    *engine = NULL;
}

const ffcl_sit_dims *ffcl_engine_sit(const ffcl_engine *engine)
{
    return engine->sit ? ffcl_sit_dims_of(engine->sit) : NULL;
}

size_t ffcl_engine_side(const ffcl_engine *engine)
{
    return engine->S;
}

double ffcl_engine_noise_scale(const ffcl_engine *engine)
{
    return engine->noise_scale;
}

const ffcl_vae_dims *ffcl_engine_vae(const ffcl_engine *engine)
{
    return engine->vae ? ffcl_vae_dims_of(engine->vae) : NULL;
}

ffcl_dtype ffcl_engine_dtype(const ffcl_engine *engine)
{
    return engine->dtype;
}

const ffcl_device *ffcl_engine_device(const ffcl_engine *engine)
{
    return &engine->ctx->device;
}

size_t ffcl_engine_batch(const ffcl_engine *engine)
{
    return engine->batch;
}

void ffcl_engine_phase(ffcl_engine *engine, const char *name, double began, double ended)
{
    ffcl_profile_host(engine->ctx, name, began, ended);
}

void ffcl_engine_products(const ffcl_engine *engine, char *text, size_t size)
{
    const ffcl_ctx *ctx = engine->ctx;
    char gemm[300], forced[400];
    ffcl_gemm_describe(ctx, gemm, sizeof gemm);
    ffcl_variants_forced(ctx, forced, sizeof forced);
    snprintf(text, size, "%s%s%s", gemm, *forced ? ", forced " : "", forced);
}

void ffcl_engine_unit(const ffcl_engine *engine, char *text, size_t size)
{
    const ffcl_ctx *ctx = engine->ctx;
    const char *name = ffcl_unit_name(ctx->matrix_unit);
    *text = '\0';
    if (engine->dtype == FFCL_F16)
        snprintf(text, size, "%s%s", *name ? name : "none",
                 ctx->number_options ? ctx->number_options : "");
}

const ffcl_tensor_file *ffcl_engine_file(const ffcl_engine *engine, int vae)
{
    if (!vae)
        return ffcl_sit_file(engine->sit);
    return engine->vae ? ffcl_vae_file(engine->vae) : NULL;
}

float ffcl_engine_scalar(const ffcl_engine *engine, size_t i)
{
    const ffcl_condition *c = ffcl_engine_condition(engine, i);
    const ffcl_config *cfg = engine->cfg;
    const ffcl_moment first = {.t = cfg->model.noise_time, .r = 1 - cfg->model.noise_time,
                               .delta = 1};
    return (float)ffcl_schedule_input(cfg, &first, c->kind, c->number);
}

const ffcl_latent_form *ffcl_engine_latent_form(const ffcl_engine *engine)
{
    return &engine->form;
}

const ffcl_condition *ffcl_engine_condition(const ffcl_engine *engine, size_t i)
{
    return ffcl_sit_condition(engine->sit, i);
}

/* ---- running ----------------------------------------------------------------------------- */

/* Lays the arena out for B images unless it is. */
static int ready_for(ffcl_engine *e, size_t B, const ffcl_tap *tap)
{
    if (e->planned == B && e->planned_tap == (tap != NULL)) {
        ffcl_arena_rewind(e->ctx->arena);
        return 0;
    }
    int rc = ffcl_engine_plan(e, B, tap);
    if (rc == 0)
        rc = ffcl_arena_commit(e->ctx->arena);
    if (rc == 0) {
        e->planned = B;
        e->planned_tap = tap != NULL;
        ffcl_arena_rewind(e->ctx->arena);
    }
    return rc;
}

/* Enqueues a write of n bytes, by way of page-locked memory at `by`. */
static int put(ffcl_ctx *ctx, cl_mem to, void *by, const void *from, size_t n)
{
    memcpy(by, from, n);
    return FFCL_CL(ctx->err, clEnqueueWriteBuffer(ctx->queue, to, CL_FALSE, 0, n, by, 0, NULL,
                                                  ffcl_profile_copy(ctx, "write", n)));
}

/* The null class behind the labels of B images. */
static int put_null(ffcl_engine *e, const ffcl_lane *l, size_t B)
{
    const size_t bytes = B * sizeof(cl_int);
    for (size_t i = 0; i < B; i++)
        l->host_y[B + i] = (cl_int)ffcl_sit_dims_of(e->sit)->classes;
    return FFCL_CL(e->ctx->err, clEnqueueWriteBuffer(e->ctx->queue, l->y.mem, CL_FALSE, bytes,
                                                     bytes, l->host_y + B, 0, NULL,
                                                     ffcl_profile_copy(e->ctx, "write", bytes)));
}

/* Enqueues the inputs of images at .. at+B-1. */
static int upload(ffcl_engine *e, const ffcl_lane *l, const ffcl_step *step, size_t at, size_t B)
{
    ffcl_ctx *ctx = e->ctx;
    const size_t n = ffcl_latent_floats(e);
    int rc = put(ctx, e->sit ? l->z.mem : e->latent.mem, l->host_z, step->z + at * n,
                 B * n * sizeof(float));
    if (rc == 0 && e->sit)
        rc = put(ctx, l->y.mem, l->host_y, step->y + at, B * sizeof(cl_int));
    if (rc == 0 && e->is_guided)
        rc = put_null(e, l, B);
    for (size_t i = 0; rc == 0 && i < e->inputs; i++)
        rc = put(ctx, l->scalars[i].mem, l->host_scalars + i * e->batch,
                 step->scalars + i * step->B + at, B * sizeof(float));
    return rc;
}

/* After a failure: nothing may write into the caller's memory any more. */
static void drain(ffcl_engine *e)
{
    clFinish(e->ctx->queue);
    for (size_t k = 0; k < FFCL_LANES; k++) {
        if (e->lanes[k].done)
            clReleaseEvent(e->lanes[k].done);
        e->lanes[k].done = NULL;
    }
    e->in_flight = 0;
}

/* Sends images at .. at+B-1 of the step on their way. */
static int send(ffcl_engine *e, ffcl_step *step, size_t at, size_t B)
{
    assert(e->in_flight < FFCL_LANES && B <= e->batch);
    ffcl_lane *l = &e->lanes[(e->first_lane + e->in_flight) % FFCL_LANES];
    int rc = ready_for(e, B, step->tap);
    if (rc == 0)
        rc = upload(e, l, step, at, B);
    if (rc == 0)
        rc = ffcl_engine_run_batch(e, l, B, step, at);
    if (rc == 0)
        rc = FFCL_CL(e->ctx->err, clEnqueueMarkerWithWaitList(e->ctx->queue, 0, NULL, &l->done));
    if (rc == 0)
        rc = FFCL_CL(e->ctx->err, clFlush(e->ctx->queue));
    e->in_flight++;
    if (rc)
        drain(e);
    return rc;
}

/* Weights that are used where they lie are those of the beginning, still: the system notes the time
 * of a write before the first byte is written. */
static int check_files(const ffcl_engine *e)
{
    const ffcl_tensor_file *files[] = {e->sit ? ffcl_sit_file(e->sit) : NULL,
                                       e->vae ? ffcl_vae_file(e->vae) : NULL,
                                       e->extractor ? ffcl_extractor_file(e->extractor) : NULL};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof files / sizeof *files; i++)
        if (files[i] && ffcl_tensor_file_is_mapped(files[i]))
            rc = ffcl_tensor_file_check(files[i], e->ctx->err);
    return rc;
}

/* Waits for the oldest batch, images at .. at+B-1 of the step. */
static int receive(ffcl_engine *e, ffcl_step *step, size_t at, size_t B)
{
    assert(e->in_flight > 0);
    ffcl_lane *l = &e->lanes[e->first_lane];
    int rc = FFCL_CL(e->ctx->err, clWaitForEvents(1, &l->done));
    if (rc) {
        drain(e);
        return rc;
    }
    clReleaseEvent(l->done);
    l->done = NULL;
    rc = check_files(e);
    if (rc) {
        drain(e);
        return rc;
    }
    ffcl_profile_collect(e->ctx);
    e->first_lane = (e->first_lane + 1) % FFCL_LANES;
    e->in_flight--;
    if (ffcl_makes_images(e) && step->bytes)
        memcpy(step->bytes + at * ffcl_image_values(e), l->host_bytes,
               B * ffcl_image_values(e));
    if (step->features)
        ffcl_engine_keep_features(step, at, &l->features);
    for (size_t i = 0; i < B; i++) {
        const char *stage = e->sit && l->flags[i] ? "latent"
                            : ffcl_makes_images(e) && l->flags[e->batch + i] ? "image" : NULL;
        if (step->stages)
            step->stages[at + i] = stage;
        if (stage && step->bad == step->B) {
            step->bad = at + i;
            step->bad_stage = stage;
        }
    }
    return 0;
}

int ffcl_engine_submit(ffcl_engine *e, ffcl_step *step, ffcl_error *err)
{
    e->ctx->err = err;
    step->R = e->R;
    step->bad = step->B;
    step->bad_stage = NULL;
    return send(e, step, 0, step->B);
}

int ffcl_engine_wait(ffcl_engine *e, ffcl_step *step, ffcl_error *err)
{
    e->ctx->err = err;
    return receive(e, step, 0, step->B);
}

int ffcl_engine_run_for(ffcl_engine *e, ffcl_step *step, double seconds, double *share,
                        ffcl_error *err)
{
    ffcl_ctx *ctx = e->ctx;
    ctx->err = err;
    ctx->plan_flops = 0;
    *share = 1;
    e->planned = 0;
    int rc = ready_for(e, step->B, NULL);
    const double all = ctx->plan_flops, now = ffcl_clock();
    ctx->pace.begin = ctx->pace.waited = now;
    ctx->pace.end = now + seconds;
    ctx->pace.done = ctx->pace.begun = 0;
    if (rc == 0)
        rc = ffcl_engine_submit(e, step, err);
    ctx->pace.end = 0;
    if (rc == 0)
        return ffcl_engine_wait(e, step, err);
    if (rc == FFCL_ESTOPPED && ctx->pace.done > 0) {
        *share = fmin(ctx->pace.done / all, 1);
        rc = err->code = 0;
        err->text[0] = '\0';
    }
    return rc;
}

int ffcl_engine_run(ffcl_engine *e, ffcl_step *step, ffcl_error *err)
{
    ffcl_ctx *ctx = e->ctx;
    int rc = 0;
    ctx->err = err;
    step->bad = step->B;
    step->bad_stage = NULL;
    if (!e->sit && e->R != step->R) {
        if (e->R)
            return ffcl_fail(err, FFCL_EUSAGE, "the latent side changed from %zu to %zu", e->R,
                             step->R);
        e->R = step->R;
        e->S = e->R * ffcl_vae_dims_of(e->vae)->upscale;
        const ffcl_engine_wants wants = {.vae = 1, .batch = step->B, .count = step->B};
        rc = plan_for_side(e, &wants);
        if (rc == 0)
            rc = load(e);
    }
    step->R = e->R;
    size_t batch = step->tap ? step->B : e->batch;
    if (rc == 0 && step->tap && (step->B > e->batch || (e->vae && step->B > e->decode_batch)))
        return ffcl_fail(err, FFCL_EDEVMEM, "%zu images do not fit the device at once", step->B);
    for (size_t at = 0; rc == 0 && at < step->B; at += batch) {
        size_t B = ffcl_min(batch, step->B - at);
        rc = send(e, step, at, B);
        if (rc == 0)
            rc = receive(e, step, at, B);
    }
    return rc;
}
