/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/ops.h"
#include "util.h"

/* A row in registers: few items with several quads each, as the sums over a work-group cost more
 * than the loads they hide; with several rows at most QUADS_MOST. */
enum { KEEP_MOST = 8, ROWS_MOST = 4, QUADS_MOST = 12 };

/* Items of a row: those that leave the fewest without a quad, the more of two such. */
static size_t items_for(size_t D)
{
    size_t best = 64, quads = ffcl_div_up(D, 4);
    for (size_t items = 64; items <= 128; items += 32)
        if (ffcl_round_up(quads, items) <= ffcl_round_up(quads, best) ||
            ffcl_div_up(quads, best) > KEEP_MOST)
            best = items;
    return best;
}

/* Rows of a work-group: as many as leave every compute unit some work-groups. */
static size_t rows_for(const ffcl_ctx *ctx, size_t B, size_t T, size_t D)
{
    size_t rows = 1, units = ffcl_max(ctx->device.caps.units, 1);
    size_t keep = ffcl_div_up(D / 4, items_for(D));
    if (ctx->device.caps.type & CL_DEVICE_TYPE_CPU)
        return 1;
    while (rows < ROWS_MOST && 2 * rows * keep <= QUADS_MOST && T % (2 * rows) == 0 &&
           B * T / (2 * rows) >= 4 * units)
        rows *= 2;
    return rows;
}

/* The kernel that keeps rows in registers, or NULL in *k where the row is too long for it or the
 * device's work-groups too small. */
static int kept_kernel(ffcl_ctx *ctx, const ffcl_kernel **k, size_t rows, size_t D,
                       const ffcl_modulation *mod, ffcl_store store)
{
    char options[96], registers[48] = "";
    const ffcl_caps *caps = &ctx->device.caps;
    const size_t items = items_for(D), keep = ffcl_div_up(D / 4, items);
    const int aligned = (mod->ld | mod->shift_at | mod->scale_at) % 4 == 0;
    *k = NULL;
    if (D % 4 || keep > KEEP_MOST || items > caps->max_work_group)
        return 0;
    /* NVIDIA's compiler would save registers and have less on its way. */
    if (caps->nv_compute)
        snprintf(registers, sizeof registers, " -cl-nv-maxrregcount=%zu",
                 4 * keep * (rows + 2) + 88);
    snprintf(options, sizeof options, "-DKEEP=%zu -DROWS=%zu -DALIGNED=%d %s%s", keep, rows,
             aligned, ffcl_store_option(store), registers);
    int rc = ffcl_kernel_get(ctx, k, "layernorm", "layernorm_mod_kept", options);
    if (rc == 0 && (*k)->max_work_group && (*k)->max_work_group < items)
        *k = NULL;
    return rc;
}

int ffcl_layernorm_modulate(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_modulation *mod,
                            size_t B, size_t T, size_t D, float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    size_t rows = rows_for(ctx, B, T, D);
    int rc = kept_kernel(ctx, &k, rows, D, mod, store);
    const int kept = rc == 0 && k;
    if (rc == 0 && !kept) {
        rows = 1;
        rc = ffcl_kernel_get(ctx, &k, "layernorm", "layernorm_mod", ffcl_store_option(store));
    }
    if (rc)
        return rc;
    size_t local = kept ? items_for(D) : ffcl_local_size(ctx, k, 64);
    size_t global = B * T / rows * local;
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(mod->mem),
                       FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld), FFCL_I32(mod->shift_at),
                       FFCL_I32(mod->scale_at), FFCL_F32(eps),
                       FFCL_LOCAL(2 * rows * local * sizeof(float)));
}
