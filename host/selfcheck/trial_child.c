/* SPDX-License-Identifier: MIT
 * The trial's process: computes the calls of its job on every road, compares and times them.
 * Answers, a line each, flushed at once so that a crash leaves what was found: "stage build",
 * "stage run", "time ROAD MS CALL", "wrong ...", "refused ...", "right", and after that, of what is
 * only faster, "large". */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/program.h"
#include "selfcheck/gemm.h"
#include "selfcheck/numbers.h"
#include "selfcheck/result.h"
#include "selfcheck/trial_job.h"
#include "util.h"

/* NOISE: floats of noise, which fill operands again and again; a prime, so that rows differ. */
enum { NOISE = 1048573, BLOCKS = 3 };
/* A block of calls is repeated until it takes this many seconds. */
#define BLOCK 0.015
#define LONG 0.5

typedef struct bench {
    ffcl_ctx *ctx;
    ffcl_matrix_unit unit;
    ffcl_tensor staging;        /* (NOISE) float32 */
    float *noise, *some;        /* (NOISE) from -1 to 1; scratch */
    FILE *out;
    int is_wrong;
} bench;

/* ---- operands ------------------------------------------------------------------------------- */

static int create(bench *b, ffcl_tensor *t, size_t count)
{
    return ffcl_buffer_create(b->ctx, &t->mem, count * ffcl_dtype_bytes(t->dtype), "a trial");
}

/* count elements of noise into t, whatever its layout. */
static int fill(bench *b, ffcl_tensor *t, size_t count, float scale)
{
    int rc = create(b, t, count);
    for (size_t i = 0; i < NOISE; i++)
        b->some[i] = scale * b->noise[i];
    for (size_t at = 0; rc == 0 && at < count; at += NOISE) {
        const size_t n = ffcl_min(NOISE, count - at);
        const int half = t->dtype == FFCL_F16;
        rc = ffcl_buffer_write(b->ctx, half ? b->staging.mem : t->mem,
                               half ? 0 : at * sizeof(float), b->some, n * sizeof(float));
        if (rc || !half)
            continue;
        ffcl_tensor part = ffcl_tensor_in(t->mem, ffcl_tensor_of(FFCL_F16, 1, 1, n));
        const ffcl_tensor floats = ffcl_tensor_in(b->staging.mem,
                                                  ffcl_tensor_of(FFCL_F32, 1, 1, n));
        part.at = at;
        ffcl_cast(b->ctx, &part, &floats);
    }
    return rc ? rc : ffcl_ctx_check(b->ctx);
}

/* A half weight (K, N) in tiles, its padding 0, as weights of a file are laid out. */
static int fill_tiles(bench *b, ffcl_tensor *t, float scale)
{
    const size_t K = t->rows, N = t->cols, count = ffcl_tiled_count(N, K);
    const size_t rows = ffcl_max(NOISE / K, 1);
    int rc = create(b, t, count);
    if (rc == 0)
        rc = ffcl_buffer_zero(b->ctx, t->mem, count * ffcl_dtype_bytes(FFCL_F16));
    for (size_t i = 0; i < NOISE; i++)
        b->some[i] = scale * b->noise[i];
    for (size_t n = 0; rc == 0 && n < N; n += rows) {
        const ffcl_tensor from = ffcl_tensor_in(
            b->staging.mem, ffcl_tensor_of(FFCL_F32, 1, ffcl_min(rows, N - n), K));
        rc = ffcl_buffer_write(b->ctx, b->staging.mem, 0, b->some,
                               ffcl_count(&from) * sizeof(float));
        if (rc == 0)
            ffcl_cast_to_tiles(b->ctx, t, &from, n);
    }
    return rc ? rc : ffcl_ctx_check(b->ctx);
}

/* Part i of a convolution's weight, laid out by the host. */
static int fill_part(bench *b, ffcl_conv_weight *w, size_t i, const float *from, float *laid)
{
    const size_t each = ffcl_conv_part_count(w);
    ffcl_tensor staged = ffcl_tensor_of(FFCL_F32, 1, 1, each);
    ffcl_conv_fill(w, i, from, laid);
    if (w->dtype == FFCL_F32)
        return ffcl_buffer_write(b->ctx, w->weight[i].mem, 0, laid, each * sizeof(float));
    int rc = create(b, &staged, each);
    if (rc == 0)
        rc = ffcl_buffer_write(b->ctx, staged.mem, 0, laid, each * sizeof(float));
    if (rc == 0) {
        ffcl_conv_load_part(b->ctx, w, i, &staged);
        ffcl_ctx_keep(b->ctx, ffcl_finish(b->ctx));
        rc = ffcl_ctx_check(b->ctx);
    }
    if (staged.mem)
        clReleaseMemObject(staged.mem);
    return rc;
}

