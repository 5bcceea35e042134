/* SPDX-License-Identifier: MIT
 * May the matrix engine's kernels be used?  Decided by capability and by results, never by name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/binary_cache.h"
#include "cl/launch.h"
#include "ops/ops.h"
#include "util.h"

/* mma.sync on halves with cp.async from 8.0 on; wgmma in 9.0 alone. */
enum { MMA_CAPABILITY = 80, WGMMA_CAPABILITY = 90 };
/* Raise CHECK_VERSION when the check or its tolerance changes: old verdicts are then void. */
enum { CHECK_VERSION = 1, M = 200, N = 136, K = 168, REACH = 1 << 16 };

typedef struct probe {
    cl_mem a, w, bias, engine, plain, staging;
    float *host;                /* (max of the sizes) */
} probe;

static int fill_half(ffcl_ctx *ctx, probe *p, cl_mem *to, size_t n, float scale)
{
    uint32_t state = 12345;
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        p->host[i] = scale * ((float)(state >> 8) / 8388608.0f - 1.0f);
    }
    int rc = ffcl_buffer_create(ctx, to, n * 2, "the matrix engine's check");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, p->staging, 0, p->host, n * sizeof(float));
    if (rc == 0)
        rc = ffcl_cast_to_half(ctx, *to, 0, p->staging, n);
    return rc ? rc : ffcl_finish(ctx);
}

static int open_probe(ffcl_ctx *ctx, probe *p)
{
    p->host = calloc(2 * REACH, sizeof *p->host);
    if (!p->host)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the matrix engine's check");
    int rc = ffcl_buffer_create(ctx, &p->staging, REACH * sizeof(float), "a check");
    if (rc == 0)
        rc = fill_half(ctx, p, &p->a, M * K, 1.0f);
    if (rc == 0)
        rc = fill_half(ctx, p, &p->w, N * K, 0.125f);
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &p->bias, N * sizeof(float), "a check");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, p->bias, 0, p->host, N * sizeof(float));
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &p->engine, M * N * sizeof(float), "a check");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &p->plain, M * N * sizeof(float), "a check");
    return rc;
}

static void close_probe(probe *p)
{
    cl_mem *all[] = {&p->a, &p->w, &p->bias, &p->engine, &p->plain, &p->staging};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (*all[i])
            clReleaseMemObject(*all[i]);
    free(p->host);
}

/* The product of the check: as it enqueues it, and while planning as it names its programs. */
static ffcl_product product_of(const probe *p)
{
    return (ffcl_product){.m = M, .n = N, .k = K, .a = p->a, .a_ld = K, .w = p->w, .out_ld = N,
                          .epilogue = {.has_bias = 1, .bias = p->bias, .act = FFCL_ACT_GELU},
                          .half = 1};
}

/* Relative distance of a level's result from the plain kernel's. */
static int distance(ffcl_ctx *ctx, probe *p, ffcl_engine_level level, double *result)
{
    ffcl_product product = product_of(p);
    float *engine = p->host, *plain = p->host + REACH;
    int rc = 0;
    for (int with = 0; rc == 0 && with < 2; with++) {
        ctx->matrix_engine = with ? level : FFCL_ENGINE_NONE;
        product.out = with ? p->engine : p->plain;
        rc = ffcl_half_gemm(ctx, &product);
        if (rc == 0)
            rc = ffcl_buffer_read(ctx, product.out, 0, with ? engine : plain,
                                  M * N * sizeof(float));
    }
    double diff = 0, norm = 0;
    for (size_t i = 0; i < M * N; i++) {
        diff += pow((double)engine[i] - plain[i], 2);
        norm += pow(plain[i], 2);
    }
    *result = sqrt(diff / norm);
    return rc;
}

/* What the verdict depends on: the check, and what the binaries of its programs depend on, which a
 * planning pass names.  *key is the caller's to free. */
static int verdict_key(ffcl_ctx *ctx, ffcl_engine_level level, char **key)
{
    const probe nothing = {0};
    const ffcl_product product = product_of(&nothing);
    char *programs = NULL;
    ctx->planning = 1;
    int rc = ffcl_cast_to_half(ctx, NULL, 0, NULL, M * K);
    if (rc == 0)
        rc = ffcl_half_gemm(ctx, &product);
    ctx->matrix_engine = level;
    if (rc == 0)
        rc = ffcl_half_gemm(ctx, &product);
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

static const char *const verdicts[] = {"failed", "passed"};

/* The verdict kept under key: 0 or 1, -1 where there is none. */
static int recall(const char *key)
{
    size_t size = 0;
    unsigned char *text = ffcl_binary_load(key, &size);
    int verdict = -1;
    for (int i = 0; text && i < 2; i++)
        if (size == strlen(verdicts[i]) && memcmp(text, verdicts[i], size) == 0)
            verdict = i;
    free(text);
    return verdict;
}

/* Runs the check.  A verdict on the kernels is kept; want of memory or a lost device is none. */
static int check(ffcl_ctx *ctx, ffcl_engine_level level, const char *key)
{
    probe p = {0};
    double off = 1;
    int rc = open_probe(ctx, &p);
    if (rc == 0)
        rc = distance(ctx, &p, level, &off);
    close_probe(&p);
    ctx->matrix_engine = FFCL_ENGINE_NONE;
    /* Both accumulate in float32; only the order of the sums differs.  NaN fails too. */
    int verdict = rc == 0 && off < 1e-5;
    if (rc == 0 || rc == FFCL_EBUILD)
        ffcl_binary_store(key, (const unsigned char *)verdicts[verdict],
                          strlen(verdicts[verdict]));
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
        verdict = recall(key);
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
    if (strcmp(name, "clblast") == 0)
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
