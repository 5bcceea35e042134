/* SPDX-License-Identifier: MIT
 * ffcl selfcheck: every self-check of a device anew, the trial of its matrix unit and GEMMs, and
 * what follows from them. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "config.h"
#include "sample/engine.h"
#include "selfcheck/choice.h"
#include "selfcheck/gemm.h"
#include "selfcheck/half.h"
#include "selfcheck/numbers.h"
#include "selfcheck/units.h"
#include "util.h"

typedef struct row {
    char call[96];
    double ms[FFCL_ROADS];
} row;

typedef struct report {
    const ffcl_config *cfg;
    const ffcl_observer *obs;
    ffcl_selfcheck_visitor *visit;
    void *user;
    ffcl_error *err;
    row rows[FFCL_TRIAL_CALLS];
    size_t n_rows;
    size_t checks, failed;
} report;

static void say(const report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(const report *r, const char *format, ...)
{
    char line[600];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    r->visit(r->user, line);
}

/* A check's line; what fails is counted. */
static void judge(report *r, const char *what, int passed)
{
    r->checks++;
    r->failed += !passed;
    say(r, "    %-28s %s", what, passed ? "right" : "FAILED, and not used");
}

/* "time ROAD MS CALL" of the trial. */
static void see_time(void *user, const char *line)
{
    report *r = user;
    int road, used = 0;
    double ms;
    if (sscanf(line, "time %d %lf %n", &road, &ms, &used) != 2)
        return;
    size_t i = 0;
    while (i < r->n_rows && strcmp(r->rows[i].call, line + used))
        i++;
    if (i == FFCL_TRIAL_CALLS)
        return;
    if (i == r->n_rows)
        snprintf(r->rows[r->n_rows++].call, sizeof r->rows[i].call, "%.95s", line + used);
    r->rows[i].ms[road] += ms;
}

static void print_row(const report *r, const char *call, const double *ms)
{
    char cells[FFCL_ROADS][16];
    for (int k = 0; k < FFCL_ROADS; k++)
        snprintf(cells[k], sizeof cells[k], ms[k] > 0 ? "%.3f" : "-", ms[k]);
    say(r, "    %-42s %9s %9s %9s %9s", call, cells[0], cells[1], cells[2], cells[3]);
}

static void print_times(const report *r, const ffcl_trial_result *result, const char *unit)
{
    if (!r->n_rows)
        return;
    say(r, "    %-42s %19s %19s", "ms, all calls of passes over 1 and 4 images", "float32:",
        "half:");
    say(r, "    %-42s %9s %9s %9s %9s", "", "library", "own", *unit ? unit : "unit", "plain");
    for (size_t i = 0; i < r->n_rows; i++)
        print_row(r, r->rows[i].call, r->rows[i].ms);
    print_row(r, "sum", result->ms);
}

/* The calls of cfg's model, or of XL/2. */
static int find_calls(report *r, const ffcl_device *device, ffcl_trial_calls *calls)
{
    ffcl_config *own = NULL;
    calls->n = 0;
    if (!r->cfg->path) {
        ffcl_trial_xl2(calls);
        return 0;
    }
    int rc = ffcl_config_copy(&own, r->cfg, r->err);
    if (rc == 0)
        rc = ffcl_config_set(own, "blas.backend=clblast", r->err);
    if (rc == 0)
        rc = ffcl_config_set(own, "precision.compute=float32", r->err);
    if (rc == 0)
        rc = ffcl_engine_trial_calls(own, device, calls, NULL, r->err);
    ffcl_config_close(&own);
    return rc;
}

static int try_device(report *r, ffcl_ctx *ctx)
{
    static const ffcl_half_wish wishes[] = {[FFCL_PRECISION_AUTO] = FFCL_HALF_IF_FAST,
                                            [FFCL_PRECISION_FLOAT32] = FFCL_HALF_NEVER,
                                            [FFCL_PRECISION_HALF] = FFCL_HALF_ALWAYS};
    ffcl_trial_calls calls;
    ffcl_trial_result result;
    const ffcl_matrix_unit listed = ffcl_unit_on_trial(ctx);
    const ffcl_matrix_unit unit = listed != FFCL_UNIT_NONE ? listed : ctx->matrix_unit;
    ffcl_half_wish half = wishes[r->cfg->precision.compute];
    const char *name = ffcl_unit_name(unit);
    char reason[300], what[64];
    if (half == FFCL_HALF_NEVER)
        half = FFCL_HALF_IF_FAST;
    int rc = find_calls(r, &ctx->device, &calls);
    const ffcl_trial trial = {.program = r->cfg->trial_program, .unit = unit,
                              .tuning = r->cfg->blas.tuning, .calls = &calls, .visit = see_time,
                              .user = r};
    if (rc == 0)
        rc = ffcl_trial_make(ctx, &trial, &result);
    if (rc)
        return rc;
    print_times(r, &result, name);
    if (unit == FFCL_UNIT_NONE)
        return 0;
    const int wins = ffcl_trial_wins(&result, half, reason, sizeof reason);
    snprintf(what, sizeof what, "matrix unit %s, by trial", name);
    judge(r, what, result.end == FFCL_TRIAL_RIGHT);
    say(r, "    it %s: precision.compute = auto %s it (%.1f s)", reason,
        wins ? "takes" : "leaves", result.seconds);
    if (result.large)
        say(r, "    with twice the registers a work-item it is faster still");
    return 0;
}

