/* SPDX-License-Identifier: MIT
 * From noise to latents: the moves of a schedule, the evaluations of the SiT, guidance. */
#include <stdlib.h>
#include <string.h>

#include "cl/profile.h"
#include "cl/program.h"
#include "ops/ops.h"
#include "sample/engine_impl.h"
#include "util.h"

/* ---- one batch on the device ------------------------------------------------------------- */

/* Evaluations that may be under way: what a queue holds costs memory. */
enum { MOST_PENDING = 4 };

/* The last evaluations that were sent. */
typedef struct pending {
    cl_event event[MOST_PENDING];
    size_t rows[MOST_PENDING], n;
} pending;

/* An evaluation of so many rows was sent.  Waits for one before it where many are under way. */
static void add_pending(ffcl_engine *e, pending *p, size_t rows)
{
    ffcl_ctx *ctx = e->ctx;
    const size_t at = p->n % MOST_PENDING;
    if (ctx->planning || ctx->status || e->schedule.n_moments <= MOST_PENDING)
        return;
    if (p->event[at]) {
        ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clWaitForEvents(1, &p->event[at])));
        clReleaseEvent(p->event[at]);
        p->event[at] = NULL;
        atomic_fetch_add(&e->evaluated, p->rows[at]);
    }
    if (ctx->status)
        return;
    ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clEnqueueMarkerWithWaitList(ctx->queue, 0, NULL,
                                                                     &p->event[at])));
    ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clFlush(ctx->queue)));
    p->rows[at] = rows;
    p->n++;
}

static void end_pending(ffcl_engine *e, pending *p)
{
    for (size_t i = 0; i < MOST_PENDING; i++) {
        if (!p->event[i])
            continue;
        clReleaseEvent(p->event[i]);
        atomic_fetch_add(&e->evaluated, p->rows[i]);
    }
}

static void copy(ffcl_ctx *ctx, const ffcl_tensor *to, size_t to_bytes, const ffcl_tensor *from,
                 size_t bytes)
{
    if (ctx->planning || ctx->status)
        return;
    ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clEnqueueCopyBuffer(ctx->queue, from->mem, to->mem, 0,
                                                             to_bytes, bytes, 0, NULL,
                                                             ffcl_profile_copy(ctx, "copy",
                                                                               bytes))));
}

/* F (B, C, R*R), the first part of a tensor from the arena: the network's output for x. */
static ffcl_tensor evaluate(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_tensor *x,
                            size_t moment, const ffcl_tensor *scalars, const ffcl_tap *tap)
{
    ffcl_ctx *ctx = e->ctx;
    if (!e->schedule.n_moments || !e->schedule.moments[moment].is_guided) {
        const ffcl_tensor y = ffcl_images(l->y, 0, B);
        ffcl_tensor F = ffcl_take(ctx, ffcl_latents_of(e, B));
        ffcl_sit_forward(e->sit, ctx, &F, x, &y, scalars, moment, tap);
        return F;
    }
    const size_t bytes = B * ffcl_latent_floats(e) * sizeof(float);
    const size_t guided = e->cfg->sampler.cfg == FFCL_CFG_THREE ? ffcl_min(3, e->C) : e->C;
    const ffcl_tensor y = ffcl_images(l->y, 0, 2 * B);
    ffcl_tensor F = ffcl_take(ctx, ffcl_latents_of(e, 2 * B));
    ffcl_tensor twice = ffcl_take(ctx, ffcl_latents_of(e, 2 * B));
    copy(ctx, &twice, 0, x, bytes);
    copy(ctx, &twice, bytes, x, bytes);
    ffcl_sit_forward(e->sit, ctx, &F, &twice, &y, NULL, moment, tap);
    const ffcl_tensor out = ffcl_images(F, 0, B);
    ffcl_latent_guide(ctx, &out, &F, (float)e->cfg->sampler.guidance, guided);
    ffcl_give(ctx, &twice);
    return F;
}

/* Sends later noise k of images at .. at+B-1 to the device. */
static void send_noise(ffcl_engine *e, size_t B, const ffcl_step *step, size_t at, size_t k)
{
    ffcl_ctx *ctx = e->ctx;
    const size_t n = ffcl_latent_floats(e), bytes = B * n * sizeof(float);
    if (ctx->planning || ctx->status)
        return;
    ffcl_ctx_keep(ctx, FFCL_CL(ctx->err, clEnqueueWriteBuffer(
        ctx->queue, e->noise.mem, CL_FALSE, 0, bytes, step->noise + (k * step->B + at) * n, 0, NULL,
        ffcl_profile_copy(ctx, "write", bytes))));
}