static int fill_conv(bench *b, ffcl_conv_weight *w)
{
    const size_t n = w->out * w->in * w->side * w->side, parts = ffcl_conv_parts(w);
    size_t count = 0;
    const size_t buffers = ffcl_conv_buffers(w, &count);
    float *from = malloc((n + ffcl_conv_part_count(w)) * sizeof *from);
    int rc = from ? fill(b, &w->bias, ffcl_count(&w->bias), 0.125f)
                  : ffcl_fail(b->ctx->err, FFCL_ENOMEM, "out of memory for a trial");
    for (size_t i = 0; rc == 0 && i < n; i++)
        from[i] = 0.125f * b->noise[i % NOISE];
    for (size_t i = 0; rc == 0 && i < buffers; i++)
        rc = create(b, &w->weight[i], count);
    for (size_t i = 0; rc == 0 && i < parts; i++)
        rc = fill_part(b, w, i, from, from + n);
    if (rc == 0 && !parts) {
        ffcl_tensor staged = ffcl_tensor_of(FFCL_F32, 1, 1, n);
        rc = create(b, &staged, n);
        if (rc == 0)
            rc = ffcl_buffer_write(b->ctx, staged.mem, 0, from, n * sizeof(float));
        if (rc == 0) {
            ffcl_conv_load_channels(b->ctx, w, 0, w->out, &staged);
            ffcl_ctx_keep(b->ctx, ffcl_finish(b->ctx));
            rc = ffcl_ctx_check(b->ctx);
        }
        if (staged.mem)
            clReleaseMemObject(staged.mem);
    }
    free(from);
    return rc;
}

/* A result of which every element is NaN before it is computed. */
static int poison(bench *b, ffcl_tensor *t)
{
    static const cl_uint nothing = 0xffffffffu;
    const size_t bytes = ffcl_round_up(ffcl_count(t) * ffcl_dtype_bytes(t->dtype), sizeof nothing);
    ffcl_ctx *ctx = b->ctx;
    int rc = ffcl_buffer_create(ctx, &t->mem, bytes, "a trial");
    return rc ? rc : FFCL_CL(ctx->err, clEnqueueFillBuffer(ctx->queue, t->mem, &nothing,
                                                           sizeof nothing, 0, bytes, 0, NULL,
                                                           NULL));
}

static int open_operands(bench *b, const ffcl_trial_call *c, ffcl_dtype dtype,
                         ffcl_trial_operands *o)
{
    ffcl_trial_shape(b->ctx, c, dtype, o);
    int rc = fill(b, &o->a, ffcl_count(&o->a), 1.0f);
    if (rc == 0)
        rc = poison(b, &o->out);
    if (rc == 0 && o->add.cols)
        rc = fill(b, &o->add, ffcl_count(&o->add), 1.0f);
    if (rc == 0 && c->kind == FFCL_TRIAL_CONV)
        return fill_conv(b, &o->conv);
    if (rc == 0 && c->kind == FFCL_TRIAL_GEMM) {
        rc = o->w.layout == FFCL_TILES ? fill_tiles(b, &o->w, 0.125f)
                                       : fill(b, &o->w, ffcl_count(&o->w), 0.125f);
        if (rc == 0)
            rc = fill(b, &o->bias, ffcl_count(&o->bias), 0.125f);
        if (rc == 0)
            rc = fill(b, &o->gate, ffcl_count(&o->gate), 1.0f);
    }
    return rc;
}

static void close_operands(ffcl_trial_operands *o)
{
    cl_mem all[] = {o->out.mem, o->a.mem, o->w.mem, o->bias.mem, o->gate.mem, o->add.mem,
                    o->conv.bias.mem, o->conv.weight[0].mem, o->conv.weight[1].mem,
                    o->conv.weight[2].mem, o->conv.weight[3].mem};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            clReleaseMemObject(all[i]);
    memset(o, 0, sizeof *o);
}

/* ---- running -------------------------------------------------------------------------------- */

