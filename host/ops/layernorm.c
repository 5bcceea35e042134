/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* A row in registers: few items with several quads each, as the sums over a work-group cost more
 * than the loads they hide. */
enum { KEEP_MOST = 8, ROWS_MOST = 4 };

/* Items of a row.  Parts are many loads, for which more items wait together. */
static size_t items_for(size_t D, int parts)
{
    return parts ? 256 : D > 2048 ? 128 : 64;
}

/* Rows of a work-group: as many as leave every compute unit some work-groups. */
static size_t rows_for(const ffcl_ctx *ctx, size_t B, size_t T)
{
    size_t rows = 1, units = ffcl_max(ctx->device.caps.units, 1);
    if (ctx->device.caps.type & CL_DEVICE_TYPE_CPU)
        return 1;
    while (rows < ROWS_MOST && T % (2 * rows) == 0 && B * T / (2 * rows) >= 4 * units)
        rows *= 2;
    return rows;
}

/* Can rows of D be kept in registers on this device? */
static int is_kept(const ffcl_ctx *ctx, size_t D, int parts)
{
    size_t items = items_for(D, parts);
    return D % 4 == 0 && ffcl_div_up(D / 4, items) <= KEEP_MOST &&
           items <= ctx->device.caps.max_work_group;
}

/* The kernel that does, or NULL in *k where the row is too long for it or work-groups too small. */
static int kept_kernel(ffcl_ctx *ctx, const ffcl_kernel **k, size_t rows, size_t D,
                       ffcl_store store, int parts)
{
    char options[64];
    size_t items = items_for(D, parts);
    *k = NULL;
    if (!is_kept(ctx, D, parts))
        return 0;
    snprintf(options, sizeof options, "-DKEEP=%zu -DROWS=%zu%s %s", ffcl_div_up(D / 4, items), rows,
             parts ? " -DPARTS=1" : "", ffcl_store_option(store));
    int rc = ffcl_kernel_get(ctx, k, "layernorm", "layernorm_mod_kept", options);
    if (rc == 0 && ffcl_local_size(ctx, *k, items) < items)
        *k = NULL;
    return rc;
}

int ffcl_layernorm_modulate(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_modulation *mod,
                            size_t B, size_t T, size_t D, float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    size_t rows = rows_for(ctx, B, T);
    int rc = kept_kernel(ctx, &k, rows, D, store, 0);
    if (rc == 0 && !k) {
        rows = 1;
        rc = ffcl_kernel_get(ctx, &k, "layernorm", "layernorm_mod", ffcl_store_option(store));
    }
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, items_for(D, 0));
    size_t global = B * T / rows * local;
    ffcl_work(ctx, ffcl_layernorm_cost(B, T, D, store));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(mod->mem),
                       FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld), FFCL_I32(mod->shift_at),
                       FFCL_I32(mod->scale_at), FFCL_F32(eps),
                       FFCL_LOCAL(rows * local * sizeof(float)));
}

int ffcl_layernorm_residual_fits(const ffcl_ctx *ctx, size_t D)
{
    return is_kept(ctx, D, 1);
}

int ffcl_layernorm_residual(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_residual *residual,
                            const ffcl_modulation *mod, size_t B, size_t T, size_t D, float eps,
                            ffcl_store store)
{
    const ffcl_kernel *k;
    const size_t rows = rows_for(ctx, B, T), local = items_for(D, 1);
    const size_t global = B * T / rows * local;
    int rc = kept_kernel(ctx, &k, rows, D, store, 1);
    if (rc == 0 && !k)
        rc = ffcl_fail(ctx->err, FFCL_EBUILD, "layernorm_mod_kept takes fewer than %zu items on %s",
                       local, ctx->device.caps.name);
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_layernorm_residual_cost(residual->n, B, T, D, store));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x),
                       FFCL_BUF(residual->add), FFCL_BUF(residual->parts), FFCL_I32(residual->n),
                       FFCL_BUF(residual->bias), FFCL_BUF(residual->gate),
                       FFCL_I32(residual->gate_ld), FFCL_I32(residual->gate_at),
                       FFCL_BUF(mod->mem), FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld),
                       FFCL_I32(mod->shift_at), FFCL_I32(mod->scale_at), FFCL_F32(eps),
                       FFCL_LOCAL(rows * local * sizeof(float)));
}
