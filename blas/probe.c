/* SPDX-License-Identifier: MIT
 * May the matrix engine's kernels be used?  Decided by capability and by results, never by name. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/launch.h"
#include "ops/ops.h"

/* mma.sync on halves with cp.async from 8.0 on; wgmma in 9.0 alone. */
enum { MMA_CAPABILITY = 80, WGMMA_CAPABILITY = 90, M = 200, N = 136, K = 168, REACH = 1 << 16 };

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

/* Relative distance of a level's result from the plain kernel's. */
static int distance(ffcl_ctx *ctx, probe *p, ffcl_engine_level level, double *result)
{
    ffcl_product product = {.m = M, .n = N, .k = K, .a = p->a, .a_ld = K, .w = p->w, .out_ld = N,
                            .epilogue = {.has_bias = 1, .bias = p->bias, .act = FFCL_ACT_GELU},
                            .half = 1};
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

/* Does the level work?  A failure only means that it is not used. */
static int works(ffcl_ctx *ctx, ffcl_engine_level level)
{
    probe p = {0};
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    double off = 1;
    ctx->err = &slot;
    int rc = open_probe(ctx, &p);
    if (rc == 0)
        rc = distance(ctx, &p, level, &off);
    close_probe(&p);
    ctx->err = outer;
    ctx->matrix_engine = FFCL_ENGINE_NONE;
    /* Both accumulate in float32; only the order of the sums differs.  NaN fails too. */
    return rc == 0 && off < 1e-5;
}

/* The highest level up to `most` that the device has and that works. */
static ffcl_engine_level highest(ffcl_ctx *ctx, ffcl_engine_level most)
{
    const int capability = ctx->device.caps.nv_compute;
    if (most == FFCL_ENGINE_NONE || capability < MMA_CAPABILITY)
        return FFCL_ENGINE_NONE;
    if (!works(ctx, FFCL_ENGINE_MMA)) {
        ffcl_report(ctx->obs, FFCL_PHASE_WARN,
                    "the matrix engine's kernels do not build or compute wrong here; not used", 0,
                    0);
        return FFCL_ENGINE_NONE;
    }
    if (most == FFCL_ENGINE_WGMMA && capability == WGMMA_CAPABILITY &&
        works(ctx, FFCL_ENGINE_WGMMA))
        return FFCL_ENGINE_WGMMA;
    return FFCL_ENGINE_MMA;
}

int ffcl_matrix_engine_probe(ffcl_ctx *ctx, const char *name)
{
    const int want_mma = strcmp(name, "mma") == 0, want_wgmma = strcmp(name, "wgmma") == 0;
    ffcl_engine_level most = FFCL_ENGINE_WGMMA;
    if (strcmp(name, "clblast") == 0)
        most = FFCL_ENGINE_NONE;
    else if (want_mma)
        most = FFCL_ENGINE_MMA;
    ffcl_engine_level found = highest(ctx, most);
    ctx->matrix_engine = found;
    if ((want_mma || want_wgmma) && found != most)
        return ffcl_fail(ctx->err, FFCL_EDEVICE,
                         "[blas] backend = %s: %s has no such engine, or it failed its check", name,
                         ctx->device.caps.name);
    return 0;
}
