/* SPDX-License-Identifier: MIT
 * The trial's result: recalled, or found by a process of its own and kept. */
#include "selfcheck/trial.h"

#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/binary_cache.h"
#include "cl/program.h"
#include "os/child.h"
#include "selfcheck/trial_job.h"
#include "util.h"

/* Raise CHECK_VERSION when the trial or its bounds change: old results are then void. */
enum { CHECK_VERSION = 3, SECONDS = 60, ANSWER = 1 << 16 };

static const char *const ends[FFCL_TRIAL_ENDS] = {
    [FFCL_TRIAL_RIGHT] = "right", [FFCL_TRIAL_WRONG] = "wrong", [FFCL_TRIAL_REFUSED] = "refused",
    [FFCL_TRIAL_CRASHED_IN_BUILD] = "crashed-in-build", [FFCL_TRIAL_CRASHED] = "crashed",
    [FFCL_TRIAL_HUNG] = "hung"};

/* All that the result depends on: the job without the place of the device, the library, its tuning,
 * and what the binaries of all programs depend on. */
static int key_of(ffcl_ctx *ctx, const ffcl_trial *t, char **key)
{
    ffcl_programs *programs = ctx->programs, *own = NULL;
    ffcl_arena *arena = ctx->arena, *scratch = NULL;
    const ffcl_matrix_unit unit = ctx->matrix_unit;
    const int prefers_blocked = ctx->blas->prefers_blocked, large = ctx->large_registers;
    char *names = NULL, *job = ffcl_trial_job_text(ctx, t);
    ffcl_tuning_home home;
    *key = NULL;
    int rc = ffcl_programs_open(&own, ctx);
    if (rc == 0)
        rc = ffcl_arena_open(&scratch, ctx);
    if (rc == 0) {
        ctx->programs = own;
        ctx->arena = scratch;
        ffcl_trial_plan(ctx, t->calls, t->unit);
        rc = ffcl_ctx_check(ctx);
    }
    if (rc == 0)
        rc = ffcl_programs_key(ctx, &names);
    ffcl_clblast_home(ctx, &home);
    if (rc == 0 && job)
        *key = ffcl_format("trial %d\n%s\ndevice %s\nplatform %s\ndriver %s\nlibrary %s, %s, "
                           "tuning %s\n%s", CHECK_VERSION, strchr(job, '\n'), home.device,
                           home.platform, home.driver, home.library, ctx->blas->backend->name,
                           ctx->blas->tuning, names);
    if (rc == 0 && !*key)
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a trial's key");
    ctx->programs = programs;
    ctx->arena = arena;
    ctx->matrix_unit = unit;
    ctx->blas->prefers_blocked = prefers_blocked;
    ctx->large_registers = large;
    ffcl_programs_close(&own);
    ffcl_arena_close(&scratch);
    free(names);
    free(job);
    return rc;
}

/* "right 1 2 3 4 large seconds detail". */
static int scan(const char *text, ffcl_trial_result *r)
{
    char word[20];
    int used = 0;
    *r = (ffcl_trial_result){.end = FFCL_TRIAL_ENDS};
    if (sscanf(text, "%19s %lf %lf %lf %lf %d %lf%n", word, &r->ms[0], &r->ms[1], &r->ms[2],
               &r->ms[3], &r->large, &r->seconds, &used) != 7)
        return 0;
    for (int i = 0; i < FFCL_TRIAL_ENDS; i++)
        if (strcmp(word, ends[i]) == 0)
            r->end = (ffcl_trial_end)i;
    snprintf(r->detail, sizeof r->detail, "%.190s", text[used] == ' ' ? text + used + 1 : "");
    return r->end != FFCL_TRIAL_ENDS;
}

static void keep(const char *key, const ffcl_trial_result *r)
{
    char *text = ffcl_format("%s %.6g %.6g %.6g %.6g %d %.3g %s", ends[r->end], r->ms[0], r->ms[1],
                             r->ms[2], r->ms[3], r->large, r->seconds, r->detail);
    if (text)
        ffcl_binary_store(key, (const unsigned char *)text, strlen(text));
    free(text);
}

