/* SPDX-License-Identifier: MIT
 * Products of half operands: the matrix engine's kernel in several tile sizes, and its plain twin
 * for every other device and shape.  Both fuse the epilogue. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "cl/arena.h"
#include "cl/launch.h"
#include "util.h"

/* Where an engine's kernel is, what selects the engine there, and the items of a sub-group. */
typedef struct engine_kernel {
    const char *source, *name, *option;
    size_t lanes;
} engine_kernel;

static const engine_kernel kernels[] = {
    [FFCL_ENGINE_MMA] = {"mma", "mma_f16", "-DWGMMA=0", 32},
    [FFCL_ENGINE_WGMMA] = {"mma", "mma_f16", "-DWGMMA=1", 32},
    [FFCL_ENGINE_WMMA] = {"matrix", "matrix_f16", "-DENGINE=WMMA", 32},
    [FFCL_ENGINE_MFMA] = {"matrix", "matrix_f16", "-DENGINE=MFMA", 64},
    [FFCL_ENGINE_DPAS8] = {"matrix", "matrix_f16", "-DENGINE=DPAS -DLANES=8", 8},
    [FFCL_ENGINE_DPAS16] = {"matrix", "matrix_f16", "-DENGINE=DPAS -DLANES=16", 16},
};

/* A tile size of the kernel.  groups: work-groups that fit a compute unit at once; rate: how fast a
 * full device runs it, relative to the best of its level (measured on an H200,
 * docs/performance.md; of AMD's and Intel's engines guessed, as none was at hand). */
typedef struct tile {
    ffcl_engine_level level;
    size_t bm, bn, warps_m, warps_n, stages, groups;
    double rate;
} tile;

static const tile tiles[] = {
    {FFCL_ENGINE_MMA, 192, 128, 2, 2, 2, 2, 1.00},
    {FFCL_ENGINE_MMA, 128, 128, 2, 2, 3, 2, 0.93},
    {FFCL_ENGINE_MMA, 128, 64, 2, 2, 3, 3, 0.75},
    {FFCL_ENGINE_MMA, 64, 64, 2, 2, 4, 5, 0.60},
    {FFCL_ENGINE_WGMMA, 128, 128, 4, 1, 3, 3, 1.00},
    {FFCL_ENGINE_WGMMA, 128, 64, 4, 1, 3, 4, 0.79},
    {FFCL_ENGINE_WGMMA, 64, 64, 4, 1, 6, 4, 0.66},
    {FFCL_ENGINE_WMMA, 128, 64, 4, 2, 2, 2, 1.00},
    {FFCL_ENGINE_WMMA, 64, 64, 2, 2, 2, 3, 0.80},
    {FFCL_ENGINE_MFMA, 128, 64, 2, 2, 2, 2, 1.00},
    {FFCL_ENGINE_MFMA, 64, 64, 2, 2, 2, 3, 0.80},
    {FFCL_ENGINE_DPAS8, 128, 64, 8, 4, 2, 2, 1.00},
    {FFCL_ENGINE_DPAS8, 64, 64, 4, 4, 2, 3, 0.80},
    {FFCL_ENGINE_DPAS16, 128, 64, 8, 2, 2, 2, 1.00},
    {FFCL_ENGINE_DPAS16, 64, 64, 4, 2, 2, 3, 0.80},
};

/* For products of few columns, at either level of NVIDIA's. */
static const tile narrow_tile = {FFCL_ENGINE_MMA, 256, 32, 4, 1, 2, 3, 0.60};

/* How a product is cut: its tile, and into how many parts of K. */
typedef struct cut {
    const tile *t;
    size_t splits, k_each;      /* k_each: a multiple of 32 */
} cut;

/* Estimated time of a cut, in units of a tile element and K column.  A compute unit works on up to
 * t->groups work-groups at once; one alone reaches less than half of the unit's rate, as it waits
 * for memory.  Parts cost a pass over their floats and another launch. */
