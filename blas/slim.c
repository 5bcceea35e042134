/* SPDX-License-Identifier: MIT
 * Products of few rows or few columns in float32, epilogue included, on any device. */
#include <stdio.h>

#include "backend.h"
#include "cl/launch.h"
#include "util.h"

/* ITEMS of a work-group, at most WIDE of them side by side; rows that an item works on; loads that
 * it has on their way, for which it needs registers. */
enum { ITEMS = 256, WIDE = 32, NARROWEST = 2, ROWS_MOST = 8, LOADS = 12, LOADS_BY_ROWS = 40 };

/* How a product is cut.  Sums depend on wide and items, so these do not depend on M. */
typedef struct cut {
    size_t vec, wide, rows, unroll, items;
} cut;

/* Vectors side by side in a work-group: as many as leave every compute unit a work-group.  The
 * rows of A are read by every work-group, so a few columns stay together. */
static size_t choose_wide(const ffcl_ctx *ctx, size_t vectors, size_t items)
{
    size_t wide = ffcl_min(WIDE, items);
    while (wide > 1 && wide / 2 >= vectors)
        wide /= 2;
    while (wide > NARROWEST && vectors > 16 && ffcl_div_up(vectors, wide) < ctx->device.caps.units)
        wide /= 2;
    return wide;
}

static cut choose_cut(const ffcl_ctx *ctx, const ffcl_product *p)
{
    const ffcl_caps *caps = &ctx->device.caps;
    cut c = {.vec = p->n % 4 || p->w_at % 4 || p->w_ld % 4 ? 1 : 4, .rows = ROWS_MOST, .items = 1};
    while (2 * c.items <= ffcl_min(ITEMS, caps->max_work_group))
        c.items *= 2;
    c.wide = choose_wide(ctx, p->n / c.vec, c.items);
    /* More rows read W less often, but there must be work for half of the units. */
    size_t groups = ffcl_div_up(p->n / c.vec, c.wide);
    while (c.rows > 1 && (c.rows / 2 >= p->m ||
                          2 * groups * ffcl_div_up(p->m, c.rows) < caps->units ||
                          c.rows * c.items * c.vec * sizeof(float) > caps->local_bytes))
        c.rows /= 2;
    size_t steps = ffcl_div_up(p->k, c.items / c.wide);
    size_t most = ffcl_min(LOADS, LOADS_BY_ROWS / c.rows);
    c.unroll = ffcl_div_up(steps, ffcl_div_up(steps, most));
    return c;
}

int ffcl_slim_gemm(ffcl_ctx *ctx, const ffcl_product *p)
{
    const ffcl_epilogue *e = &p->epilogue;
    const ffcl_caps *caps = &ctx->device.caps;
    static const ffcl_unpatch none = {1, 1, 1, 1};
    const ffcl_unpatch *u = p->unpatch ? p->unpatch : &none;
    const cut c = choose_cut(ctx, p);
    char options[128];
    const ffcl_kernel *k;
    /* NVIDIA's compiler would save registers and have less on its way. */
    snprintf(options, sizeof options, "-DVEC=%zu -DROWS=%zu -DUNROLL=%zu -DACT=%d%s%s", c.vec,
             c.rows, c.unroll, (int)e->act, p->unpatch ? " -DUNPATCH=1" : "",
             caps->nv_compute ? " -cl-nv-maxrregcount=128" : "");
    int rc = ffcl_kernel_get(ctx, &k, "slim", "slim_f32", options);
    if (rc)
        return rc;
    size_t items = ffcl_max(ffcl_local_size(ctx, k, c.items), c.wide);
    size_t local[2] = {items, 1};
    size_t global[2] = {ffcl_div_up(p->n / c.vec, c.wide) * items, ffcl_div_up(p->m, c.rows)};
    const ffcl_arg args[] = {
        FFCL_BUF(p->out), FFCL_I32(p->out_at), FFCL_I32(p->out_ld), FFCL_BUF(p->a),
        FFCL_I32(p->a_at), FFCL_I32(p->a_kmajor ? 1 : p->a_ld),
        FFCL_I32(p->a_kmajor ? p->a_ld : 1), FFCL_BUF(p->w), FFCL_I32(p->w_at), FFCL_I32(p->w_ld),
        FFCL_BUF(e->has_bias ? e->bias : p->a), FFCL_I32(e->bias_at),
        FFCL_BUF(e->has_gate ? e->gate : p->a), FFCL_I32(e->gate_at), FFCL_I32(e->gate_ld),
        FFCL_I32(e->has_gate ? e->gate_rows : 1), FFCL_BUF(e->has_add ? e->add : p->a),
        FFCL_I32(e->add_at), FFCL_I32(e->add_ld), FFCL_I32(e->has_add ? e->add_rows : 1),
        FFCL_I32(ffcl_epilogue_flags(e)), FFCL_I32(p->m), FFCL_I32(p->n), FFCL_I32(p->k),
        FFCL_I32(c.wide), FFCL_LOCAL(c.rows * items * c.vec * sizeof(float)),
        /* of unpatch only */
        FFCL_I32(u->C), FFCL_I32(u->Cout), FFCL_I32(u->R), FFCL_I32(u->p)};
    ffcl_work_shape(ctx, ffcl_gemm_cost(p), "%zux%zux%zu", p->m, p->n, p->k);
    return ffcl_launch_args(ctx, k, 2, global, local, args,
                            sizeof args / sizeof *args - (p->unpatch ? 0 : 4));
}