int ffcl_trial_recall(ffcl_ctx *ctx, const ffcl_trial *t, ffcl_trial_result *r)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    char *key = NULL, text[400];
    size_t size = 0;
    int found = 0;
    ctx->err = &slot;
    if (key_of(ctx, t, &key) == 0) {
        unsigned char *stored = ffcl_binary_load(key, &size);
        if (stored) {
            snprintf(text, sizeof text, "%.*s", (int)ffcl_min(size, sizeof text - 1),
                     (const char *)stored);
            found = scan(text, r);
        }
        free(stored);
    }
    ctx->err = outer;
    free(key);
    return found;
}

/* What the process answered until it ended. */
static void understand(const ffcl_trial *t, const ffcl_child *child, char *text,
                       ffcl_trial_result *r)
{
    char *rest = NULL, stage[16] = "";
    int is_right = 0, is_told = 0, is_large = 0;
    double usual = 0, large = 0;    /* ms of the calls that have kernels for either */
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        int road, used = 0;
        double ms;
        if (sscanf(line, "time %d %lf %n", &road, &ms, &used) == 2 && road >= 0 &&
            road <= FFCL_ROAD_LARGE) {
            if (road < FFCL_ROADS)
                r->ms[road] += ms;
            if (road < FFCL_ROADS && t->visit)
                t->visit(t->user, line);
            usual += road == FFCL_ROAD_UNIT && strncmp(line + used, "attention", 9) ? ms : 0;
            large += road == FFCL_ROAD_LARGE ? ms : 0;
        } else if (is_right) {
            is_large |= !strcmp(line, "large");
        } else if (!strncmp(line, "wrong ", 6) || !strncmp(line, "refused ", 8)) {
            is_told = 1;
            r->end = *line == 'w' ? FFCL_TRIAL_WRONG : FFCL_TRIAL_REFUSED;
            snprintf(r->detail, sizeof r->detail, "%.190s", strchr(line, ' ') + 1);
        } else if (!strcmp(line, "right")) {
            is_right = 1;
        } else {
            sscanf(line, "stage %15s", stage);
        }
    }
    r->large = is_large && large < usual;
    if (child->end == FFCL_CHILD_HUNG && !is_right)
        r->end = FFCL_TRIAL_HUNG;
    else if (is_right || is_told)
        r->end = is_told ? r->end : FFCL_TRIAL_RIGHT;
    else
        r->end = !strcmp(stage, "build") ? FFCL_TRIAL_CRASHED_IN_BUILD : FFCL_TRIAL_CRASHED;
}

static double limit(void)
{
    const char *wish = getenv("FFCL_TRIAL_SECONDS");
    const double seconds = wish ? strtod(wish, NULL) : 0;
    return seconds > 0 ? seconds : SECONDS;
}

int ffcl_trial_make(ffcl_ctx *ctx, const ffcl_trial *t, ffcl_trial_result *r)
{
    char *key = NULL, *job = ffcl_trial_job_text(ctx, t), *answer = malloc(ANSWER);
    *r = (ffcl_trial_result){.end = FFCL_TRIAL_CRASHED};
    int rc = job && answer ? key_of(ctx, t, &key)
                           : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a trial");
    if (rc == 0) {
        ffcl_child child = {.program = t->program, .command = "unit-trial", .job = job,
                            .seconds = limit(), .answer = answer, .size = ANSWER};
        rc = ffcl_child_run(&child, ctx->err);
        r->seconds = child.took;
        if (rc == 0) {
            understand(t, &child, answer, r);
            keep(key, r);
        }
    }
    free(answer);
    free(job);
    free(key);
    return rc;
}

void ffcl_trial_end_text(const ffcl_trial_result *r, char *text, size_t size)
{
    static const char *const words[FFCL_TRIAL_ENDS] = {
        [FFCL_TRIAL_RIGHT] = "is right", [FFCL_TRIAL_WRONG] = "computes wrong: ",
        [FFCL_TRIAL_REFUSED] = "cannot be used: ",
        [FFCL_TRIAL_CRASHED_IN_BUILD] = "crashed the driver's compiler",
        [FFCL_TRIAL_CRASHED] = "crashed the driver", [FFCL_TRIAL_HUNG] = "took longer than "};
    char limit_text[32] = "";
    if (r->end == FFCL_TRIAL_HUNG)
        snprintf(limit_text, sizeof limit_text, "%.0f s", limit());
    snprintf(text, size, "%s%s%s", words[r->end], limit_text,
             r->end == FFCL_TRIAL_WRONG || r->end == FFCL_TRIAL_REFUSED ? r->detail : "");
}