static double estimate(const ffcl_ctx *ctx, const ffcl_product *p, const cut *c, int in_parts)
{
    const tile *t = c->t;
    const size_t units = ffcl_max(ctx->device.caps.units, 1);
    size_t count = ffcl_div_up(p->m, t->bm) * ffcl_div_up(p->n, t->bn) * c->splits;
    if (p->gather && p->gather->upsample)
        count *= 4;
    if (p->batch)
        count *= p->batch;
    double busiest = (double)ffcl_div_up(count, units);
    /* Work-groups are handed out as others end, so many rounds even out. */
    double load = busiest <= 2.0 * (double)t->groups ? busiest
                                                     : (double)count / (double)units + 1.0;
    double together = (double)ffcl_min((size_t)busiest, t->groups);
    double share = 0.4 + 0.6 * (together - 1.0) / (double)ffcl_max(t->groups - 1, 1);
    double time = load * (double)(t->bm * t->bn) * (double)(c->k_each + 128) / (t->rate * share);
    /* What all work-groups read through the L2 cache bounds it, too. */
    double halves = (double)(count * c->k_each * (t->bm + t->bn));
    time = fmax(time, 0.86 * halves);
    if (c->splits > 1)
        time += (in_parts ? 0 : 6e6) + 9.0 * (double)(p->m * p->n * c->splits);
    return time;
}

static cut choose_cut(const ffcl_ctx *ctx, const ffcl_product *p, int in_parts)
{
    static const size_t splits[] = {1, 2, 3, 4, 6, 8};
    cut best = {0};
    double least = 0;
    if (p->n <= narrow_tile.bn && ffcl_engine_is_nvidia(ctx->matrix_engine))
        return (cut){&narrow_tile, 1, ffcl_round_up(p->k, 32)};
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        if (tiles[i].level != ctx->matrix_engine)
            continue;
        for (size_t n = 0; n < sizeof splits / sizeof *splits; n++) {
            cut c = {&tiles[i], splits[n], ffcl_round_up(ffcl_div_up(p->k, splits[n]), 32)};
            if (c.splits > 1 && (ctx->any_batch || p->batch || c.k_each < 256 ||
                                 (p->gather && p->gather->upsample) ||
                                 (c.splits - 1) * c.k_each >= p->k))
                continue;
            double time = estimate(ctx, p, &c, in_parts);
            if (!best.t || time < least) {
                best = c;
                least = time;
            }
        }
    }
    return best;
}

int ffcl_gemm_mma_fits(const ffcl_ctx *ctx, const ffcl_product *p)
{
    return ctx->matrix_engine != FFCL_ENGINE_NONE && p->k % 8 == 0 && p->n % 8 == 0 &&
           p->a_ld % 8 == 0 && p->out_ld % 8 == 0 && p->epilogue.gate_at % 4 == 0 &&
           p->epilogue.gate_ld % 4 == 0 &&
           (!p->gather || p->gather->C % 32 == 0);
}

int ffcl_gemm_batch_fits(const ffcl_ctx *ctx, const ffcl_product *p)
{
    if (!p->half)
        return ctx->cblas != NULL;
    return ffcl_engine_is_nvidia(ctx->matrix_engine) && ffcl_gemm_mma_fits(ctx, p) &&
           p->n > narrow_tile.bn && !p->gather && p->a_at % 8 == 0 && p->w_at % 8 == 0 &&
           p->w_ld % 8 == 0 && p->a_step % 8 == 0 && p->w_step % 8 == 0 && p->out_step % 8 == 0;
}

/* Registers an item may take where `groups` work-groups are to fit a compute unit of 65536; the
 * compiler takes a few more otherwise, without need. */
static size_t registers(const tile *t)
{
    return 65536 / (t->groups * 32 * t->warps_m * t->warps_n) / 8 * 8;
}

/* Do tiles go through the rows first?  See cl/mma.cl; measured with few rows. */
static int rows_first(const ffcl_product *p, const tile *t)
{
    enum { FEW_ROWS = 512 };
    return t->level == FFCL_ENGINE_WGMMA && p->m <= FEW_ROWS && !p->gather && !p->batch;
}

/* Options that both kernels and the reduction share; parts are written as floats, bare. */
static void options_of(const ffcl_ctx *ctx, const ffcl_product *p, const cut *c, char *text,
                       size_t size)
{
    size_t used = 0;
    int split = c && c->splits > 1;
    if (c)
        used = (size_t)snprintf(text, size,
                                "-DBM=%zu -DBN=%zu -DWARPS_M=%zu -DWARPS_N=%zu -DSTAGES=%zu "
                                "%s -DSPLIT=%d %s",
                                c->t->bm, c->t->bn, c->t->warps_m, c->t->warps_n, c->t->stages,
                                kernels[c->t->level].option, split,
                                ctx->emulate ? "-DEMULATE=1 " : "");
    if (c && c->t->level == FFCL_ENGINE_WGMMA && c->t->bm == 128 && c->t->bn == 128)
        used += (size_t)snprintf(text + used, size - used, "-cl-nv-maxrregcount=%zu ",
                                 registers(c->t));
    snprintf(text + used, size - used, "-DCONV=%d -DUP=%d -DOUT_FLOAT=%d -DACT=%d%s",
             p->gather != NULL, p->gather && p->gather->upsample, split || !p->out_half,
             split ? 0 : (int)p->epilogue.act, p->batch ? " -DBATCH=1" : "");
    if (c && rows_first(p, c->t))
        snprintf(text + strlen(text), size - strlen(text), " -DROWS_FIRST=1");
}

