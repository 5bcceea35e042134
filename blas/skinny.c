/* SPDX-License-Identifier: MIT
 * GEMMs of few rows or few columns in float32, epilogue included, on any device. */
#include <stdio.h>

#include "backend.h"
#include "util.h"

/* Work-items of a work-group, at most WIDE of them side by side; rows that a work-item computes;
 * the loads that it keeps in flight, which are limited by registers. */
enum { ITEMS = 256, WIDE = 32, NARROWEST = 2, ROWS_MOST = 8, LOADS = 12, LOADS_BY_ROWS = 40 };
/* Columns of a vector of cl/unpatch_row.cl. */
enum { UNPATCH_WIDE = 16 };

/* How a GEMM is cut; see cl/gemm_skinny.cl.  The order of a sum depends on wide and items, so these
 * must not depend on M. */
typedef struct cut {
    size_t vec, wide, rows, unroll, items;
} cut;

/* Vectors side by side in a work-group: as many as leave every compute unit a work-group, but at
 * least NARROWEST, as every work-group reads all of A. */
static size_t choose_wide(const ffcl_ctx *ctx, size_t vectors, size_t items)
{
    size_t wide = ffcl_min(WIDE, items);
    while (wide > 1 && wide / 2 >= vectors)
        wide /= 2;
    while (wide > NARROWEST && vectors > 16 && ffcl_div_up(vectors, wide) < ctx->device.caps.units)
        wide /= 2;
    return wide;
}

static cut choose_cut(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const ffcl_caps *caps = &ctx->device.caps;
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    /* W by columns is read element by element, and added up in the order of W by rows. */
    const int is_vector = N % 4 == 0 && (p->w.layout == FFCL_COLUMNS ||
                                         (p->w.at % 4 == 0 && p->w.ld % 4 == 0));
    cut c = {.vec = is_vector ? 4 : 1, .rows = ROWS_MOST, .items = 1};
    while (2 * c.items <= ffcl_min(ITEMS, caps->max_work_group))
        c.items *= 2;
    c.wide = choose_wide(ctx, N / c.vec, c.items);
    /* More rows read W less often, but there must be work for half of the units. */
    size_t groups = ffcl_div_up(N / c.vec, c.wide);
    while (c.rows > 1 && (c.rows / 2 >= M ||
                          2 * groups * ffcl_div_up(M, c.rows) < caps->units ||
                          c.rows * c.items * c.vec * sizeof(float) > caps->local_bytes))
        c.rows /= 2;
    size_t steps = ffcl_div_up(p->w.rows, c.items / c.wide);
    size_t most = ffcl_min(LOADS, LOADS_BY_ROWS / c.rows);
    c.unroll = ffcl_div_up(steps, ffcl_div_up(steps, most));
    return c;
}

int ffcl_unpatch_row_can(const ffcl_matmul *p)
{
    return p->unpatch && p->w.layout == FFCL_ROWS && p->w.cols % UNPATCH_WIDE == 0 &&
           p->act == FFCL_ACT_NONE && !p->gate && !p->add;
}

void ffcl_unpatch_row(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const ffcl_unpatch *u = p->unpatch;
    const int by_columns = p->a.layout == FFCL_COLUMNS;
    const cut c = choose_cut(ctx, p);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "unpatch_row", "gemm_unpatch_row", "-DVW=16");
    size_t local = ffcl_local_size(ctx, k, 8), global = ffcl_round_up(ffcl_matmul_rows(p), local);
    ffcl_gemm_work(ctx, p, ffcl_gemm_cost(p));
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(&p->out), FFCL_INT(p->out.at),
                FFCL_BUF(&p->a), FFCL_INT(p->a.at), FFCL_INT(by_columns ? 1 : p->a.ld),
                FFCL_INT(by_columns ? p->a.ld : 1), FFCL_BUF(&p->w), FFCL_INT(p->w.at),
                FFCL_INT(p->w.ld), FFCL_BUF_OR(p->bias, &p->a),
                FFCL_INT(p->bias ? p->bias->at : 0), FFCL_INT(p->bias != NULL),
                FFCL_INT(ffcl_matmul_rows(p)), FFCL_INT(p->w.cols), FFCL_INT(p->w.rows),
                FFCL_INT(c.items / c.wide), FFCL_INT(u->C), FFCL_INT(u->Cout), FFCL_INT(u->R),
                FFCL_INT(u->p));
}

void ffcl_skinny_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    static const ffcl_unpatch none = {1, 1, 1, 1};
    const ffcl_unpatch *u = p->unpatch ? p->unpatch : &none;
    const int by_columns = p->a.layout == FFCL_COLUMNS;
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    const cut c = choose_cut(ctx, p);
    char options[160];
    /* NVIDIA's compiler would otherwise save registers and keep fewer loads in flight. */
    snprintf(options, sizeof options, "-DVEC=%zu -DROWS=%zu -DUNROLL=%zu -DACT=%d%s%s%s", c.vec,
             c.rows, c.unroll, (int)p->act, p->unpatch ? " -DUNPATCH=1" : "",
             p->w.layout == FFCL_COLUMNS ? " -DNMAJOR=1" : "",
             ctx->device.caps.nv_compute ? " -cl-nv-maxrregcount=128" : "");
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm_skinny", "gemm_skinny", options);
    size_t items = ffcl_max(ffcl_local_size(ctx, k, c.items), c.wide);
    size_t local[2] = {items, 1};
    size_t global[2] = {ffcl_div_up(N / c.vec, c.wide) * items, ffcl_div_up(M, c.rows)};
    const ffcl_arg args[] = {
        FFCL_BUF(&p->out), FFCL_INT(p->out.at), FFCL_INT(p->unpatch ? N : p->out.ld),
        FFCL_BUF(&p->a), FFCL_INT(p->a.at), FFCL_INT(by_columns ? 1 : p->a.ld),
        FFCL_INT(by_columns ? p->a.ld : 1), FFCL_BUF(&p->w), FFCL_INT(p->w.at), FFCL_INT(p->w.ld),
        FFCL_BUF_OR(p->bias, &p->a), FFCL_INT(p->bias ? p->bias->at : 0),
        FFCL_BUF_OR(p->gate, &p->a), FFCL_INT(p->gate ? p->gate->at : 0),
        FFCL_INT(p->gate ? p->gate->stride : 0),
        FFCL_INT(p->gate ? ffcl_matmul_rows_per_image(p) : 1), FFCL_BUF_OR(p->add, &p->a),
        FFCL_INT(p->add ? p->add->at : 0), FFCL_INT(p->add ? p->add->ld : 0),
        FFCL_INT(p->add ? p->add->batch * p->add->rows : 1), FFCL_INT(ffcl_epilogue_flags(p)),
        FFCL_INT(M), FFCL_INT(N), FFCL_INT(p->w.rows), FFCL_INT(c.wide),
        FFCL_LOCAL(c.rows * items * c.vec * sizeof(float)),
        /* of unpatch only */
        FFCL_INT(u->C), FFCL_INT(u->Cout), FFCL_INT(u->R), FFCL_INT(u->p)};
    ffcl_gemm_work(ctx, p, ffcl_gemm_cost(p));
    ffcl_launch_args(ctx, k, 2, global, local, args,
                     sizeof args / sizeof *args - (p->unpatch ? 0 : 4));
}