/* Tensor cores are known by their capability; their check alone decides. */
static void check_cores(report *r, ffcl_ctx *ctx)
{
    static const ffcl_matrix_unit units[] = {FFCL_UNIT_MMA, FFCL_UNIT_WGMMA};
    char what[64];
    for (size_t i = 0; i < 2; i++) {
        if (!ffcl_unit_listed(ctx, units[i]))
            continue;
        snprintf(what, sizeof what, "tensor cores, %s", ffcl_unit_name(units[i]));
        const int passed = ffcl_unit_check_again(ctx, units[i]);
        judge(r, what, passed);
        if (passed)
            ctx->matrix_unit = units[i];
    }
}

/* No kernel but those of matrix units needs it, so that its want is no failure. */
static void check_half(report *r, ffcl_ctx *ctx)
{
    static const char *const words[] = {
        [FFCL_HALF_NONE] = "none", [FFCL_HALF_BY_PRAGMA] = "right, though it is not listed",
        [FFCL_HALF_LISTED] = "right", [FFCL_HALF_LISTED_WRONG] = "listed, and FAILED"};
    const ffcl_half_arithmetic half = ffcl_selfcheck_half(ctx);
    r->checks += half != FFCL_HALF_NONE;
    r->failed += half == FFCL_HALF_LISTED_WRONG;
    say(r, "    %-28s %s", "half arithmetic", words[half]);
}

static int check_device(report *r, const ffcl_device *device)
{
    const ffcl_caps *caps = &device->caps;
    ffcl_ctx *ctx = NULL;
    char what[128];
    say(r, "[%zu] %s (%s, %s, driver %s)", device->index, caps->name, ffcl_device_kind(caps),
        caps->platform, caps->driver);
    int rc = ffcl_ctx_open(&ctx, device, r->obs, NULL, r->err);
    if (rc)
        return rc;
    ctx->err = r->err;
    ctx->recheck = 1;
    r->n_rows = 0;
    const char *library = r->cfg->blas.library;
    rc = ffcl_blas_open(ctx, &(ffcl_blas_options){
        .name = "auto", .library = strcmp(library, "auto") ? library : NULL,
        .tuning = r->cfg->blas.tuning});
    if (rc == 0) {
        snprintf(what, sizeof what, "%.90s, float32 GEMM", ffcl_blas_name(ctx));
        if (ctx->blas->backend->describe)
            rc = ffcl_selfcheck_gemm(ctx);
        judge(r, what, ctx->blas->backend != &ffcl_backend_builtin);
    }
    if (rc == 0) {
        check_half(r, ctx);
        ffcl_selfcheck_numbers(ctx);
        judge(r, "rounding to half", !strstr(ctx->number_options, "ROUND_HALF"));
        judge(r, "native functions for half", !strstr(ctx->number_options, "NO_NATIVE"));
    }
    if (rc == 0 && !ffcl_is_cpu(ctx)) {
        ffcl_selfcheck_blocked(ctx);
        judge(r, "ffcl's own float32 GEMM", ctx->blas->has_blocked);
        judge(r, "the same with half operands", ffcl_selfcheck_blocked_half(ctx));
        check_cores(r, ctx);
    }
    const int has_unit = ctx->matrix_unit != FFCL_UNIT_NONE ||
                         ffcl_unit_on_trial(ctx) != FFCL_UNIT_NONE;
    if (rc == 0 && !has_unit)
        say(r, "    %-28s none that ffcl knows", "matrix unit");
    if (rc == 0 && !ffcl_is_cpu(ctx))
        rc = try_device(r, ctx);
    ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
    return rc;
}

int ffcl_selfcheck(const ffcl_config *cfg, const ffcl_observer *obs, ffcl_selfcheck_visitor *visit,
                   void *user, ffcl_error *err)
{
    ffcl_device *list = NULL;
    size_t n = 0;
    report *r = calloc(1, sizeof *r);
    if (!r)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the self-check");
    *r = (report){.cfg = cfg, .obs = obs, .visit = visit, .user = user, .err = err};
    int rc = ffcl_device_select_all(&list, &n, cfg->device.select, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = check_device(r, &list[i]);
    if (rc == 0 && r->failed)
        rc = ffcl_fail(err, FFCL_EVERIFY, "%zu of %zu self-checks failed: what they are about is "
                       "not used, images are right without it", r->failed, r->checks);
    free(list);
    free(r);
    return rc;
}