/* Both kernels take the same arguments. */
static int launch(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_product *p, size_t k_each,
                  const size_t *global, const size_t *local, ffcl_cost cost)
{
    static const ffcl_gather none = {1, 1, 1, 1, 0, 0, 0};
    const ffcl_epilogue *e = &p->epilogue;
    const ffcl_gather *g = p->gather ? p->gather : &none;
    ffcl_work_shape(ctx, cost, "%zux%zux%zu", p->m, p->n, p->k);
    const ffcl_arg args[] = {
        FFCL_BUF(p->out), FFCL_I32(p->out_ld), FFCL_BUF(p->a), FFCL_I32(p->a_ld), FFCL_BUF(p->w),
        FFCL_BUF(e->has_bias ? e->bias : p->out), FFCL_BUF(e->has_add ? e->add : p->out),
        FFCL_BUF(e->has_gate ? e->gate : p->out), FFCL_I32(e->gate_at), FFCL_I32(e->gate_ld),
        FFCL_I32(e->has_gate ? e->gate_rows : 1), FFCL_I32(ffcl_epilogue_flags(e)), FFCL_I32(p->m),
        FFCL_I32(p->n), FFCL_I32(p->k), FFCL_I32(k_each), FFCL_I32(g->Hh), FFCL_I32(g->Ww),
        FFCL_I32(g->C), FFCL_I32(g->kw), FFCL_I32(g->dy), FFCL_I32(g->dx),
        /* of a batch only */
        FFCL_I32(p->a_at), FFCL_I32(p->w_at), FFCL_I32(p->w_ld), FFCL_I32(p->a_step),
        FFCL_I32(p->w_step), FFCL_I32(p->out_step)};
    return ffcl_launch_args(ctx, k, 3, global, local, args,
                            sizeof args / sizeof *args - (p->batch ? 0 : 6));
}

static int plain(ffcl_ctx *ctx, const ffcl_product *p)
{
    char options[256];
    const ffcl_kernel *k;
    options_of(ctx, p, NULL, options, sizeof options);
    int rc = ffcl_kernel_get(ctx, &k, "product", "product_f16", options);
    if (rc)
        return rc;
    size_t total = ffcl_local_size(ctx, k, 64);
    size_t local[3] = {ffcl_min(16, total), ffcl_max(total / 16, 1), 1};
    size_t global[3] = {ffcl_round_up(p->n, local[0]), ffcl_round_up(p->m, local[1]),
                        p->gather && p->gather->upsample ? 4 : 1};
    return launch(ctx, k, p, p->k, global, local, ffcl_gemm_cost(p));
}

/* The kernel for one row, where nothing asks for the sums of other numbers of rows. */
static int is_row(const ffcl_ctx *ctx, const ffcl_product *p)
{
    return p->m == 1 && p->k % 8 == 0 && !p->gather && !p->batch && !ctx->any_batch &&
           ctx->device.caps.max_work_group >= 256;
}

static int row(ffcl_ctx *ctx, const ffcl_product *p)
{
    char options[256];
    const ffcl_kernel *k;
    const ffcl_epilogue *e = &p->epilogue;
    options_of(ctx, p, NULL, options, sizeof options);
    int rc = ffcl_kernel_get(ctx, &k, "product", "product_row", options);
    if (rc)
        return rc;
    size_t local[2] = {32, 8};
    size_t global[2] = {32, ffcl_div_up(p->n, 32) * 8};
    ffcl_work_shape(ctx, ffcl_gemm_cost(p), "1x%zux%zu", p->n, p->k);
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(p->out), FFCL_BUF(p->a), FFCL_BUF(p->w),
                       FFCL_BUF(e->has_bias ? e->bias : p->out),
                       FFCL_BUF(e->has_add ? e->add : p->out),
                       FFCL_BUF(e->has_gate ? e->gate : p->out), FFCL_I32(e->gate_at),
                       FFCL_I32(ffcl_epilogue_flags(e)), FFCL_I32(p->n), FFCL_I32(p->k));
}

