/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* The most channels of the kernels that take eight at a time: 128 columns in a work-group, and
 * 16 KB of local memory. */
enum { WIDE_CHANNELS = 1024 };

/* Items of a work-group, and the most vectors of eight channels that one of them keeps. */
enum { ITEMS = 256, KEEP_MOST = 8 };

/* Where the last step combines chunks itself: a work-group's columns of eight channels, the groups
 * that these may belong to, and the chunks of all those, a quarter of what it reads and writes. */
enum { FOLD_COLUMNS = 8, FOLD_GROUPS = 16, FOLD_CHUNKS = 2048 };

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
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm_wide", "groupnorm_partial_wide",
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

/* What all steps need to know. */
typedef struct norm {
    cl_mem out, x, gamma, beta;
    size_t B, P, C, G;
    float eps;
    int with_silu;
    ffcl_store store;
} norm;

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

static int is_cpu(const ffcl_ctx *ctx)
{
    return (ctx->device.caps.type & CL_DEVICE_TYPE_CPU) != 0;
}

/* A kernel of those for CPUs, where a barrier splits a kernel into loops, with vectors that hold
 * whole groups or parts of one. */
static int kernel_for_items(ffcl_ctx *ctx, const ffcl_kernel **k, const norm *n, const char *name)
{
    const size_t width = n->C / n->G;
    size_t vector = ffcl_vector(n->C);
    char options[32];
    while (width % vector && vector % width)
        vector = vector > 4 ? vector / 2 : 1;
    snprintf(options, sizeof options, "-DVW=%zu %s", vector, ffcl_store_option(n->store));
    return ffcl_kernel_get(ctx, k, "groupnorm_row", name, options);
}

static int partial_by_items(ffcl_ctx *ctx, const parts *p, const norm *n)
{
    const ffcl_kernel *k;
    int rc = kernel_for_items(ctx, &k, n, "groupnorm_sums_row");
    if (rc)
        return rc;
    size_t local[2] = {1, 1}, global[2] = {p->chunks, n->B};
    ffcl_work(ctx, ffcl_groupnorm_sums_cost(n->B * n->P * n->C, n->store));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(p->mem), FFCL_BUF(n->x), FFCL_I32(n->P),
                       FFCL_I32(n->C), FFCL_I32(n->G), FFCL_I32(p->each), FFCL_I32(p->chunks));
}

/* The other two steps; means (B, 2, C). */
static int apply_by_items(ffcl_ctx *ctx, const norm *n, const parts *p, cl_mem means)
{
    const ffcl_kernel *k;
    int rc = kernel_for_items(ctx, &k, n, "groupnorm_combine_row");
    if (rc)
        return rc;
    size_t local = 8, global = ffcl_round_up(n->B * n->G, local);
    rc = ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(means), FFCL_BUF(p->mem),
                     FFCL_BUF(n->gamma), FFCL_I32(p->chunks), FFCL_I32(n->P), FFCL_I32(n->C),
                     FFCL_I32(n->G), FFCL_I32(p->each), FFCL_F32(n->eps), FFCL_I32(n->B * n->G));
    if (rc == 0)
        rc = kernel_for_items(ctx, &k, n, "groupnorm_apply_row");
    if (rc)
        return rc;
    global = ffcl_round_up(n->B * n->P, local);
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(n->B * n->P * n->C, n->C, n->with_silu, n->store));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(n->out), FFCL_BUF(n->x),
                       FFCL_BUF(means), FFCL_BUF(n->beta), FFCL_I32(n->P), FFCL_I32(n->C),
                       FFCL_I32(n->with_silu), FFCL_I32(n->B * n->P));
}