static int run(bench *b, const ffcl_trial_call *c, const ffcl_trial_operands *o, size_t times,
               double *seconds)
{
    const double began = ffcl_clock();
    for (size_t i = 0; i < times; i++) {
        ffcl_arena_rewind(b->ctx->arena);
        ffcl_trial_call_run(b->ctx, c, o);
    }
    ffcl_ctx_keep(b->ctx, ffcl_finish(b->ctx));
    *seconds = (ffcl_clock() - began) / (double)times;
    return ffcl_ctx_check(b->ctx);
}

/* Lays out scratch memory and runs the call once. */
static int run_first(bench *b, const ffcl_trial_call *c, const ffcl_trial_operands *o,
                     double *seconds)
{
    ffcl_ctx *ctx = b->ctx;
    ffcl_arena_reset(ctx->arena);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    ffcl_trial_call_run(ctx, c, o);
    ctx->planning = 0;
    int rc = ffcl_ctx_check(ctx);
    if (rc == 0)
        rc = ffcl_arena_commit(ctx->arena);
    if (rc == 0)
        rc = ffcl_finish(ctx);
    return rc ? rc : run(b, c, o, 1, seconds);
}

/* The shortest of some blocks; of what takes long, one more call. */
static int measure(bench *b, const ffcl_trial_call *c, const ffcl_trial_operands *o, double *ms)
{
    double seconds, best = 1e30;
    int rc = run(b, c, o, 1, &seconds);
    const size_t times = seconds < BLOCK ? (size_t)(BLOCK / fmax(seconds, 1e-6)) + 1 : 1;
    best = seconds;
    for (int i = 1; rc == 0 && i < BLOCKS && best < 10 * BLOCK; i++) {
        rc = run(b, c, o, times, &seconds);
        best = fmin(best, seconds);
    }
    *ms = 1e3 * best;
    return rc;
}

/* ---- comparing ------------------------------------------------------------------------------ */

/* n elements of t from `at` on, as float32. */
static int fetch(bench *b, const ffcl_tensor *t, size_t at, size_t n, float *to)
{
    if (t->dtype == FFCL_F32)
        return ffcl_buffer_read(b->ctx, t->mem, at * sizeof(float), to, n * sizeof(float));
    /* Into the second half of the floats, which are then written from the first on. */
    uint16_t *halves = (uint16_t *)to + n;
    int rc = ffcl_buffer_read(b->ctx, t->mem, at * sizeof *halves, halves, n * sizeof *halves);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        uint16_t half;
        memcpy(&half, &halves[i], sizeof half);
        to[i] = ffcl_half_to_float(half);
    }
    return rc;
}

/* Products that make up an element. */
static size_t products_of(const ffcl_trial_call *c)
{
    const unsigned *n = c->n;
    return c->kind == FFCL_TRIAL_CONV ? (size_t)n[5] * n[5] * n[3]
           : c->kind == FFCL_TRIAL_ATTENTION ? n[1] : n[3];
}

/* Both roads accumulate in float32, so that the order of sums, the truncation of a matrix unit, a
 * unit in the last place every 16 products (NVIDIA's, towards zero), and one rounding to half are
 * all that may differ; one product of a sum that is left out is off by 0.03 in the mean. */
static int is_close(double got, double want, ffcl_dtype dtype, size_t products)
{
    const double relative = dtype == FFCL_F16 ? 2e-3 : 1e-5 + (double)products / 16 * 0x1p-23;
    return fabs(got - want) <= 3e-4 + relative * fabs(want);        /* NaN is not */
}

/* got against want, every element. */
static int compare(bench *b, const ffcl_trial_call *c, const ffcl_tensor *got,
                   const ffcl_tensor *want)
{
    const size_t count = ffcl_count(got), products = products_of(c);
    size_t bad = 0, first = 0;
    double first_got = 0, first_want = 0;
    char text[96];
    int rc = 0;
    float *right = malloc(NOISE * sizeof *right);
    if (!right)
        return ffcl_fail(b->ctx->err, FFCL_ENOMEM, "out of memory for a trial");
    for (size_t at = 0; rc == 0 && at < count; at += NOISE) {
        const size_t n = ffcl_min(NOISE, count - at);
        rc = fetch(b, got, at, n, b->some);
        if (rc == 0)
            rc = fetch(b, want, at, n, right);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            if (is_close(b->some[i], right[i], got->dtype, products))
                continue;
            if (!bad++) {
                first = at + i;
                first_got = b->some[i];
                first_want = right[i];
            }
        }
    }
    free(right);
    if (rc == 0 && bad) {
        b->is_wrong = 1;
        ffcl_trial_text(c, text, sizeof text);
        fprintf(b->out, "wrong %s, %zu of %zu elements, the first (%zu) %.6g for %.6g\n", text,
                bad, count, first, first_got, first_want);
    }
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void answer(bench *b, const ffcl_trial_call *c, ffcl_trial_road road, double ms)
{
    char text[96];
    ffcl_trial_text(c, text, sizeof text);
    fprintf(b->out, "time %d %.6g %s\n", (int)road, (double)c->count * ms, text);
    fflush(b->out);
}

