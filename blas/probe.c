/* SPDX-License-Identifier: MIT
 * May the matrix engine's kernels be used?  Decided by capability and by results, never by name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/arena.h"
#include "cl/launch.h"
#include "ops/ops.h"
#include "util.h"
#include "verdict.h"

/* mma.sync on halves with cp.async from 8.0 on; wgmma in 9.0 alone. */
enum { MMA_CAPABILITY = 80, WGMMA_CAPABILITY = 90 };
/* Raise CHECK_VERSION when the check or its tolerances change: old verdicts are then void.
 * REACH: halves of an operand, floats of a result, and more than any trial takes. */
enum { CHECK_VERSION = 3, REACH = 1 << 18 };

typedef struct probe {
    cl_mem a, w, bias;          /* noise: REACH halves, REACH halves, REACH floats */
    cl_mem out, wide;           /* a result, and a half one as floats */
    float *host[2];             /* (REACH) by the plain kernels, and by the engine's */
} probe;

/* A computation by the engine that ctx has, or, where it has none, by plain kernels. */
typedef struct trial {
    size_t n;                   /* results */
    int half;                   /* they are half */
    double most;                /* relative distance of the two that roundings explain, and more */
    int (*run)(ffcl_ctx *ctx, const probe *p);
    int wgmma_only;
} trial;

/* Both accumulate in float32; only the order of the sums differs. */
static int try_product(ffcl_ctx *ctx, const probe *p)
{
    enum { M = 200, N = 136, K = 168 };
    const ffcl_product product = {
        .m = M, .n = N, .k = K, .a = p->a, .a_ld = K, .w = p->w, .out = p->out, .out_ld = N,
        .epilogue = {.has_bias = 1, .bias = p->bias, .act = FFCL_ACT_GELU}, .half = 1};
    return ffcl_half_gemm(ctx, &product, NULL);
}

static int try_conv(ffcl_ctx *ctx, const probe *p)
{
    enum { SIDE = 24, C = 128, COUT = 40 };    /* enough channels to be shared out */
    const ffcl_conv_weight w = {.kind = FFCL_CONV_COLUMNS, .in = C, .out = COUT, .side = 3,
                                .store = FFCL_STORE_HALF, .weight = {p->w}, .bias = p->bias};
    const ffcl_halo halo = {0};
    return ctx->matrix_engine ? ffcl_halo_conv(ctx, p->out, p->a, &w, 1, SIDE, SIDE, &halo)
                              : ffcl_conv(ctx, p->out, p->a, &w, 1, SIDE, SIDE, 0, NULL);
}

static int attend(ffcl_ctx *ctx, const probe *p, size_t Dh)
{
    return ffcl_attention(ctx, p->out, p->a, 1, 200, 2, Dh, FFCL_STORE_HALF,
                          ctx->matrix_engine ? FFCL_ATTENTION_WGMMA : FFCL_ATTENTION_ROW);
}

static int try_attention_64(ffcl_ctx *ctx, const probe *p)
{
    return attend(ctx, p, 64);
}

static int try_attention_72(ffcl_ctx *ctx, const probe *p)
{
    return attend(ctx, p, 72);
}

static const trial trials[] = {
    {200 * 136, 0, 1e-5, try_product, 0},
    {24 * 24 * 40, 1, 1e-3, try_conv, 1},
    {200 * 2 * 64, 1, 2e-3, try_attention_64, 1},
    {200 * 2 * 72, 1, 2e-3, try_attention_72, 1},
};
enum { TRIALS = sizeof trials / sizeof *trials };

static int fill(ffcl_ctx *ctx, probe *p, cl_mem *to, int half, float scale)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < REACH; i++) {
        state = state * 1664525u + 1013904223u;
        p->host[0][i] = scale * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
    int rc = ffcl_buffer_create(ctx, to, REACH * (half ? 2 : 4), "the matrix engine's check");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, half ? p->wide : *to, 0, p->host[0], REACH * sizeof(float));
    if (rc == 0 && half)
        rc = ffcl_cast_to_half(ctx, *to, 0, p->wide, REACH);
    return rc ? rc : ffcl_finish(ctx);
}

static int open_probe(ffcl_ctx *ctx, probe *p)
{
    p->host[0] = calloc(2 * REACH, sizeof *p->host[0]);
    if (!p->host[0])
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the matrix engine's check");
    p->host[1] = p->host[0] + REACH;
    int rc = ffcl_buffer_create(ctx, &p->wide, REACH * sizeof(float), "a check");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &p->out, REACH * sizeof(float), "a check");
    if (rc == 0)
        rc = fill(ctx, p, &p->a, 1, 1.0f);
    if (rc == 0)
        rc = fill(ctx, p, &p->w, 1, 0.125f);
    return rc ? rc : fill(ctx, p, &p->bias, 0, 0.125f);
}

