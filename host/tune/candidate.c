/* SPDX-License-Identifier: MIT
 * The candidate's process: checks the GEMMs of its job and times them. */
#include "tune/candidate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/arena.h"
#include "cl/context.h"
#include "selfcheck/freivalds.h"
#include "selfcheck/result.h"
#include "util.h"

/* NOISE: floats of noise, which fill the operands again and again; a prime, so that rows differ.
 * CHECKED: the most elements of A that a check reads. */
enum { NOISE = 1048573, LINE = 4096, BLOCKS = 3, CHECKED = 1 << 24 };
/* A block of GEMMs is repeated until it takes this many seconds. */
#define BLOCK 0.02

typedef struct bench {
    ffcl_ctx *ctx;
    cl_mem a, w, out;
    size_t n_a, n_w, n_out;     /* floats */
    float *noise;               /* (NOISE) from -1 to 1 */
} bench;

typedef struct task {
    ffcl_tune_shape shape;
    double limit;               /* ms */
} task;

static int fill(bench *b, cl_mem *to, size_t n)
{
    int rc = ffcl_buffer_create(b->ctx, to, n * sizeof(float), "a candidate");
    for (size_t at = 0; rc == 0 && at < n; at += NOISE)
        rc = ffcl_buffer_write(b->ctx, *to, at * sizeof(float), b->noise,
                               ffcl_min(NOISE, n - at) * sizeof(float));
    return rc;
}

static int open_buffers(bench *b, const task *tasks, size_t n)
{
    unsigned state = 99;
    b->noise = malloc(NOISE * sizeof *b->noise);
    if (!b->noise)
        return FFCL_ENOMEM;
    for (size_t i = 0; i < NOISE; i++)
        b->noise[i] = ffcl_selfcheck_noise(&state);
    for (size_t i = 0; i < n; i++) {
        const ffcl_tune_shape *s = &tasks[i].shape;
        b->n_a = ffcl_max(b->n_a, s->m * s->k);
        b->n_w = ffcl_max(b->n_w, s->k * s->n);
        b->n_out = ffcl_max(b->n_out, s->m * s->n);
    }
    int rc = fill(b, &b->a, b->n_a);
    if (rc == 0)
        rc = fill(b, &b->w, b->n_w);
    return rc ? rc : fill(b, &b->out, b->n_out);
}

static ffcl_matmul matmul_of(const bench *b, const ffcl_tune_shape *s)
{
    const ffcl_tensor a = s->a_kmajor
                              ? ffcl_transposed(ffcl_tensor_of(FFCL_F32, 1, s->k, s->m))
                              : ffcl_tensor_of(FFCL_F32, 1, s->m, s->k);
    return (ffcl_matmul){.out = ffcl_tensor_in(b->out, ffcl_tensor_of(FFCL_F32, 1, s->m, s->n)),
                         .a = ffcl_tensor_in(b->a, a),
                         .w = ffcl_tensor_in(b->w, ffcl_tensor_of(FFCL_F32, 1, s->k, s->n))};
}

/* `times` GEMMs in a row; seconds of one. */
static int run(bench *b, const ffcl_matmul *p, size_t times, double *seconds)
{
    double began = ffcl_clock();
    for (size_t i = 0; i < times; i++) {
        ffcl_arena_rewind(b->ctx->arena);
        ffcl_backend_clblast.gemm(b->ctx, p);
    }
    ffcl_ctx_keep(b->ctx, ffcl_finish(b->ctx));
    *seconds = (ffcl_clock() - began) / (double)times;
    return ffcl_ctx_check(b->ctx);
}

/* Lays out scratch memory and runs the GEMM once, over a result of NaN. */
static int run_first(bench *b, const ffcl_tune_shape *s)
{
    static const float nothing = NAN;
    ffcl_ctx *ctx = b->ctx;
    double seconds;
    const ffcl_matmul p = matmul_of(b, s);
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    ffcl_backend_clblast.gemm(ctx, &p);
    ctx->planning = 0;
    int rc = ffcl_ctx_check(ctx);
    if (rc == 0)
        rc = ffcl_arena_commit(ctx->arena);
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clEnqueueFillBuffer(ctx->queue, b->out, &nothing, sizeof nothing, 0,
                                                   s->m * s->n * sizeof(float), 0, NULL, NULL));
    return rc ? rc : run(b, &p, 1, &seconds);
}

