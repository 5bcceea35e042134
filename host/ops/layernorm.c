/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/ops.h"
#include "util.h"

/* A row in registers: few items with several quads each, as the sums over a work-group cost more
 * than the loads they hide. */
enum { KEEP_MOST = 8, ROWS_MOST = 4 };

static size_t items_for(size_t D)
{
    return D > 2048 ? 128 : 64;
}

/* Rows of a work-group: as many as leave every compute unit some work-groups. */
static size_t rows_for(const ffcl_ctx *ctx, size_t B, size_t T)
{
    size_t rows = 1, units = ffcl_max(ctx->device.caps.units, 1);
    while (rows < ROWS_MOST && T % (2 * rows) == 0 && B * T / (2 * rows) >= 4 * units)
        rows *= 2;
    return rows;
}

/* The kernel that keeps rows in registers, or NULL in *k where the row is too long for it or the
 * device's work-groups too small. */
static int kept_kernel(ffcl_ctx *ctx, const ffcl_kernel **k, size_t rows, size_t D,
                       ffcl_store store)
{
    char options[48];
    size_t keep = ffcl_div_up(D / 4, items_for(D));
    *k = NULL;
    if (D % 4 || keep > KEEP_MOST || items_for(D) > ctx->device.caps.max_work_group)
        return 0;
    snprintf(options, sizeof options, "-DKEEP=%zu -DROWS=%zu %s", keep, rows,
             ffcl_store_option(store));
    int rc = ffcl_kernel_get(ctx, k, "layernorm", "layernorm_mod_kept", options);
    if (rc == 0 && ffcl_local_size(ctx, *k, items_for(D)) < items_for(D))
        *k = NULL;
    return rc;
}

/* An item a row, on CPUs, where a barrier splits a kernel into loops. */
static int by_items(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_modulation *mod, size_t B,
                    size_t T, size_t D, float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    char options[32];
    snprintf(options, sizeof options, "-DVW=%zu %s", ffcl_vector(D), ffcl_store_option(store));
    int rc = ffcl_kernel_get(ctx, &k, "layernorm_row", "layernorm_mod_row", options);
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 8), global = ffcl_round_up(B * T, local);
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(mod->mem),
                       FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld), FFCL_I32(mod->shift_at),
                       FFCL_I32(mod->scale_at), FFCL_F32(eps), FFCL_I32(B * T));
}

int ffcl_layernorm_modulate(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_modulation *mod,
                            size_t B, size_t T, size_t D, float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    if (ctx->device.caps.type & CL_DEVICE_TYPE_CPU)
        return by_items(ctx, out, x, mod, B, T, D, eps, store);
    size_t rows = rows_for(ctx, B, T);
    int rc = kept_kernel(ctx, &k, rows, D, store);
    if (rc == 0 && !k) {
        rows = 1;
        rc = ffcl_kernel_get(ctx, &k, "layernorm", "layernorm_mod", ffcl_store_option(store));
    }
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, items_for(D));
    size_t global = B * T / rows * local;
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(mod->mem),
                       FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld), FFCL_I32(mod->shift_at),
                       FFCL_I32(mod->scale_at), FFCL_F32(eps),
                       FFCL_LOCAL(rows * local * sizeof(float)));
}