/* latent = z + update F(z, scalars, y), of a step that brings the scalars. */
static void run_once(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step, size_t at,
                     const ffcl_tensor *scalars)
{
    ffcl_ctx *ctx = e->ctx;
    const ffcl_tensor z = ffcl_images(l->z, 0, B);
    ffcl_tensor F = evaluate(e, l, B, &z, 0, scalars, step->tap);
    ffcl_engine_fetch(ctx, &F, step->F ? step->F + at * ffcl_latent_floats(e) : NULL);
    ffcl_latent_update(ctx, &(ffcl_latent_update_desc){
        .out = ffcl_images(e->latent, 0, B), .bad = ffcl_images(e->flags, 0, B), .x = z, .F = &F,
        .cx = 1.0f, .cF = (float)e->cfg->model.update});
    ffcl_give(ctx, &F);
}

/* The moves of the schedule: latent, from z. */
static void run_moves(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step,
                      size_t at)
{
    ffcl_ctx *ctx = e->ctx;
    const ffcl_schedule *s = &e->schedule;
    const ffcl_tensor bad = ffcl_images(e->flags, 0, B), noise = ffcl_images(e->noise, 0, B);
    ffcl_tensor x = ffcl_images(l->z, 0, B), y = {0};
    pending p = {.n = 0};
    if (s->uses_y)
        y = ffcl_take(ctx, ffcl_latents_of(e, B));
    for (size_t i = 0; i < s->n_moves; i++) {
        const ffcl_move *m = &s->moves[i];
        ffcl_tensor F = {0};
        if (m->moment >= 0)
            F = evaluate(e, l, B, m->reads_y ? &y : &x, (size_t)m->moment, NULL, step->tap);
        const ffcl_tensor first = ffcl_images(F, 0, B);
        if (m->moment == 0)
            ffcl_engine_fetch(ctx, &first, step->F ? step->F + at * ffcl_latent_floats(e) : NULL);
        if (m->noise_index >= 0)
            send_noise(e, B, step, at, (size_t)m->noise_index);
        const ffcl_tensor to = m->to_y ? y : ffcl_images(e->latent, 0, B);
        ffcl_latent_update(ctx, &(ffcl_latent_update_desc){
            .out = to, .bad = bad, .x = x, .y = m->y != 0 ? &y : NULL,
            .F = m->moment >= 0 ? &first : NULL, .noise = m->noise_index >= 0 ? &noise : NULL,
            .cx = (float)m->x, .cy = (float)m->y, .cF = (float)m->F, .cn = (float)m->noise});
        if (!m->to_y)
            x = to;
        if (m->moment >= 0)
            add_pending(e, &p, B * (s->moments[m->moment].is_guided ? 2 : 1));
        ffcl_give(ctx, &F);
    }
    ffcl_give(ctx, &y);
    end_pending(e, &p);
}

void ffcl_engine_run_sit(ffcl_engine *e, const ffcl_lane *l, size_t B, const ffcl_step *step,
                         size_t at)
{
    ffcl_ctx *ctx = e->ctx;
    ffcl_profile_stage(ctx, "SiT");
    if (e->schedule.n_moves) {
        run_moves(e, l, B, step, at);
        return;
    }
    ffcl_tensor *scalars = calloc(e->inputs + 1, sizeof *scalars);
    if (!scalars)
        ffcl_ctx_fail(ctx, FFCL_ENOMEM, "out of memory for a batch");
    for (size_t i = 0; scalars && i < e->inputs; i++)
        scalars[i] = ffcl_images(l->scalars[i], 0, B);
    if (scalars)
        run_once(e, l, B, step, at, scalars);
    free(scalars);
}

/* ---- the schedule ------------------------------------------------------------------------- */

/* Samplers of velocities know nothing of a step's end. */
static int check_solver(const ffcl_engine *e, ffcl_error *err)
{
    const ffcl_solver solver = e->cfg->sampler.solver;
    for (size_t i = 0; i < ffcl_sit_dims_of(e->sit)->embedders; i++) {
        const ffcl_condition *c = ffcl_sit_condition(e->sit, i);
        if (c->kind == FFCL_INPUT_OMEGA && e->cfg->sampler.guidance == 0)
            return ffcl_fail(err, FFCL_ECONFIG, "[sampler] guidance = 0: %s of %s is fed with 1 - "
                             "1 / guidance", c->prefix, e->cfg->model.checkpoint);
        const int is_map = c->kind == FFCL_INPUT_R || c->kind == FFCL_INPUT_DELTA || c->has_second;
        if (is_map && solver != FFCL_SOLVER_EULER && solver != FFCL_SOLVER_RENOISE)
            return ffcl_fail(err, FFCL_ECONFIG, "[sampler] solver: heun and SDEs are for "
                             "velocities, and %s of %s is fed with the end of the step: set euler "
                             "or renoise",
                             c->prefix, e->cfg->model.checkpoint);
    }
    return 0;
}

