/* SPDX-License-Identifier: MIT */
#include "selfcheck/gemm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"
#include "cl/program.h"
#include "selfcheck/freivalds.h"
#include "selfcheck/result.h"
#include "util.h"

/* Raise CHECK_VERSION when the check changes: old results are then void.
 * MOST: the largest m, n and k of a trial; SIZE: elements of every buffer. */
enum { CHECK_VERSION = 2, MOST = 1160, SIZE = MOST * MOST + 4096 };

typedef struct trial {
    size_t m, n, k;
    int by_columns;             /* A lies so */
    size_t at;                  /* where each matrix begins: 0, aligned, odd */
} trial;

/* Small ones, for which CLBlast takes its direct kernel; whole and partial tiles of its other
 * kernel; sizes for which it always takes that one. */
static const trial trials[] = {
    {1, 131, 77, 0, 0},     {5, 3, 7, 0, 3},          {33, 65, 17, 1, 1024},
    {200, 136, 168, 0, 0},  {200, 136, 168, 1, 1024}, {257, 131, 140, 1, 5},
    {256, 256, 256, 1, 0},  {1030, 1160, 1157, 0, 0}, {1152, 1024, 1160, 1, 0},
};
enum { TRIALS = sizeof trials / sizeof *trials };

typedef struct check {
    cl_mem a, w, out;           /* (SIZE) each */
    float *host_a, *host_w;     /* (SIZE) noise from -1 to 1 */
    float *host_out;            /* (SIZE) */
    double *scratch;            /* (2 * MOST) */
} check;

static ffcl_tensor matrix(cl_mem mem, size_t at, size_t rows, size_t cols)
{
    ffcl_tensor t = ffcl_tensor_in(mem, ffcl_tensor_of(FFCL_F32, 1, rows, cols));
    t.at = at;
    return t;
}

static ffcl_matmul matmul_of(const check *c, const trial *t)
{
    return (ffcl_matmul){.out = matrix(c->out, t->at, t->m, t->n),
                         .a = t->by_columns ? ffcl_transposed(matrix(c->a, t->at, t->k, t->m))
                                            : matrix(c->a, t->at, t->m, t->k),
                         .w = matrix(c->w, t->at, t->k, t->n)};
}

static int open_check(ffcl_ctx *ctx, check *c)
{
    unsigned state = 12345;
    c->host_a = malloc(3 * (size_t)SIZE * sizeof(float));
    c->scratch = malloc(2 * (size_t)MOST * sizeof(double));
    if (!c->host_a || !c->scratch)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the check of the GEMM library");
    c->host_w = c->host_a + SIZE;
    c->host_out = c->host_w + SIZE;
    for (size_t i = 0; i < SIZE; i++) {
        c->host_a[i] = ffcl_selfcheck_noise(&state);
        c->host_w[i] = ffcl_selfcheck_noise(&state);
        c->host_out[i] = NAN;
    }
    const size_t bytes = SIZE * sizeof(float);
    cl_mem *to[] = {&c->a, &c->w, &c->out};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc = ffcl_buffer_create(ctx, to[i], bytes, "the check of the GEMM library");
        if (rc == 0)
            rc = ffcl_buffer_write(ctx, *to[i], 0, c->host_a + i * SIZE, bytes);
    }
    return rc;
}

static void close_check(check *c)
{
    cl_mem all[] = {c->a, c->w, c->out};
    for (size_t i = 0; i < 3; i++)
        if (all[i])
            clReleaseMemObject(all[i]);
    free(c->host_a);
    free(c->scratch);
}

static int is_right(const check *c, const trial *t)
{
    return ffcl_freivalds_is_right(&(ffcl_freivalds){
        .m = t->m, .n = t->n, .k = t->k, .by_columns = t->by_columns, .a = c->host_a + t->at,
        .w = c->host_w + t->at, .out = c->host_out, .step = 1, .scratch = c->scratch});
}

/* A GEMM that is checked: the open back end's, or ffcl's own. */
typedef void gemm(ffcl_ctx *ctx, const ffcl_matmul *p);

/* Plans or runs all trials; a run ends at the first wrong result. */
static void run(ffcl_ctx *ctx, const check *c, gemm *compute, int *passed)
{
    for (size_t i = 0; !ctx->status && *passed && i < TRIALS; i++) {
        const ffcl_matmul p = matmul_of(c, &trials[i]);
        compute(ctx, &p);
        if (ctx->planning || ctx->status)
            continue;
        ffcl_ctx_keep(ctx, ffcl_buffer_read(ctx, c->out, p.out.at * sizeof(float), c->host_out,
                                            ffcl_count(&p.out) * sizeof(float)));
        *passed = is_right(c, &trials[i]);
    }
}

/* Names the programs and takes the scratch memory of all trials. */
static int plan(ffcl_ctx *ctx, gemm *compute)
{
    const check nothing = {0};
    int passed = 1;
    ctx->planning = 1;
    run(ctx, &nothing, compute, &passed);
    ctx->planning = 0;
    return ffcl_ctx_check(ctx);
}

