/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/ops.h"
#include "util.h"

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
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(part), FFCL_BUF(x), FFCL_I32(P),
                       FFCL_I32(C), FFCL_I32(G), FFCL_I32(each),
                       FFCL_LOCAL(local[0] * sizeof(float)));
}

static int combine(ffcl_ctx *ctx, cl_mem stats, cl_mem part, size_t B, size_t P, size_t C, size_t G,
                   float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "groupnorm", "groupnorm_combine", ffcl_store_option(store));
    if (rc)
        return rc;
    size_t each = chunk_pixels(P);
    size_t local = ffcl_local_size(ctx, k, 64), global = B * G * local;
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(stats), FFCL_BUF(part),
                       FFCL_I32(ffcl_div_up(P, each)), FFCL_I32(P), FFCL_I32(each), FFCL_I32(C / G),
                       FFCL_F32(eps), FFCL_LOCAL(local * sizeof(float)));
}

int ffcl_groupnorm(ffcl_ctx *ctx, cl_mem out, cl_mem x, cl_mem gamma, cl_mem beta, size_t B,
                   size_t P, size_t C, size_t G, float eps, int with_silu, ffcl_store store)
{
    ffcl_buf part = {0}, stats = {0};
    const ffcl_kernel *k = NULL;
    size_t chunks = ffcl_div_up(P, chunk_pixels(P));
    int rc = ffcl_take(ctx, &part, B * G * chunks * 2);
    if (rc == 0)
        rc = ffcl_take(ctx, &stats, B * G * 2);
    if (rc == 0)
        rc = partial(ctx, part.mem, x, B, P, C, G, store);
    if (rc == 0)
        rc = combine(ctx, stats.mem, part.mem, B, P, C, G, eps, store);
    if (rc == 0)
        rc = ffcl_kernel_get(ctx, &k, "groupnorm", "groupnorm_apply", ffcl_store_option(store));
    if (rc == 0) {
        size_t total = ffcl_local_size(ctx, k, 256);
        size_t local[3] = {ffcl_min(C % 32 == 0 ? 32 : 16, total), 1, 1};
        local[1] = total / local[0];
        size_t global[3] = {ffcl_round_up(C, local[0]),
                            ffcl_round_up(ffcl_div_up(P, 8), local[1]), B};
        rc = ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(stats.mem),
                         FFCL_BUF(gamma), FFCL_BUF(beta), FFCL_I32(P), FFCL_I32(C), FFCL_I32(G),
                         FFCL_I32(with_silu));
    }
    ffcl_give(ctx, &stats);
    ffcl_give(ctx, &part);
    return rc;
}