/* out = epilogue(sum of parts). */
static int reduce(ffcl_ctx *ctx, const ffcl_product *p, cl_mem parts, size_t splits)
{
    char options[256];
    const ffcl_kernel *k;
    const ffcl_epilogue *e = &p->epilogue;
    snprintf(options, sizeof options, "-DOUT_FLOAT=%d -DACT=%d", !p->out_half, (int)e->act);
    int rc = ffcl_kernel_get(ctx, &k, "product", "product_reduce", options);
    if (rc)
        return rc;
    size_t total = ffcl_local_size(ctx, k, 256);
    size_t local[2] = {ffcl_min(64, total), ffcl_max(total / 64, 1)};
    size_t global[2] = {ffcl_round_up(p->n, local[0]), ffcl_round_up(p->m, local[1])};
    const double results = (double)p->m * (double)p->n;
    ffcl_cost cost = ffcl_after_cost(p);
    cost.flops += (double)splits * results;
    cost.bytes += (4.0 * (double)splits + (p->out_half ? 2.0 : 4.0)) * results;
    ffcl_work(ctx, cost);
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(p->out), FFCL_I32(p->out_ld),
                       FFCL_BUF(parts), FFCL_I32(splits), FFCL_BUF(e->has_bias ? e->bias : p->out),
                       FFCL_BUF(e->has_add ? e->add : p->out),
                       FFCL_BUF(e->has_gate ? e->gate : p->out), FFCL_I32(e->gate_at),
                       FFCL_I32(e->gate_ld), FFCL_I32(e->has_gate ? e->gate_rows : 1),
                       FFCL_I32(ffcl_epilogue_flags(e)), FFCL_I32(p->m), FFCL_I32(p->n));
}

static int engine(ffcl_ctx *ctx, const ffcl_product *p, ffcl_parts *left)
{
    char options[256];
    const ffcl_kernel *k;
    const cut c = choose_cut(ctx, p, left != NULL);
    ffcl_product part = *p;
    ffcl_buf parts = {0};
    const engine_kernel *own = &kernels[c.t->level];
    options_of(ctx, p, &c, options, sizeof options);
    int rc = ffcl_kernel_get(ctx, &k, own->source, own->name, options);
    if (rc == 0 && c.splits > 1) {
        rc = ffcl_take(ctx, &parts, c.splits * p->m * p->n);
        part.out = parts.mem;
        part.out_ld = p->n;
        part.epilogue = (ffcl_epilogue){0};
    }
    size_t items = own->lanes * c.t->warps_m * c.t->warps_n;
    size_t columns = ffcl_div_up(p->n, c.t->bn), rows = ffcl_div_up(p->m, c.t->bm);
    int first = rows_first(p, c.t);
    size_t local[3] = {items, 1, 1};
    size_t global[3] = {(first ? rows : columns) * items, first ? columns : rows,
                        p->gather && p->gather->upsample ? 4 : p->batch ? p->batch : c.splits};
    ffcl_cost cost = c.splits > 1 ? ffcl_bare_cost(p, 1) : ffcl_gemm_cost(p);
    cost.bytes += 4.0 * (double)(c.splits - 1) * (double)p->m * (double)p->n;
    if (rc == 0)
        rc = launch(ctx, k, &part, c.k_each, global, local, cost);
    if (rc == 0 && c.splits > 1 && left) {
        *left = (ffcl_parts){parts, c.splits};
        return 0;
    }
    if (rc == 0 && c.splits > 1)
        rc = reduce(ctx, p, parts.mem, c.splits);
    ffcl_give(ctx, &parts);
    return rc;
}

int ffcl_half_gemm(ffcl_ctx *ctx, const ffcl_product *p, ffcl_parts *parts)
{
    const ffcl_epilogue *e = &p->epilogue;
    assert(!e->bias_at && !e->add_at && !p->out_at && !p->a_kmajor);
    assert(p->batch ? ffcl_gemm_batch_fits(ctx, p) && !e->has_add && !e->has_gate
                    : !p->a_at && !p->w_at);
    assert(!e->has_add || (e->add_ld == p->out_ld && e->add_rows >= p->m));
    if (is_row(ctx, p))
        return row(ctx, p);
    return ffcl_gemm_mma_fits(ctx, p) ? engine(ctx, p, parts) : plain(ctx, p);
}