/* Runs the check in an arena of its own, as it may be called in the middle of a planning pass. */
static int examine(ffcl_ctx *ctx, gemm *compute, int *passed)
{
    check c = {0};
    ffcl_arena *arena = ctx->arena, *own = NULL;
    int planning = ctx->planning, rc = ffcl_arena_open(&own, ctx);
    *passed = 1;
    if (rc)
        return rc;
    ctx->arena = own;
    rc = plan(ctx, compute);
    if (rc == 0)
        rc = ffcl_arena_commit(own);
    if (rc == 0)
        rc = open_check(ctx, &c);
    if (rc == 0) {
        run(ctx, &c, compute, passed);
        rc = ffcl_ctx_check(ctx);
    }
    if (c.out)
        clFinish(ctx->queue);
    close_check(&c);
    ffcl_arena_close(&own);
    ctx->arena = arena;
    ctx->planning = planning;
    return rc;
}

/* Is the GEMM right?  Only results are kept; an error of a call may not come again at the next
 * start, so the check is then repeated. */
static int works(ffcl_ctx *ctx, gemm *compute, const char *key, char *why, size_t size)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    int passed = ctx->recheck ? -1 : ffcl_selfcheck_recall(key), rc = 0;
    snprintf(why, size, "computes wrong");
    if (passed >= 0)
        return passed;
    ctx->err = &slot;
    rc = examine(ctx, compute, &passed);
    ctx->err = outer;
    if (rc)
        snprintf(why, size, "fails (%.300s)", slot.text);
    else
        ffcl_selfcheck_keep(key, passed);
    return rc == 0 && passed;
}

int ffcl_selfcheck_gemm(ffcl_ctx *ctx)
{
    const ffcl_backend *backend = ctx->blas->backend;
    char why[400], text[800];
    char *of = backend->describe(ctx);
    char *key = of ? ffcl_format("GEMM library, check %d\n%s", CHECK_VERSION, of) : NULL;
    free(of);
    if (!key)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the check of the GEMM library");
    if (!works(ctx, backend->gemm, key, why, sizeof why)) {
        snprintf(text, sizeof text, "%s %s on %s%s; the built-in GEMM is used instead, which is "
                 "slow (docs/tuning.md)", backend->name, why, ctx->device.caps.name,
                 *ctx->blas->tuning ? " with the parameters of [blas] tuning" : "");
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
        ffcl_blas_fall_back(ctx);
    }
    free(key);
    return 0;
}

/* An even number of columns as a batch of two GEMMs, half of the columns each. */
static void blocked(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t half = p->w.cols / 2;
    ffcl_matmul two = *p;
    if (p->w.cols % 2 == 0) {
        two.w = ffcl_cols(p->w, 0, half);
        two.out = ffcl_cols(p->out, 0, half);
        two.a.batch = two.w.batch = two.out.batch = 2;
        two.w.stride = two.out.stride = half;
        two.a.stride = 0;
    }
    ffcl_blocked_gemm(ctx, &two);
}

/* The key has the kernel's programs, which a plan names in a list of its own: where the result is
 * known, none of them is loaded. */
static int check_blocked(ffcl_ctx *ctx, char *why, size_t size)
{
    ffcl_programs *programs = ctx->programs, *own = NULL;
    ffcl_arena *arena = ctx->arena, *scratch = NULL;
    char *names = NULL, *key = NULL;
    int passed = 0, rc = ffcl_programs_open(&own, ctx);
    if (rc == 0)
        rc = ffcl_arena_open(&scratch, ctx);
    if (rc == 0) {
        ctx->programs = own;
        ctx->arena = scratch;
        rc = plan(ctx, blocked);
    }
    if (rc == 0)
        rc = ffcl_programs_key(ctx, &names);
    if (rc == 0)
        key = ffcl_format("GEMM for GPUs, check %d\n%s", CHECK_VERSION, names);
    if (key)
        passed = works(ctx, blocked, key, why, size);
    ctx->programs = programs;
    ctx->arena = arena;
    ffcl_programs_close(&own);
    ffcl_arena_close(&scratch);
    free(names);
    free(key);
    return passed;
}

void ffcl_selfcheck_blocked(ffcl_ctx *ctx)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    char why[400] = "cannot be checked", text[1200];
    if (ffcl_is_cpu(ctx) || !ffcl_blocked_can(ctx))
        return;
    ctx->err = &slot;
    ctx->blas->has_blocked = check_blocked(ctx, why, sizeof why);
    /* Measured on NVIDIA's GPUs; on others a trial decides (host/selfcheck/choice.c). */
    ctx->blas->prefers_blocked = ctx->blas->has_blocked && ctx->device.caps.nv_compute;
    ctx->err = outer;
    if (!ctx->blas->has_blocked) {
        snprintf(text, sizeof text, "ffcl's own GEMM for GPUs %s on %s; %s is used instead", why,
                 ctx->device.caps.name, ffcl_blas_name(ctx));
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
    }
}