static void close_probe(probe *p)
{
    cl_mem *all[] = {&p->a, &p->w, &p->bias, &p->out, &p->wide};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (*all[i])
            clReleaseMemObject(*all[i]);
    free(p->host[0]);
}

/* Plans the trial's scratch memory, then runs it. */
static int run_trial(ffcl_ctx *ctx, const probe *p, const trial *t)
{
    const probe nothing = {0};
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    int rc = t->run(ctx, &nothing);
    ctx->planning = 0;
    if (rc == 0)
        rc = ffcl_arena_commit(ctx->arena);
    ffcl_arena_rewind(ctx->arena);
    return rc ? rc : t->run(ctx, p);
}

/* Relative distance of the level's result from the plain kernels'. */
static int distance(ffcl_ctx *ctx, const probe *p, const trial *t, ffcl_engine_level level,
                    double *result)
{
    int rc = 0;
    for (int with = 0; rc == 0 && with < 2; with++) {
        ctx->matrix_engine = with ? level : FFCL_ENGINE_NONE;
        rc = run_trial(ctx, p, t);
        if (rc == 0 && t->half)
            rc = ffcl_cast_to_float(ctx, p->wide, p->out, t->n);
        if (rc == 0)
            rc = ffcl_buffer_read(ctx, t->half ? p->wide : p->out, 0, p->host[with],
                                  t->n * sizeof(float));
    }
    double diff = 0, norm = 0;
    for (size_t i = 0; i < t->n; i++) {
        diff += pow((double)p->host[1][i] - p->host[0][i], 2);
        norm += pow(p->host[0][i], 2);
    }
    *result = sqrt(diff / norm);
    return rc;
}

/* Does the trial concern the level? */
static int concerns(const trial *t, ffcl_engine_level level)
{
    return !t->wgmma_only || level == FFCL_ENGINE_WGMMA;
}

/* What the verdict depends on: the check, and what the binaries of its programs depend on, which a
 * planning pass names.  *key is the caller's to free. */
static int verdict_key(ffcl_ctx *ctx, ffcl_engine_level level, char **key)
{
    const probe nothing = {0};
    char *programs = NULL;
    ffcl_arena_plan(ctx->arena);
    ctx->planning = 1;
    int rc = ffcl_cast_to_half(ctx, NULL, 0, NULL, REACH);
    if (rc == 0)
        rc = ffcl_cast_to_float(ctx, NULL, NULL, REACH);
    for (size_t i = 0; rc == 0 && i < 2 * TRIALS; i++) {
        ctx->matrix_engine = i % 2 ? level : FFCL_ENGINE_NONE;
        if (concerns(&trials[i / 2], level))
            rc = trials[i / 2].run(ctx, &nothing);
    }
    ctx->matrix_engine = FFCL_ENGINE_NONE;
    ctx->planning = 0;
    if (rc == 0)
        rc = ffcl_programs_key(ctx, &programs);
    if (rc == 0) {
        *key = ffcl_format("check %d of %s\n%s", CHECK_VERSION, ffcl_engine_name(level), programs);
        rc = *key ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a check's key");
    }
    free(programs);
    return rc;
}

/* Runs the check, whose programs the key's planning has named.  A verdict on the kernels is kept;
 * want of memory or a lost device is none. */
static int check(ffcl_ctx *ctx, ffcl_engine_level level, const char *key)
{
    probe p = {0};
    int verdict = 1, rc = ffcl_programs_build(ctx);
    if (rc == 0)
        rc = open_probe(ctx, &p);
    for (size_t i = 0; rc == 0 && verdict && i < TRIALS; i++) {
        double off = 1;
        if (!concerns(&trials[i], level))
            continue;
        rc = distance(ctx, &p, &trials[i], level, &off);
        verdict = rc == 0 && off < trials[i].most;      /* NaN fails too */
    }
    close_probe(&p);
    ffcl_arena_reset(ctx->arena);
    ctx->matrix_engine = FFCL_ENGINE_NONE;
    verdict = verdict && rc == 0;
    if (rc == 0 || rc == FFCL_EBUILD)
        ffcl_verdict_store(key, verdict);
    return verdict;
}

/* Does the level work?  A failure only means that it is not used.  The check's programs are its
 * own, so that none is loaded where the verdict is known. */