/* What the matrix unit made of a call: with and without batch_invariant, which takes other ways to
 * cut a GEMM. */
typedef struct kept {
    ffcl_tensor out[2];
} kept;

static void close_kept(kept *k)
{
    for (int i = 0; i < 2; i++)
        if (k->out[i].mem)
            clReleaseMemObject(k->out[i].mem);
    memset(k, 0, sizeof *k);
}

/* Keeps o's result, and one that is computed with batch_invariant. */
static int keep_results(bench *b, const ffcl_trial_call *c, ffcl_trial_operands *o, kept *k)
{
    double seconds;
    k->out[0] = o->out;
    o->out.mem = NULL;
    int rc = poison(b, &o->out);
    b->ctx->batch_invariant = 1;
    if (rc == 0)
        rc = run_first(b, c, o, &seconds);
    b->ctx->batch_invariant = 0;
    k->out[1] = o->out;
    o->out.mem = NULL;
    return rc;
}

/* Computes and times a call on a road of its own; *ms of one. */
static int try_road(bench *b, const ffcl_trial_call *c, ffcl_trial_road road, kept *k, double *ms)
{
    ffcl_trial_operands o = {0};
    double first = 0;
    int rc = open_operands(b, c, ffcl_trial_dtype(road), &o);
    if (rc == 0)
        rc = run_first(b, c, &o, &first);
    for (int i = 0; rc == 0 && !b->is_wrong && road == FFCL_ROAD_PLAIN && i < 2; i++)
        if (k->out[i].mem)
            rc = compare(b, c, &k->out[i], &o.out);
    /* Where the plain kernel takes long, its first call says enough. */
    if (rc == 0 && road == FFCL_ROAD_PLAIN && first > LONG)
        *ms = 1e3 * first;
    else if (rc == 0)
        rc = measure(b, c, &o, ms);
    if (rc == 0 && road == FFCL_ROAD_UNIT)
        rc = keep_results(b, c, &o, k);
    close_operands(&o);
    return rc;
}

/* Times one call on the roads from .. to; where both half roads are among them, compares them. */
static int try_call(bench *b, const ffcl_trial_call *c, ffcl_trial_road from, ffcl_trial_road to)
{
    kept k = {0};
    double ms = 0;
    int rc = 0, is_passed_over = 0;
    for (int road = from; rc == 0 && road <= (int)to && !b->is_wrong; road++) {
        ffcl_trial_enter(b->ctx, (ffcl_trial_road)road, b->unit);
        const int differs = ffcl_trial_differs(b->ctx, c, (ffcl_trial_road)road);
        /* As on the plain road, which comes next; or as on the road before. */
        if (!differs && road == FFCL_ROAD_UNIT) {
            is_passed_over = 1;
            continue;
        }
        if (differs)
            rc = try_road(b, c, (ffcl_trial_road)road, &k, &ms);
        if (rc == 0 && !b->is_wrong)
            answer(b, c, (ffcl_trial_road)road, ms);
        if (rc == 0 && !b->is_wrong && is_passed_over)
            answer(b, c, FFCL_ROAD_UNIT, ms);
    }
    close_kept(&k);
    return rc;
}

static int open_bench(bench *b)
{
    unsigned state = 4711;
    b->noise = malloc(2 * (size_t)NOISE * sizeof *b->noise);
    if (!b->noise)
        return ffcl_fail(b->ctx->err, FFCL_ENOMEM, "out of memory for a trial");
    b->some = b->noise + NOISE;
    for (size_t i = 0; i < NOISE; i++)
        b->noise[i] = ffcl_selfcheck_noise(&state);
    b->staging = ffcl_tensor_of(FFCL_F32, 1, 1, NOISE);
    return create(b, &b->staging, NOISE);
}