static int take_parts(ffcl_ctx *ctx, parts *p, const norm *n, const ffcl_moments *moments)
{
    if (moments && moments->chunks) {
        *p = (parts){{0}, moments->mem, moments->chunks, n->P / moments->chunks};
        return 0;
    }
    *p = (parts){{0}, NULL, ffcl_div_up(n->P, chunk_pixels(n->P)), chunk_pixels(n->P)};
    int rc = ffcl_take(ctx, &p->own, n->B * n->G * p->chunks * 2);
    p->mem = p->own.mem;
    if (rc)
        return rc;
    if (is_cpu(ctx))
        return partial_by_items(ctx, p, n);
    return is_wide(ctx, n->C) ? partial_wide(ctx, p->mem, n->x, n->B, n->P, n->C, n->G, n->store)
                              : partial(ctx, p->mem, n->x, n->B, n->P, n->C, n->G, n->store);
}

static int combine(ffcl_ctx *ctx, cl_mem stats, const parts *p, const norm *n)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm_combine", "groupnorm_combine",
                             ffcl_store_option(n->store));
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 64), global = n->B * n->G * local;
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(stats), FFCL_BUF(p->mem),
                       FFCL_I32(p->chunks), FFCL_I32(n->P), FFCL_I32(p->each),
                       FFCL_I32(n->C / n->G), FFCL_F32(n->eps),
                       FFCL_LOCAL(local * sizeof(float)));
}

/* The last step's kernel and its work-groups: at most `widest` columns, of one channel or of eight,
 * side by side, each item with eight pixels. */
static int apply_kernel(ffcl_ctx *ctx, const ffcl_kernel **k, const norm *n, size_t widest,
                        const char *option, size_t local[3], size_t global[3])
{
    const int wide = is_wide(ctx, n->C);
    const size_t columns = wide ? n->C / 8 : n->C;
    char options[32];
    snprintf(options, sizeof options, "%s%s", ffcl_store_option(n->store), option);
    int rc = ffcl_kernel_get(ctx, k, wide ? "groupnorm_wide" : "groupnorm",
                             wide ? "groupnorm_apply_wide" : "groupnorm_apply", options);
    if (rc)
        return rc;
    size_t total = ffcl_local_size(ctx, *k, ITEMS), width = 1;
    while (width < widest && width * 2 <= total && columns % (width * 2) == 0)
        width *= 2;
    width = ffcl_max(width, ffcl_min(widest / 2, total));
    local[0] = width;
    local[1] = total / width;
    local[2] = 1;
    global[0] = ffcl_round_up(columns, width);
    global[1] = ffcl_round_up(ffcl_div_up(n->P, 8), local[1]);
    global[2] = n->B;
    return 0;
}

static int apply(ffcl_ctx *ctx, const norm *n, cl_mem stats)
{
    const ffcl_kernel *k;
    size_t local[3], global[3];
    int rc = apply_kernel(ctx, &k, n, 32, "", local, global);
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(n->B * n->P * n->C, n->C, n->with_silu, n->store));
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(n->out), FFCL_BUF(n->x), FFCL_BUF(stats),
                       FFCL_BUF(n->gamma), FFCL_BUF(n->beta), FFCL_I32(n->P), FFCL_I32(n->C),
                       FFCL_I32(n->G), FFCL_I32(n->with_silu));
}

/* The groups that the channels of a work-group may belong to. */
static size_t fold_groups(const norm *n)
{
    const size_t channels = 8 * FOLD_COLUMNS, width = n->C / n->G;
    if (channels % width == 0)
        return channels / width;
    return width % channels == 0 ? 1 : (channels - 1) / width + 2;
}

static int folds(const ffcl_ctx *ctx, const norm *n, const parts *p)
{
    size_t groups = fold_groups(n);
    return is_wide(ctx, n->C) && groups <= FOLD_GROUPS && groups * p->chunks <= FOLD_CHUNKS &&
           ctx->device.caps.max_work_group >= ITEMS;
}

