/* SPDX-License-Identifier: MIT */
#include "selfcheck/choice.h"

#include <math.h>
#include <string.h>

#include "backend.h"
#include "selfcheck/gemm.h"
#include "selfcheck/numbers.h"
#include "selfcheck/units.h"
#include "util.h"

static int is(const char *text, const char *word)
{
    return strcmp(text ? text : "auto", word) == 0;
}

ffcl_matrix_unit ffcl_unit_on_trial(const ffcl_ctx *ctx)
{
    for (int unit = FFCL_UNIT_WMMA; unit <= FFCL_UNIT_DPAS16; unit++)
        if (ffcl_unit_listed(ctx, (ffcl_matrix_unit)unit))
            return (ffcl_matrix_unit)unit;
    return FFCL_UNIT_NONE;
}

/* The faster of the float32 roads that were timed; 0: none was. */
static double float32_ms(const ffcl_trial_result *r)
{
    const double library = r->ms[FFCL_ROAD_LIBRARY], own = r->ms[FFCL_ROAD_OWN];
    return library > 0 && own > 0 ? fmin(library, own) : fmax(library, own);
}

int ffcl_trial_wins(const ffcl_trial_result *r, ffcl_half_wish half, char *reason,
                    size_t size)
{
    const double own = r->ms[FFCL_ROAD_OWN];
    double plain = half == FFCL_HALF_ALWAYS ? r->ms[FFCL_ROAD_PLAIN] : float32_ms(r);
    const char *than = half == FFCL_HALF_ALWAYS ? "half without it" : "float32";
    if (r->end != FFCL_TRIAL_RIGHT) {
        ffcl_trial_end_text(r, reason, size);
        return 0;
    }
    /* Without the unit half operands take that GEMM, too, whose half results a trial does not
     * compare: Winograd's half weights round otherwise. */
    if (half == FFCL_HALF_ALWAYS && own > 0)
        plain = fmin(plain, own);
    const double ratio = plain / r->ms[FFCL_ROAD_UNIT];
    snprintf(reason, size, "is right and takes %.2f of the time of %s", 1.0 / ratio, than);
    return ratio > 1.0;
}

/* The calls that a trial is about. */
static void find_calls(ffcl_ctx *ctx, const ffcl_choice *c, ffcl_trial_calls *calls)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    calls->n = 0;
    ctx->err = &slot;
    if (!c->calls || c->calls(c->user, calls) || !calls->n)
        ffcl_trial_xl2(calls);
    ctx->err = outer;
}

/* The trial's result; 0: there is none.  *is_new: it was made now. */
static int result_of(ffcl_ctx *ctx, const ffcl_trial *t, ffcl_trial_result *r, int *is_new)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    char text[400];
    *is_new = 0;
    if (ffcl_trial_recall(ctx, t, r))
        return 1;
    const char *unit = ffcl_unit_name(t->unit);
    const char *what = *unit ? "its matrix unit and its GEMMs" : "its GEMMs";
    if (!t->program) {
        snprintf(text, sizeof text, "%s has not been tried for %s, so the plain ones are used: "
                 "ffcl selfcheck tries them", ctx->device.caps.name, what);
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
        return 0;
    }
    snprintf(text, sizeof text, "trying %s for %s, once for this driver and model; at most a "
             "minute", ctx->device.caps.name, what);
    ffcl_report(ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
    ctx->err = &slot;
    int rc = ffcl_trial_make(ctx, t, r);
    ctx->err = outer;
    *is_new = rc == 0;
    if (rc) {
        snprintf(text, sizeof text, "the trial could not be made: %.300s", slot.text);
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
    }
    return rc == 0;
}

/* Single float32 GEMMs by ffcl's own, where the trial says that this is faster. */
static void choose_own(ffcl_ctx *ctx, const ffcl_trial_result *r, int is_new)
{
    const double library = r->ms[FFCL_ROAD_LIBRARY], own = r->ms[FFCL_ROAD_OWN];
    char text[300];
    if (!ctx->blas->has_blocked || library <= 0 || own <= 0)
        return;
    ctx->blas->prefers_blocked = own < library;
    snprintf(text, sizeof text, "ffcl's own float32 GEMM takes %.2f of %s's time on %s: %s is used",
             own / library, ffcl_blas_name(ctx), ctx->device.caps.name,
             own < library ? "it" : ffcl_blas_name(ctx));
    if (is_new)
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
}

/* Uses the unit where its trial says so and the short check of each start agrees. */
static void choose_unit(ffcl_ctx *ctx, const ffcl_choice *c, ffcl_matrix_unit unit,
                        const ffcl_trial_result *r, int is_new)
{
    char reason[300], text[500];
    int wins = ffcl_trial_wins(r, c->half, reason, sizeof reason);
    ctx->large_registers = wins && r->large;
    if (wins && !ffcl_unit_check_again(ctx, unit)) {
        snprintf(reason, sizeof reason, "was right in its trial and fails the check of this start");
        wins = 0;
        is_new = 1;
    }
    if (wins) {
        ctx->matrix_unit = unit;
        ffcl_gemm_leave_own(ctx);
    }
    snprintf(text, sizeof text, "the matrix unit %s %.280s: %s", ffcl_unit_name(unit), reason,
             wins ? "it is used" : "it is not used (ffcl selfcheck tries it again)");
    if (is_new || (!wins && r->end != FFCL_TRIAL_RIGHT))
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, text, 0, 0);
}

