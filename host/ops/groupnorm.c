/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* The most channels of the kernels that take eight at a time: 128 columns in a work-group, and
 * 16 KB of local memory. */
enum { WIDE_CHANNELS = 1024 };

/* Pixels of one partial sum: at least 64, and at most 128 parts a picture. */
static size_t chunk_pixels(size_t P)
{
    return ffcl_max(64, ffcl_div_up(P, 128));
}

static int partial(ffcl_ctx *ctx, cl_mem part, cl_mem x, size_t B, size_t P, size_t C, size_t G,
                   ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm", "groupnorm_partial", ffcl_store_option(store));
    if (rc)
        return rc;
    size_t each = chunk_pixels(P);
    size_t local[3] = {ffcl_local_size(ctx, k, 128), 1, 1};
    size_t global[3] = {G * local[0], ffcl_div_up(P, each), B};
    ffcl_work(ctx, ffcl_groupnorm_sums_cost(B * P * C, store));
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(part), FFCL_BUF(x), FFCL_I32(P),
                       FFCL_I32(C), FFCL_I32(G), FFCL_I32(each),
                       FFCL_LOCAL(local[0] * sizeof(float)));
}

/* Columns of eight channels, and pixel rows that fill a work-group of 256 with them. */
static int partial_wide(ffcl_ctx *ctx, cl_mem part, cl_mem x, size_t B, size_t P, size_t C,
                        size_t G, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm", "groupnorm_partial_wide",
                             ffcl_store_option(store));
    if (rc)
        return rc;
    size_t each = chunk_pixels(P), columns = C / 8;
    size_t rows = ffcl_max(ffcl_local_size(ctx, k, 256) / columns, 1);
    size_t local[2] = {columns * rows, 1};
    size_t global[2] = {ffcl_div_up(P, each) * local[0], B};
    ffcl_work(ctx, ffcl_groupnorm_sums_cost(B * P * C, store));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(part), FFCL_BUF(x), FFCL_I32(P),
                       FFCL_I32(C), FFCL_I32(G), FFCL_I32(each), FFCL_I32(rows),
                       FFCL_LOCAL(16 * local[0] * sizeof(float)));
}

static int apply(ffcl_ctx *ctx, const char *name, size_t columns, cl_mem out, cl_mem x,
                 cl_mem stats, cl_mem gamma, cl_mem beta, size_t B, size_t P, size_t C, size_t G,
                 int with_silu, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm", name, ffcl_store_option(store));
    if (rc)
        return rc;
    size_t total = ffcl_local_size(ctx, k, 256), width = 1;
    while (width < 32 && width * 2 <= total && columns % (width * 2) == 0)
        width *= 2;
    width = ffcl_max(width, ffcl_min(16, total));
    size_t local[3] = {width, total / width, 1};
    size_t global[3] = {ffcl_round_up(columns, local[0]),
                        ffcl_round_up(ffcl_div_up(P, 8), local[1]), B};
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(B * P * C, C, with_silu, store));
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(stats),
                       FFCL_BUF(gamma), FFCL_BUF(beta), FFCL_I32(P), FFCL_I32(C), FFCL_I32(G),
                       FFCL_I32(with_silu));
}

/* (mean, sum of squared differences) of chunks of `each` pixels. */
typedef struct parts {
    ffcl_buf own;               /* where they had to be computed */
    cl_mem mem;
    size_t chunks, each;
} parts;

static int is_wide(const ffcl_ctx *ctx, size_t C)
{
    return C % 8 == 0 && C <= WIDE_CHANNELS && C / 8 <= ctx->device.caps.max_work_group;
}

static int take_parts(ffcl_ctx *ctx, parts *p, cl_mem x, const ffcl_moments *moments, size_t B,
                      size_t P, size_t C, size_t G, ffcl_store store)
{
    if (moments && moments->chunks) {
        *p = (parts){{0}, moments->mem, moments->chunks, P / moments->chunks};
        return 0;
    }
    *p = (parts){{0}, NULL, ffcl_div_up(P, chunk_pixels(P)), chunk_pixels(P)};
    int rc = ffcl_take(ctx, &p->own, B * G * p->chunks * 2);
    p->mem = p->own.mem;
    if (rc)
        return rc;
    return is_wide(ctx, C) ? partial_wide(ctx, p->mem, x, B, P, C, G, store)
                           : partial(ctx, p->mem, x, B, P, C, G, store);
}

static int combine(ffcl_ctx *ctx, cl_mem stats, const parts *p, size_t B, size_t P, size_t C,
                   size_t G, float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm", "groupnorm_combine", ffcl_store_option(store));
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 64), global = B * G * local;
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(stats), FFCL_BUF(p->mem),
                       FFCL_I32(p->chunks), FFCL_I32(P), FFCL_I32(p->each), FFCL_I32(C / G),
                       FFCL_F32(eps), FFCL_LOCAL(local * sizeof(float)));
}

int ffcl_groupnorm(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_moments *moments, cl_mem gamma,
                   cl_mem beta, size_t B, size_t P, size_t C, size_t G, float eps, int with_silu,
                   ffcl_store store)
{
    parts p = {0};
    ffcl_buf stats = {0};
    const int wide = is_wide(ctx, C);
    int rc = take_parts(ctx, &p, x, moments, B, P, C, G, store);
    if (rc == 0)
        rc = ffcl_take(ctx, &stats, B * G * 2);
    if (rc == 0)
        rc = combine(ctx, stats.mem, &p, B, P, C, G, eps, store);
    if (rc == 0)
        rc = apply(ctx, wide ? "groupnorm_apply_wide" : "groupnorm_apply", wide ? C / 8 : C, out,
                   x, stats.mem, gamma, beta, B, P, C, G, with_silu, store);
    ffcl_give(ctx, &stats);
    ffcl_give(ctx, &p.own);
    return rc;
}
