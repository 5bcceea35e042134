/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* A row in registers: few items with several quads each, as the sums over a work-group cost more
 * than the loads they hide; with several rows at most QUADS_MOST.  Parts are many loads, for which
 * more items wait together. */
enum { KEEP_MOST = 8, ROWS_MOST = 4, QUADS_MOST = 12, ITEMS_MOST = 128, ITEMS_OF_PARTS = 256 };

/* Items of a row: those that leave the fewest without a quad, the more of two such. */
static size_t items_for(const ffcl_ctx *ctx, size_t D, size_t parts)
{
    size_t best = 64, quads = ffcl_div_up(D, 4);
    size_t most = ffcl_min(parts ? ITEMS_OF_PARTS : ITEMS_MOST, ctx->device.caps.max_work_group);
    for (size_t items = 64; items <= most; items += 32)
        if (ffcl_round_up(quads, items) <= ffcl_round_up(quads, best) ||
            ffcl_div_up(quads, best) > KEEP_MOST)
            best = items;
    return best;
}

/* Rows of a work-group: as many as leave every compute unit some work-groups. */
static size_t rows_for(const ffcl_ctx *ctx, size_t B, size_t T, size_t keep)
{
    size_t rows = 1, units = ffcl_max(ctx->device.caps.units, 1);
    while (rows < ROWS_MOST && 2 * rows * keep <= QUADS_MOST && T % (2 * rows) == 0 &&
           B * T / (2 * rows) >= 4 * units)
        rows *= 2;
    return rows;
}

/* Can rows of D be kept in registers on this device? */
static int is_kept(const ffcl_ctx *ctx, size_t D, size_t parts)
{
    size_t items = items_for(ctx, D, parts);
    return D % 4 == 0 && ffcl_div_up(D / 4, items) <= KEEP_MOST &&
           items <= ctx->device.caps.max_work_group;
}

/* The kernel that does, or NULL in *k where the row is too long for it or work-groups too small.
 * aligned: the modulation's columns begin at multiples of 4. */
static int kept_kernel(ffcl_ctx *ctx, const ffcl_kernel **k, size_t rows, size_t D, int aligned,
                       ffcl_store store, size_t parts)
{
    char options[128], registers[48] = "";
    const size_t items = items_for(ctx, D, parts), keep = ffcl_div_up(D / 4, items);
    *k = NULL;
    if (!is_kept(ctx, D, parts))
        return 0;
    /* NVIDIA's compiler would save registers and have less on its way. */
    if (ctx->device.caps.nv_compute)
        snprintf(registers, sizeof registers, " -cl-nv-maxrregcount=%zu",
                 ffcl_min(4 * keep * (rows + parts + 2) + 88, 65536 / items / 8 * 8));
    snprintf(options, sizeof options, "-DKEEP=%zu -DROWS=%zu -DALIGNED=%d -DPARTS=%zu %s%s", keep,
             rows, aligned, parts, ffcl_store_option(store), registers);
    int rc = ffcl_kernel_get(ctx, k, "layernorm", "layernorm_mod_kept", options);
    if (rc == 0 && (*k)->max_work_group && (*k)->max_work_group < items)
        *k = NULL;
    return rc;
}

static int is_aligned(const ffcl_modulation *mod)
{
    return (mod->ld | mod->shift_at | mod->scale_at) % 4 == 0;
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
    ffcl_work(ctx, ffcl_layernorm_cost(B, T, D, store));
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
    size_t local = items_for(ctx, D, 0), rows = rows_for(ctx, B, T, ffcl_div_up(D / 4, local));
    int rc = kept_kernel(ctx, &k, rows, D, is_aligned(mod), store, 0);
    if (rc == 0 && !k) {
        rc = ffcl_kernel_get(ctx, &k, "layernorm", "layernorm_mod", ffcl_store_option(store));
        local = rc ? 0 : ffcl_local_size(ctx, k, 128);
        rows = 1;
    }
    if (rc)
        return rc;
    size_t global = B * T / rows * local;
    ffcl_work(ctx, ffcl_layernorm_cost(B, T, D, store));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(mod->mem),
                       FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld), FFCL_I32(mod->shift_at),
                       FFCL_I32(mod->scale_at), FFCL_F32(eps),
                       FFCL_LOCAL(2 * rows * local * sizeof(float)));
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
    const size_t local = items_for(ctx, D, residual->n);
    const size_t rows = rows_for(ctx, B, T, ffcl_div_up(D / 4, local) * residual->n);
    const size_t global = B * T / rows * local;
    const int aligned = is_aligned(mod) && (residual->gate_ld | residual->gate_at) % 4 == 0;
    int rc = kept_kernel(ctx, &k, rows, D, aligned, store, residual->n);
    if (rc == 0 && !k)
        rc = ffcl_fail(ctx->err, FFCL_EBUILD, "layernorm_mod_kept takes fewer than %zu items on %s",
                       local, ctx->device.caps.name);
    if (rc)
        return rc;
    ffcl_work(ctx, ffcl_layernorm_residual_cost(residual->n, B, T, D, store));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x),
                       FFCL_BUF(residual->add), FFCL_BUF(residual->parts),
                       FFCL_BUF(residual->bias), FFCL_BUF(residual->gate),
                       FFCL_I32(residual->gate_ld), FFCL_I32(residual->gate_at),
                       FFCL_BUF(mod->mem), FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld),
                       FFCL_I32(mod->shift_at), FFCL_I32(mod->scale_at), FFCL_F32(eps),
                       FFCL_LOCAL(2 * rows * local * sizeof(float)));
}