/* Plans all calls of float32, or with the unit those of half too, and builds their programs. */
static int build(bench *b, const ffcl_trial_calls *calls, ffcl_matrix_unit unit)
{
    fprintf(b->out, unit == FFCL_UNIT_NONE ? "stage prepare\n" : "stage build\n");
    fflush(b->out);
    ffcl_trial_plan(b->ctx, calls, unit);
    int rc = ffcl_ctx_check(b->ctx);
    if (rc == 0)
        rc = ffcl_programs_build(b->ctx);
    fprintf(b->out, unit == FFCL_UNIT_NONE ? "stage float32\n" : "stage run\n");
    fflush(b->out);
    return rc;
}

static int try_all(bench *b, const ffcl_trial_calls *calls)
{
    int rc = build(b, calls, FFCL_UNIT_NONE);
    for (size_t i = 0; rc == 0 && i < calls->n; i++)
        rc = try_call(b, &calls->list[i], FFCL_ROAD_LIBRARY, FFCL_ROAD_OWN);
    if (rc || b->unit == FFCL_UNIT_NONE)
        return rc;
    rc = build(b, calls, b->unit);
    for (size_t i = 0; rc == 0 && !b->is_wrong && i < calls->n; i++)
        rc = try_call(b, &calls->list[i], FFCL_ROAD_UNIT, FFCL_ROAD_PLAIN);
    return rc;
}

/* The same with Intel's large register file, compared with what the unit computed without. */
static int try_large(bench *b, const ffcl_trial_call *c)
{
    ffcl_trial_operands o = {0};
    ffcl_tensor usual = {0};
    double ms = 0, first;
    int rc = 0;
    for (int large = 0; rc == 0 && large < 2; large++) {
        ffcl_trial_enter(b->ctx, large ? FFCL_ROAD_LARGE : FFCL_ROAD_UNIT, b->unit);
        rc = open_operands(b, c, FFCL_F16, &o);
        if (rc == 0)
            rc = run_first(b, c, &o, &first);
        if (rc == 0 && large)
            rc = compare(b, c, &o.out, &usual);
        if (rc == 0 && large)
            rc = measure(b, c, &o, &ms);
        if (!large) {
            usual = o.out;
            o.out.mem = NULL;
        }
        close_operands(&o);
    }
    if (usual.mem)
        clReleaseMemObject(usual.mem);
    if (rc == 0 && !b->is_wrong)
        answer(b, c, FFCL_ROAD_LARGE, ms);
    return rc;
}

static void try_all_large(bench *b, const ffcl_trial_calls *calls)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && !b->is_wrong && i < calls->n; i++)
        if (ffcl_trial_differs(b->ctx, &calls->list[i], FFCL_ROAD_LARGE))
            rc = try_large(b, &calls->list[i]);
    if (rc == 0 && !b->is_wrong)
        fprintf(b->out, "large\n");
}

int ffcl_unit_trial(FILE *in, FILE *out)
{
    ffcl_trial_job job;
    ffcl_error err = {0, ""};
    ffcl_device device;
    bench b = {.out = out};
    if (ffcl_trial_job_read(&job, in))
        return FFCL_EUSAGE;
    b.unit = (ffcl_matrix_unit)job.unit;
    int rc = ffcl_device_select(&device, job.device, &err);
    if (rc == 0)
        rc = ffcl_ctx_open(&b.ctx, &device, NULL, NULL, &err);
    if (rc == 0) {
        b.ctx->err = &err;
        rc = ffcl_blas_open(b.ctx, &(ffcl_blas_options){
            .name = "clblast", .tuning = job.tuning, .check = ffcl_selfcheck_gemm});
    }
    if (rc == 0) {
        ffcl_selfcheck_numbers(b.ctx);
        ffcl_selfcheck_blocked(b.ctx);
    }
    if (rc == 0)
        rc = open_bench(&b);
    if (rc == 0)
        rc = try_all(&b, &job.calls);
    if (rc)
        fprintf(out, "refused %.*s\n", (int)strcspn(err.text, "\n"), err.text);
    else if (!b.is_wrong)
        fprintf(out, "right\n");
    fflush(out);
    /* Whatever becomes of this, the unit is right. */
    if (rc == 0 && !b.is_wrong && ffcl_trial_has_large(b.unit))
        try_all_large(&b, &job.calls);
    /* Nothing is torn down: a driver may hang in that, and the process ends here. */
    return fflush(out) ? FFCL_EOUTPUT : 0;
}