/* The last step, which combines the chunks itself. */
static int apply_fold(ffcl_ctx *ctx, const norm *n, const parts *p)
{
    const ffcl_kernel *k;
    size_t local[3], global[3], team = 4;
    int rc = apply_kernel(ctx, &k, n, FOLD_COLUMNS, " -DFOLD=1", local, global);
    if (rc)
        return rc;
    size_t items = local[0] * local[1];
    while (2 * team * fold_groups(n) <= items)
        team *= 2;
    ffcl_work(ctx, ffcl_groupnorm_apply_cost(n->B * n->P * n->C, n->C, n->with_silu, n->store));
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(n->out), FFCL_BUF(n->x),
                       FFCL_BUF(p->mem), FFCL_BUF(n->gamma), FFCL_BUF(n->beta), FFCL_I32(n->P),
                       FFCL_I32(n->C), FFCL_I32(n->G), FFCL_I32(n->with_silu),
                       FFCL_I32(p->chunks), FFCL_I32(p->each), FFCL_F32(n->eps), FFCL_I32(team),
                       FFCL_LOCAL(items * sizeof(float)),
                       FFCL_LOCAL(2 * items / team * sizeof(float)));
}

/* Vectors of eight channels of a group of a small picture for each item; 0: it is none. */
static size_t kept_vectors(const ffcl_ctx *ctx, const norm *n)
{
    const size_t width = n->C / n->G, keep = ffcl_div_up(n->P * width / 8, ITEMS);
    return width % 8 == 0 && ITEMS % (width / 8) == 0 && keep <= KEEP_MOST &&
                   ctx->device.caps.max_work_group >= ITEMS
               ? keep : 0;
}

static int kept(ffcl_ctx *ctx, const norm *n)
{
    const ffcl_kernel *k;
    char options[64];
    /* NVIDIA's compiler would save registers and have less on its way. */
    snprintf(options, sizeof options, "%s -DKEEP=%zu%s", ffcl_store_option(n->store),
             kept_vectors(ctx, n), ctx->device.caps.nv_compute ? " -cl-nv-maxrregcount=168" : "");
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm_kept", "groupnorm_kept", options);
    if (rc)
        return rc;
    size_t local[2] = {ITEMS, 1}, global[2] = {n->G * ITEMS, n->B};
    ffcl_work(ctx, ffcl_groupnorm_cost(n->B * n->P * n->C, n->C, n->with_silu, n->store));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(n->out), FFCL_BUF(n->x),
                       FFCL_BUF(n->gamma), FFCL_BUF(n->beta), FFCL_I32(n->P), FFCL_I32(n->C),
                       FFCL_I32(n->G), FFCL_F32(n->eps), FFCL_I32(n->with_silu),
                       FFCL_LOCAL(ITEMS * sizeof(float)));
}

int ffcl_groupnorm(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_moments *moments, cl_mem gamma,
                   cl_mem beta, size_t B, size_t P, size_t C, size_t G, float eps, int with_silu,
                   ffcl_store store)
{
    const norm n = {out, x, gamma, beta, B, P, C, G, eps, with_silu, store};
    parts p = {0};
    ffcl_buf stats = {0};
    const int by_items = is_cpu(ctx);
    if (!by_items && !(moments && moments->chunks) && kept_vectors(ctx, &n))
        return kept(ctx, &n);
    int rc = take_parts(ctx, &p, &n, moments);
    if (rc == 0 && by_items) {
        rc = ffcl_take(ctx, &stats, B * C * 2);
        if (rc == 0)
            rc = apply_by_items(ctx, &n, &p, stats.mem);
    } else if (rc == 0 && folds(ctx, &n, &p)) {
        rc = apply_fold(ctx, &n, &p);
    } else {
        if (rc == 0)
            rc = ffcl_take(ctx, &stats, B * G * 2);
        if (rc == 0)
            rc = combine(ctx, stats.mem, &p, &n);
        if (rc == 0)
            rc = apply(ctx, &n, stats.mem);
    }
    ffcl_give(ctx, &stats);
    ffcl_give(ctx, &p.own);
    return rc;
}