/* Of very long GEMMs some rows and the last ones. */
static int check(bench *b, const ffcl_tune_shape *s, int *right)
{
    size_t n = s->m * s->n;
    float *out = malloc(n * sizeof *out);
    double *x = malloc((s->n + s->k) * sizeof *x);
    int rc = out && x ? ffcl_buffer_read(b->ctx, b->out, 0, out, n * sizeof *out) : FFCL_ENOMEM;
    if (rc == 0)
        *right = ffcl_freivalds_is_right(&(ffcl_freivalds){
            .m = s->m, .n = s->n, .k = s->k, .by_columns = s->a_kmajor, .a = b->noise,
            .w = b->noise, .out = out, .period = NOISE,
            .step = ffcl_max(s->m * s->k / CHECKED, 1), .scratch = x});
    free(out);
    free(x);
    return rc;
}

/* The shortest of some blocks, ms of one GEMM. */
static int measure(bench *b, const ffcl_tune_shape *s, double limit, double *ms)
{
    const ffcl_matmul p = matmul_of(b, s);
    double seconds;
    int rc = run(b, &p, 1, &seconds);
    size_t times = seconds < BLOCK ? (size_t)(BLOCK / fmax(seconds, 1e-6)) + 1 : 1;
    *ms = 1e3 * seconds;
    for (int i = 0; rc == 0 && i < BLOCKS && *ms < 2 * limit; i++) {
        rc = run(b, &p, times, &seconds);
        *ms = fmin(*ms, 1e3 * seconds);
    }
    return rc;
}

static int time_all(bench *b, const task *tasks, size_t n, FILE *out, ffcl_tune_end *end)
{
    int rc = open_buffers(b, tasks, n);
    *end = FFCL_TUNE_TIMED;
    for (size_t i = 0; rc == 0 && *end == FFCL_TUNE_TIMED && i < n; i++) {
        int right = 0;
        double ms = 0;
        rc = run_first(b, &tasks[i].shape);
        if (rc == 0)
            rc = check(b, &tasks[i].shape, &right);
        if (rc == 0 && !right)
            *end = FFCL_TUNE_WRONG;
        if (rc || !right)
            break;
        rc = measure(b, &tasks[i].shape, tasks[i].limit, &ms);
        if (rc == 0 && ms > tasks[i].limit)
            *end = FFCL_TUNE_SLOW;
        if (rc == 0)
            fprintf(out, "ms %.6g\n", ms);
        fflush(out);
    }
    return rc;
}

static int read_job(FILE *in, ffcl_tuning *t, char *select, task *tasks, size_t *n, ffcl_error *err)
{
    char line[LINE];
    int rc = 0;
    *select = '\0';
    *n = 0;
    ffcl_tuning_clear(t);
    while (rc == 0 && fgets(line, sizeof line, in)) {
        task x = {.limit = 0};
        line[strcspn(line, "\n")] = '\0';
        if (!strncmp(line, "device ", 7))
            snprintf(select, 64, "%.60s", line + 7);
        else if (!strncmp(line, "parameters ", 11))
            rc = ffcl_tuning_scan(t, line + 11, err);
        else if (sscanf(line, "shape %zu %zu %zu %d %lf", &x.shape.m, &x.shape.n, &x.shape.k,
                        &x.shape.a_kmajor, &x.limit) == 5 && *n < FFCL_TUNE_SHAPES)
            tasks[(*n)++] = x;
        else
            rc = FFCL_EUSAGE;
    }
    return rc ? rc : *select && *n ? 0 : FFCL_EUSAGE;
}

int ffcl_tune_candidate(FILE *in, FILE *out)
{
    task tasks[FFCL_TUNE_SHAPES];
    char select[64];
    size_t n = 0;
    ffcl_tuning t;
    ffcl_error err = {0, ""};
    ffcl_device device;
    ffcl_tune_end end = FFCL_TUNE_REFUSED;
    bench b = {.ctx = NULL};
    int rc = read_job(in, &t, select, tasks, &n, &err);
    if (rc)
        return FFCL_EUSAGE;
    rc = ffcl_device_select(&device, select, &err);
    if (rc == 0)
        rc = ffcl_ctx_open(&b.ctx, &device, NULL, NULL, &err);
    if (rc == 0) {
        /* CLBlast with these parameters and no others: ffcl_blas_open would add ffcl's own. */
        b.ctx->err = &err;
        rc = ffcl_clblast_apply(b.ctx, &t);
    }
    if (rc == 0)
        rc = time_all(&b, tasks, n, out, &end);
    fprintf(out, "%s\n", ffcl_tune_end_name(rc ? FFCL_TUNE_REFUSED : end));
    /* Nothing is torn down: a driver may hang in that, and the process ends here. */
    return fflush(out) ? FFCL_EOUTPUT : rc;
}