int ffcl_engine_open_schedule(ffcl_engine *e, ffcl_error *err)
{
    int rc = check_solver(e, err);
    ffcl_schedule_close(&e->schedule);
    if (rc == 0)
        rc = ffcl_schedule_open(&e->schedule, e->cfg, err);
    e->is_guided = 0;
    for (size_t i = 0; rc == 0 && i < e->schedule.n_moments; i++)
        e->is_guided |= e->schedule.moments[i].is_guided;
    const ffcl_sit_dims *d = ffcl_sit_dims_of(e->sit);
    if (rc == 0 && e->is_guided && d->classes == d->rows)
        rc = ffcl_fail(err, FFCL_ECONFIG, "[sampler] cfg needs a null class, and the label table "
                       "of %s has none: set guidance to 1, cfg to none, or [model] null_class to "
                       "last", e->cfg->model.checkpoint);
    return rc;
}

int ffcl_engine_create_noise(ffcl_engine *e)
{
    return e->noise.mem ? 0 : ffcl_buffer_create(e->ctx, &e->noise.mem,
                                                 ffcl_count(&e->noise) * sizeof(float), "noise");
}

/* values (inputs, moments) of the embedders. */
static void fill_inputs(const ffcl_engine *e, float *values)
{
    const ffcl_schedule *s = &e->schedule;
    const size_t n = ffcl_sit_dims_of(e->sit)->embedders, all = ffcl_sit_inputs(e->sit);
    for (size_t i = 0; i < all; i++) {
        const ffcl_condition *c = ffcl_sit_condition(e->sit, i % n);
        const ffcl_input_kind kind = i >= n && c->has_second ? c->second : c->kind;
        for (size_t k = 0; k < s->n_moments; k++)
            *values++ = (float)ffcl_schedule_input(e->cfg, &s->moments[k], kind, c->number);
    }
}

int ffcl_engine_fix_scalars(ffcl_engine *e)
{
    ffcl_ctx *ctx = e->ctx;
    const size_t moments = e->schedule.n_moments;
    float *values = calloc(ffcl_sit_inputs(e->sit) * moments + 1, sizeof *values);
    if (!values)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the embedders");
    fill_inputs(e, values);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    int rc = ffcl_sit_fix(e->sit, ctx, values, moments);
    ctx->planning = 0;
    e->planned = 0;
    if (rc == 0)
        rc = ffcl_arena_commit(ctx->arena);
    ffcl_arena_rewind(ctx->arena);
    if (rc == 0)
        rc = ffcl_sit_fix(e->sit, ctx, values, moments);
    free(values);
    return rc;
}

int ffcl_engine_reschedule(ffcl_engine *e, const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_config *copied = NULL;
    int rc = ffcl_config_copy(&copied, cfg, err);
    if (rc)
        return rc;
    ffcl_config_close(&e->cfg);
    e->cfg = copied;
    e->ctx->err = err;
    rc = ffcl_engine_open_schedule(e, err);
    if (rc == 0 && e->schedule.n_noise)
        rc = ffcl_engine_create_noise(e);
    if (rc == 0)
        rc = ffcl_engine_plan(e, e->batch, NULL);
    if (rc == 0)
        rc = ffcl_programs_build(e->ctx);
    ffcl_sit_unfix(e->sit);
    return rc ? rc : ffcl_engine_fix_scalars(e);
}

const ffcl_schedule *ffcl_engine_schedule(const ffcl_engine *engine)
{
    return engine->schedule.n_moves ? &engine->schedule : NULL;
}

size_t ffcl_engine_evaluated(const ffcl_engine *engine)
{
    return atomic_load(&engine->evaluated);
}

void ffcl_engine_tensors(const ffcl_engine *engine, int vae, char *text, size_t size)
{
    if (vae && engine->vae)
        ffcl_vae_describe(engine->vae, text, size);
    else if (!vae && engine->sit)
        ffcl_sit_describe(engine->sit, text, size);
    else
        snprintf(text, size, "none");
}

void ffcl_engine_library(const ffcl_engine *engine, char *text, size_t size)
{
    ffcl_blas_library(engine->ctx, text, size);
}

const char *ffcl_engine_prefix(const ffcl_engine *engine)
{
    return engine->sit ? ffcl_sit_prefix(engine->sit) : "";
}

const ffcl_config *ffcl_engine_config(const ffcl_engine *engine)
{
    return engine->cfg;
}
