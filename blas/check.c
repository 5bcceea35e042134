/* SPDX-License-Identifier: MIT
 * Does the back end multiply right here?  Asked before its first product: CLBlast 1.4 to 1.6.2 has
 * a kernel that does not for some parameters, and drivers miscompile. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "backend.h"
#include "cl/arena.h"
#include "util.h"
#include "verdict.h"

/* Raise CHECK_VERSION when the check changes: old verdicts are then void. */
enum { CHECK_VERSION = 1, MOST = 1160, REACH = MOST * MOST + 4096 };
/* A result's distance that roundings explain, and more: results are of the size of 1. */
#define MOST_DISTANCE 1e-3

typedef struct trial {
    size_t m, n, k;
    int a_kmajor;
    size_t at;                  /* where each matrix begins: 0, aligned, odd */
} trial;

/* Small ones, which CLBlast gives to its direct kernel; whole and broken tiles of the other; sizes
 * from which CLBlast takes that by itself. */
static const trial trials[] = {
    {1, 131, 77, 0, 0},     {5, 3, 7, 0, 3},          {33, 65, 17, 1, 1024},
    {200, 136, 168, 0, 0},  {200, 136, 168, 1, 1024}, {257, 131, 140, 1, 5},
    {256, 256, 256, 1, 0},  {1030, 1160, 1157, 0, 0}, {1152, 1024, 1160, 1, 0},
};
enum { TRIALS = sizeof trials / sizeof *trials };

typedef struct check {
    cl_mem a, w, out;           /* (REACH) each */
    float *host_a, *host_w;     /* (REACH) noise from -1 to 1 */
    float *host_out;            /* (REACH) */
    double *x, *wx;             /* (MOST) each */
} check;

static ffcl_product product_of(const check *c, const trial *t)
{
    return (ffcl_product){.m = t->m, .n = t->n, .k = t->k, .a = c->a, .a_at = t->at,
                          .a_ld = t->a_kmajor ? t->m : t->k, .a_kmajor = t->a_kmajor, .w = c->w,
                          .w_at = t->at, .w_ld = t->n, .out = c->out, .out_at = t->at,
                          .out_ld = t->n};
}

static float noise(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

static int open_check(ffcl_ctx *ctx, check *c)
{
    uint32_t state = 12345;
    c->host_a = malloc(3 * (size_t)REACH * sizeof(float));
    c->x = malloc(2 * (size_t)MOST * sizeof(double));
    if (!c->host_a || !c->x)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the check of products");
    c->host_w = c->host_a + REACH;
    c->host_out = c->host_w + REACH;
    c->wx = c->x + MOST;
    for (size_t i = 0; i < REACH; i++) {
        c->host_a[i] = noise(&state);
        c->host_w[i] = noise(&state);
        c->host_out[i] = NAN;
    }
    const size_t bytes = REACH * sizeof(float);
    cl_mem *to[] = {&c->a, &c->w, &c->out};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 3; i++) {
        rc = ffcl_buffer_create(ctx, to[i], bytes, "the check of products");
        if (rc == 0)
            rc = ffcl_buffer_write(ctx, *to[i], 0, c->host_a + i * REACH, bytes);
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
    free(c->x);
}

/* Is out what it should be?  out x = A (W x) for a vector x of signs and sizes at random takes M N
 * steps where the product takes M N K, and a wrong element of out makes its row differ. */
static int is_right(const check *c, const trial *t)
{
    uint32_t state = 777;
    for (size_t n = 0; n < t->n; n++) {
        double v = (double)noise(&state);
        c->x[n] = v < 0 ? v * 0.5 - 0.5 : v * 0.5 + 0.5;
    }
    for (size_t k = 0; k < t->k; k++) {
        c->wx[k] = 0.0;
        for (size_t n = 0; n < t->n; n++)
            c->wx[k] += (double)c->host_w[t->at + k * t->n + n] * c->x[n];
    }
    for (size_t m = 0; m < t->m; m++) {
        double got = 0.0, want = 0.0;
        for (size_t n = 0; n < t->n; n++)
            got += (double)c->host_out[m * t->n + n] * c->x[n];
        for (size_t k = 0; k < t->k; k++)
            want += (double)c->host_a[t->at + (t->a_kmajor ? k * t->m + m : m * t->k + k)] *
                    c->wx[k];
        if (!(fabs(got - want) <= MOST_DISTANCE * sqrt((double)t->k)))      /* NaN is wrong, too */
            return 0;
    }
    return 1;
}

/* All trials of a pass: planning, or the real one, which ends at the first wrong result. */
static int run(ffcl_ctx *ctx, const check *c, int *verdict)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && *verdict && i < TRIALS; i++) {
        const ffcl_product p = product_of(c, &trials[i]);
        rc = ctx->blas->gemm(ctx, &p);
        if (rc == 0 && !ctx->planning)
            rc = ffcl_buffer_read(ctx, c->out, p.out_at * sizeof(float), c->host_out,
                                  p.m * p.n * sizeof(float));
        if (rc == 0 && !ctx->planning)
            *verdict = is_right(c, &trials[i]);
    }
    return rc;
}

/* Runs the check with scratch memory of its own, as a plan may be under way. */
static int examine(ffcl_ctx *ctx, int *verdict)
{
    const check nothing = {0};
    check c = {0};
    ffcl_arena *arena = ctx->arena, *own = NULL;
    int planning = ctx->planning, rc = ffcl_arena_open(&own, ctx);
    *verdict = 1;
    ctx->arena = own;
    ctx->planning = 1;
    if (rc == 0)
        rc = run(ctx, &nothing, verdict);
    ctx->planning = 0;
    if (rc == 0)
        rc = ffcl_arena_commit(own);
    if (rc == 0)
        rc = open_check(ctx, &c);
    if (rc == 0)
        rc = run(ctx, &c, verdict);
    if (c.out)
        clFinish(ctx->queue);
    close_check(&c);
    ffcl_arena_close(&own);
    ctx->arena = arena;
    ctx->planning = planning;
    return rc;
}

/* Kept are verdicts on results; what a call ran into may be gone at the next start. */
static int works(ffcl_ctx *ctx, const char *key, char *why, size_t size)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    int verdict = ffcl_verdict_recall(key), rc = 0;
    snprintf(why, size, "computes wrong");
    if (verdict >= 0)
        return verdict;
    ctx->err = &slot;
    rc = examine(ctx, &verdict);
    ctx->err = outer;
    if (rc)
        snprintf(why, size, "fails (%.300s)", slot.text);
    else
        ffcl_verdict_store(key, verdict);
    return rc == 0 && verdict;
}

int ffcl_blas_check(ffcl_ctx *ctx)
{
    char why[400], text[800];
    ctx->blas_checked = 1;
    if (!ctx->blas->describe)
        return 0;
    char *of = ctx->blas->describe(ctx);
    char *key = of ? ffcl_format("products, check %d\n%s", CHECK_VERSION, of) : NULL;
    free(of);
    if (!key)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the check of products");
    if (!works(ctx, key, why, sizeof why)) {
        snprintf(text, sizeof text, "%s %s on %s%s; the built-in products are used instead, which "
                 "are slow (docs/tuning.md)", ctx->blas->name, why, ctx->device.caps.name,
                 *ctx->tuning_id ? " with the parameters of [blas] tuning" : "");
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
        ctx->blas->close(ctx);
        ctx->blas = &ffcl_blas_builtin;
        *ctx->tuning_id = '\0';
    }
    free(key);
    return 0;
}