/* [blas] backend = auto leaves the choice to measuring, tuning = off all but a unit's. */
static void try_out(ffcl_ctx *ctx, const ffcl_choice *c)
{
    ffcl_trial_calls calls;
    ffcl_trial_result result;
    int is_new;
    ffcl_matrix_unit unit = c->half == FFCL_HALF_NEVER ? FFCL_UNIT_NONE : ffcl_unit_on_trial(ctx);
    const int asks_own = ctx->blas->has_blocked && !ctx->blas->prefers_blocked &&
                         c->tuning && !is(c->tuning, "off");
    if (c->no_units || c->unchecked || ffcl_is_cpu(ctx) ||
        (unit == FFCL_UNIT_NONE && !asks_own))
        return;
    find_calls(ctx, c, &calls);
    const ffcl_trial trial = {.program = c->program, .unit = unit, .tuning = c->tuning,
                              .calls = &calls};
    if (!result_of(ctx, &trial, &result, &is_new))
        return;
    if (asks_own)
        choose_own(ctx, &result, is_new);
    if (unit != FFCL_UNIT_NONE)
        choose_unit(ctx, c, unit, &result, is_new);
}

/* A unit of AMD or Intel that is asked for by name is tried, too, but need not be fast. */
static int try_named(ffcl_ctx *ctx, const ffcl_choice *c)
{
    const ffcl_matrix_unit unit = ffcl_unit_on_trial(ctx);
    ffcl_trial_calls calls;
    ffcl_trial_result result;
    char reason[300];
    int is_new;
    if (unit == FFCL_UNIT_NONE || !is(c->backend, ffcl_unit_name(unit)) || !c->program)
        return 0;
    find_calls(ctx, c, &calls);
    const ffcl_trial trial = {.program = c->program, .unit = unit, .tuning = c->tuning,
                              .calls = &calls};
    if (!result_of(ctx, &trial, &result, &is_new))
        return 0;
    ctx->large_registers = result.end == FFCL_TRIAL_RIGHT && result.large;
    if (result.end == FFCL_TRIAL_RIGHT)
        return 0;
    ffcl_trial_end_text(&result, reason, sizeof reason);
    return ffcl_fail(ctx->err, FFCL_EDEVICE, "[blas] backend = %s: the matrix unit of %s %s; "
                     "ffcl selfcheck tries it again", ffcl_unit_name(unit), ctx->device.caps.name,
                     reason);
}

static void check_blocked_half(ffcl_ctx *ctx)
{
    char text[1200];
    if (ffcl_is_cpu(ctx) || !ffcl_gemm_mixes(ctx) || ffcl_selfcheck_blocked_half(ctx))
        return;
    snprintf(text, sizeof text, "ffcl's own GEMM for GPUs computes wrong with half operands on %s; "
             "the plain kernel is used instead, which is slow", ctx->device.caps.name);
    ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
}

int ffcl_choose_gemms(ffcl_ctx *ctx, const ffcl_choice *c)
{
    const char *backend = c->backend ? c->backend : "auto";
    const char *library = c->library && !is(c->library, "auto") ? c->library : NULL;
    int rc = ffcl_blas_open(ctx, &(ffcl_blas_options){
        .name = backend, .library = library, .tuning = c->tuning,
        .check = c->unchecked ? NULL : ffcl_selfcheck_gemm});
    if (rc == 0 && (c->half == FFCL_HALF_ALWAYS || !ffcl_is_cpu(ctx)))
        ffcl_selfcheck_numbers(ctx);
    const int asks_units = c->half != FFCL_HALF_NEVER && !c->no_units;
    if (rc == 0 && asks_units && !c->unchecked)
        rc = try_named(ctx, c);
    if (rc == 0 && asks_units)
        rc = ffcl_selfcheck_units(ctx, backend, c->head);
    /* Beside tensor cores too little is left; a back end that is asked for by name computes all of
     * float32. */
    if (rc || ctx->matrix_unit != FFCL_UNIT_NONE)
        return rc;
    if (c->half != FFCL_HALF_NEVER && !is(backend, "builtin"))
        check_blocked_half(ctx);
    if (!is(backend, "auto"))
        return 0;
    ffcl_selfcheck_blocked(ctx);
    if (c->half != FFCL_HALF_ALWAYS || ffcl_unit_on_trial(ctx) != FFCL_UNIT_NONE)
        try_out(ctx, c);
    return 0;
}