static int works(ffcl_ctx *ctx, ffcl_engine_level level)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    ffcl_programs *programs = ctx->programs, *own = NULL;
    char *key = NULL;
    int verdict = 0;
    ctx->err = &slot;
    int rc = ffcl_programs_open(&own, ctx);
    if (rc == 0) {
        ctx->programs = own;
        rc = verdict_key(ctx, level, &key);
    }
    if (rc == 0) {
        verdict = ffcl_verdict_recall(key);
        if (verdict < 0)
            verdict = check(ctx, level, key);
    }
    ctx->programs = programs;
    ffcl_programs_close(&own);
    free(key);
    ctx->err = outer;
    return verdict;
}

/* The names of [blas] backend; Intel's engine has one name for both sub-group sizes. */
static const char *const names[] = {
    [FFCL_ENGINE_NONE] = "", [FFCL_ENGINE_MMA] = "mma", [FFCL_ENGINE_WGMMA] = "wgmma",
    [FFCL_ENGINE_WMMA] = "wmma", [FFCL_ENGINE_MFMA] = "mfma", [FFCL_ENGINE_DPAS8] = "dpas",
    [FFCL_ENGINE_DPAS16] = "dpas",
};

const char *ffcl_engine_name(ffcl_engine_level level)
{
    return names[level];
}

int ffcl_engine_listed(const ffcl_ctx *ctx, ffcl_engine_level level)
{
    const ffcl_caps *caps = &ctx->device.caps;
    switch (level) {
    case FFCL_ENGINE_MMA:
        return caps->nv_compute >= MMA_CAPABILITY;
    case FFCL_ENGINE_WGMMA:
        return caps->nv_compute == WGMMA_CAPABILITY;
    case FFCL_ENGINE_WMMA:
        return ctx->emulate || caps->amd_wavefront == 32;
    case FFCL_ENGINE_MFMA:
        return ctx->emulate || caps->amd_wavefront == 64;
    case FFCL_ENGINE_DPAS8:
        return ctx->emulate || caps->intel_lanes == 8;
    case FFCL_ENGINE_DPAS16:
        return ctx->emulate || caps->intel_lanes == 16;
    default:
        return 0;
    }
}

/* NVIDIA's highest level up to `most` that the device has and that works. */
static ffcl_engine_level highest(ffcl_ctx *ctx, ffcl_engine_level most)
{
    if (!ffcl_engine_listed(ctx, FFCL_ENGINE_MMA))
        return FFCL_ENGINE_NONE;
    if (!works(ctx, FFCL_ENGINE_MMA)) {
        ffcl_report(ctx->obs, FFCL_PHASE_WARN,
                    "the matrix engine's kernels do not build or compute wrong here; not used", 0,
                    0);
        return FFCL_ENGINE_NONE;
    }
    if (most == FFCL_ENGINE_WGMMA && ffcl_engine_listed(ctx, FFCL_ENGINE_WGMMA) &&
        works(ctx, FFCL_ENGINE_WGMMA))
        return FFCL_ENGINE_WGMMA;
    return FFCL_ENGINE_MMA;
}

/* The engine called name if the device has it and it works, else none.  Engines that nobody has run
 * are thus used only where they are asked for. */
static ffcl_engine_level named(ffcl_ctx *ctx, const char *name)
{
    for (size_t i = 1; i < sizeof names / sizeof *names; i++) {
        ffcl_engine_level level = (ffcl_engine_level)i;
        if (strcmp(name, names[i]) != 0)
            continue;
        if (ffcl_engine_is_nvidia(level))
            return highest(ctx, level) == level ? level : FFCL_ENGINE_NONE;
        if (ffcl_engine_listed(ctx, level) && works(ctx, level))
            return level;
    }
    return FFCL_ENGINE_NONE;
}

int ffcl_matrix_engine_probe(ffcl_ctx *ctx, const char *name)
{
    ctx->matrix_engine = FFCL_ENGINE_NONE;
    if (strcmp(name, "clblast") == 0 || strcmp(name, "builtin") == 0 ||
        strcmp(name, "cblas") == 0)
        return 0;
    if (strcmp(name, "auto") == 0) {
        ctx->matrix_engine = highest(ctx, FFCL_ENGINE_WGMMA);
        return 0;
    }
    ctx->matrix_engine = named(ctx, name);
    if (ctx->matrix_engine == FFCL_ENGINE_NONE)
        return ffcl_fail(ctx->err, FFCL_EDEVICE,
                         "[blas] backend = %s: %s has no such engine, or it failed its check", name,
                         ctx->device.caps.name);
    return 0;
}
