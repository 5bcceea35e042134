/* SPDX-License-Identifier: MIT
 * GEMMs of half operands: the matrix unit's kernel in several tile sizes, the plain kernel for
 * every other device and shape, and that for one row.  All fuse the epilogue. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "util.h"

/* A unit's kernel, whose file has the same name, what selects the unit there, and the work-items
 * of a sub-group. */
typedef struct unit_kernel {
    const char *name, *option;
    size_t lanes;
} unit_kernel;

static const unit_kernel kernels[] = {
    [FFCL_UNIT_MMA] = {"gemm_mma", "-DWGMMA=0", 32},
    [FFCL_UNIT_WGMMA] = {"gemm_mma", "-DWGMMA=1", 32},
    [FFCL_UNIT_WMMA] = {"gemm_matrix_unit", "-DUNIT=WMMA", 32},
    [FFCL_UNIT_MFMA] = {"gemm_matrix_unit", "-DUNIT=MFMA", 64},
    [FFCL_UNIT_DPAS8] = {"gemm_matrix_unit", "-DUNIT=DPAS -DLANES=8", 8},
    [FFCL_UNIT_DPAS16] = {"gemm_matrix_unit", "-DUNIT=DPAS -DLANES=16", 16},
};

/* A tile size of the kernel.  groups: work-groups that fit a compute unit at once; rate: how fast a
 * full device runs it, relative to the best of its unit (measured on an H200,
 * docs/performance.md; of AMD's and Intel's units guessed, as none was at hand). */
typedef struct tile {
    ffcl_matrix_unit unit;
    size_t bm, bn, warps_m, warps_n, stages, groups;
    double rate;
    int large;                  /* with twice the registers: ctx->large_registers */
} tile;

static const tile tiles[] = {
    {FFCL_UNIT_MMA, 192, 128, 2, 2, 2, 2, 1.00, 0},
    {FFCL_UNIT_MMA, 128, 128, 2, 2, 3, 2, 0.93, 0},
    {FFCL_UNIT_MMA, 128, 64, 2, 2, 3, 3, 0.75, 0},
    {FFCL_UNIT_MMA, 64, 64, 2, 2, 4, 5, 0.60, 0},
    {FFCL_UNIT_WGMMA, 128, 128, 4, 1, 3, 3, 1.00, 0},
    {FFCL_UNIT_WGMMA, 128, 64, 4, 1, 3, 4, 0.79, 0},
    {FFCL_UNIT_WGMMA, 64, 64, 4, 1, 6, 4, 0.66, 0},
    {FFCL_UNIT_WMMA, 128, 64, 4, 2, 2, 2, 1.00, 0},
    {FFCL_UNIT_WMMA, 64, 64, 2, 2, 2, 3, 0.80, 0},
    {FFCL_UNIT_MFMA, 128, 64, 2, 2, 2, 2, 1.00, 0},
    {FFCL_UNIT_MFMA, 64, 64, 2, 2, 2, 3, 0.80, 0},
    {FFCL_UNIT_DPAS8, 128, 64, 8, 4, 2, 2, 1.00, 0},
    {FFCL_UNIT_DPAS8, 64, 64, 4, 4, 2, 3, 0.80, 0},
    {FFCL_UNIT_DPAS8, 128, 128, 4, 4, 2, 2, 1.50, 1},
    {FFCL_UNIT_DPAS16, 128, 64, 8, 2, 2, 2, 1.00, 0},
    {FFCL_UNIT_DPAS16, 64, 64, 4, 2, 2, 3, 0.80, 0},
    {FFCL_UNIT_DPAS16, 128, 128, 4, 2, 2, 2, 1.50, 1},
};

/* For GEMMs of few columns, on both kinds of tensor cores. */
static const tile narrow_tile = {FFCL_UNIT_MMA, 256, 32, 4, 1, 2, 3, 0.60, 0};

/* How a GEMM is cut: into tiles, and along K into splits (split-K). */
typedef struct cut {
    const tile *t;
    size_t splits, k_each;      /* k_each: a multiple of 32 */
} cut;

static int is_upsample(const ffcl_matmul *p)
{
    return p->gather && p->gather->upsample;
}

/* Estimated time of a cut, in units of a tile element and K column.  A compute unit works on up to
 * t->groups work-groups at once; one alone reaches less than half of the unit's rate, as it waits
 * for memory.  Partial sums cost a pass over their floats and another launch. */
static double estimate(const ffcl_ctx *ctx, const ffcl_matmul *p, const cut *c)
{
    const tile *t = c->t;
    const size_t units = ffcl_max(ctx->device.caps.units, 1), M = ffcl_matmul_rows(p);
    size_t count = ffcl_div_up(M, t->bm) * ffcl_div_up(p->w.cols, t->bn) * c->splits;
    if (is_upsample(p))
        count *= 4;
    if (ffcl_matmul_batch(p))
        count *= ffcl_matmul_batch(p);
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
        time += (p->partial ? 0 : 6e6) + 9.0 * (double)(M * p->w.cols * c->splits);
    return time;
}

static cut choose_cut(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    static const size_t splits[] = {1, 2, 3, 4, 6, 8};
    const size_t K = p->w.rows;
    cut best = {0};
    double least = 0;
    if (p->w.cols <= narrow_tile.bn && ffcl_has_tensor_cores(ctx))
        return (cut){&narrow_tile, 1, ffcl_round_up(K, 32)};
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        if (tiles[i].unit != ctx->matrix_unit || (tiles[i].large && !ctx->large_registers))
            continue;
        for (size_t n = 0; n < sizeof splits / sizeof *splits; n++) {
            cut c = {&tiles[i], splits[n], ffcl_round_up(ffcl_div_up(K, splits[n]), 32)};
            if (c.splits > 1 && (ctx->batch_invariant || ffcl_matmul_batch(p) || c.k_each < 256 ||
                                 is_upsample(p) || (c.splits - 1) * c.k_each >= K))
                continue;
            double time = estimate(ctx, p, &c);
            if (!best.t || time < least) {
                best = c;
                least = time;
            }
        }
    }
    return best;
}

/* Can it compute a batch, whose operands may begin at offsets and whose W is (N, K) in memory? */
static int batch_can(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    return ffcl_has_tensor_cores(ctx) && p->w.cols > narrow_tile.bn && !p->gather &&
           p->a.at % 8 == 0 && p->w.at % 8 == 0 && p->w.ld % 8 == 0 && p->a.stride % 8 == 0 &&
           p->w.stride % 8 == 0 && p->out.stride % 8 == 0;
}

int ffcl_gemm_unit_can(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    return ctx->matrix_unit != FFCL_UNIT_NONE && p->w.dtype == FFCL_F16 &&
           p->w.rows % 8 == 0 && p->w.cols % 8 == 0 &&
           p->a.ld % 8 == 0 && p->out.ld % 8 == 0 && p->out.at % 8 == 0 &&
           (!p->gate || (p->gate->at % 4 == 0 && p->gate->stride % 4 == 0)) &&
           (!p->gather || p->a.cols % 32 == 0) && (!ffcl_matmul_batch(p) || batch_can(ctx, p));
}

/* Registers of a work-item with which t->groups work-groups fit a compute unit of 65536 registers;
 * without the limit the compiler takes a few more, needlessly. */
static size_t registers(const tile *t)
{
    return 65536 / (t->groups * 32 * t->warps_m * t->warps_n) / 8 * 8;
}

/* Option ROWS_FIRST of cl/gemm_mma.cl: faster where there are few rows, as measured. */
static int rows_first(const ffcl_matmul *p, const tile *t)
{
    enum { FEW_ROWS = 512 };
    return t->unit == FFCL_UNIT_WGMMA && ffcl_matmul_rows(p) <= FEW_ROWS && !p->gather &&
           !ffcl_matmul_batch(p);
}

/* Options that all kernels share; c NULL: no matrix unit.  Partial sums are written as floats,
 * without an epilogue. */
static void options_of(const ffcl_ctx *ctx, const ffcl_matmul *p, const cut *c, char *text,
                       size_t size)
{
    size_t used = 0;
    int split = c && c->splits > 1;
    if (c)
        used = (size_t)snprintf(text, size,
                                "-DBM=%zu -DBN=%zu -DWARPS_M=%zu -DWARPS_N=%zu -DSTAGES=%zu "
                                "%s -DSPLIT=%d %s",
                                c->t->bm, c->t->bn, c->t->warps_m, c->t->warps_n, c->t->stages,
                                kernels[c->t->unit].option, split,
                                ctx->emulate ? "-DEMULATE=1 " : "");
    if (c && c->t->unit == FFCL_UNIT_WGMMA && c->t->bm == 128 && c->t->bn == 128)
        used += (size_t)snprintf(text + used, size - used, "-cl-nv-maxrregcount=%zu ",
                                 registers(c->t));
    if (c && c->t->large && !ctx->emulate)
        used += (size_t)snprintf(text + used, size - used, "-cl-intel-256-GRF-per-thread ");
    snprintf(text + used, size - used, "-DCONV=%d -DUP=%d -DOUT_FLOAT=%d -DACT=%d%s",
             p->gather != NULL, is_upsample(p), split || p->out.dtype == FFCL_F32,
             split ? 0 : (int)p->act, ffcl_matmul_batch(p) ? " -DBATCH=1" : "");
    if (c && rows_first(p, c->t))
        snprintf(text + strlen(text), size - strlen(text), " -DROWS_FIRST=1");
}

/* Of the plain kernel or a matrix unit's, which take the same arguments. */
static void launch(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_matmul *p, size_t k_each,
                   const size_t *global, const size_t *local)
{
    static const ffcl_gather none = {.kw = 1, .height = 1, .width = 1, .stride = 1};
    const ffcl_gather *g = p->gather ? p->gather : &none;
    const size_t batch = ffcl_matmul_batch(p);
    const ffcl_arg args[] = {
        FFCL_BUF(&p->out), FFCL_INT(p->out.at), FFCL_INT(p->out.ld), FFCL_BUF(&p->a),
        FFCL_INT(p->a.ld), FFCL_BUF(&p->w), FFCL_BUF_OR(p->bias, &p->out),
        FFCL_BUF_OR(p->add, &p->out),
        FFCL_BUF_OR(p->gate, &p->out), FFCL_INT(p->gate ? p->gate->at : 0),
        FFCL_INT(p->gate ? p->gate->stride : 0),
        FFCL_INT(p->gate ? ffcl_matmul_rows_per_image(p) : 1), FFCL_INT(ffcl_epilogue_flags(p)),
        FFCL_INT(ffcl_matmul_rows(p)), FFCL_INT(p->w.cols), FFCL_INT(p->w.rows), FFCL_INT(k_each),
        FFCL_INT(p->gather ? ffcl_height(&p->a) : 1), FFCL_INT(p->gather ? p->a.width : 1),
        FFCL_INT(p->gather ? p->a.cols : 1), FFCL_INT(g->kw), FFCL_INT(g->dy), FFCL_INT(g->dx),
        FFCL_INT(g->height), FFCL_INT(g->width), FFCL_INT(g->stride),
        /* of a batch only */
        FFCL_INT(p->a.at), FFCL_INT(p->w.at), FFCL_INT(p->w.ld), FFCL_INT(p->a.stride),
        FFCL_INT(p->w.stride), FFCL_INT(p->out.stride)};
    ffcl_launch_args(ctx, k, 3, global, local, args, sizeof args / sizeof *args - (batch ? 0 : 6));
}

/* Declares the cost by the shape of one GEMM, also of a batch. */
static void declare(ffcl_ctx *ctx, const ffcl_matmul *p, ffcl_cost cost)
{
    ffcl_work_shape(ctx, cost, "%zux%zux%zu", ffcl_matmul_rows(p), p->w.cols, p->w.rows);
}

static void check_operands(const ffcl_matmul *p)
{
    assert((!p->bias || !p->bias->at) && (!p->add || p->add->at == p->out.at));
    assert(p->a.layout == FFCL_ROWS);
    assert(ffcl_matmul_batch(p) ? !p->add && !p->gate : !p->a.at && !p->w.at);
    assert(!p->add || (p->add->ld == p->out.ld &&
                       p->add->batch * p->add->rows >= ffcl_matmul_rows(p)));
}

void ffcl_half_plain(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    char options[256];
    check_operands(p);
    options_of(ctx, p, NULL, options, sizeof options);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm_half", "gemm_half", options);
    size_t total = ffcl_local_size(ctx, k, 64);
    size_t local[3] = {ffcl_min(16, total), ffcl_max(total / 16, 1), 1};
    size_t global[3] = {ffcl_round_up(N, local[0]), ffcl_round_up(M, local[1]),
                        is_upsample(p) ? 4 : 1};
    declare(ctx, p, ffcl_gemm_cost(p));
    launch(ctx, k, p, p->w.rows, global, local);
}

/* Not with batch_invariant: its sums are not those of the kernels for more rows. */
int ffcl_half_gemv_can(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    return p->w.layout == FFCL_TILES && ffcl_matmul_rows(p) == 1 && p->w.rows % 8 == 0 &&
           !p->gather && !p->out.at && !ctx->batch_invariant &&
           ctx->device.caps.max_work_group >= 256;
}

void ffcl_half_gemv(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t N = p->w.cols;
    char options[256];
    check_operands(p);
    options_of(ctx, p, NULL, options, sizeof options);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm_half", "gemv_half", options);
    size_t local[2] = {32, 8};
    size_t global[2] = {32, ffcl_div_up(N, 32) * 8};
    declare(ctx, p, ffcl_gemm_cost(p));
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(&p->out), FFCL_BUF(&p->a), FFCL_BUF(&p->w),
                FFCL_BUF_OR(p->bias, &p->out), FFCL_BUF_OR(p->add, &p->out),
                FFCL_BUF_OR(p->gate, &p->out), FFCL_INT(p->gate ? p->gate->at : 0),
                FFCL_INT(ffcl_epilogue_flags(p)), FFCL_INT(N), FFCL_INT(p->w.rows));
}

void ffcl_split_k_reduce(ffcl_ctx *ctx, const ffcl_matmul *p, const ffcl_tensor *partial)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    char options[256];
    snprintf(options, sizeof options, "-DOUT_FLOAT=%d -DACT=%d", p->out.dtype == FFCL_F32,
             (int)p->act);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm_half", "split_k_reduce", options);
    size_t total = ffcl_local_size(ctx, k, 256);
    size_t local[2] = {ffcl_min(64, total), ffcl_max(total / 64, 1)};
    size_t global[2] = {ffcl_round_up(N, local[0]), ffcl_round_up(M, local[1])};
    const double results = (double)M * (double)N, n = (double)partial->batch;
    ffcl_cost cost = ffcl_after_cost(p);
    cost.flops += n * results;
    cost.bytes += (4.0 * n + (double)ffcl_dtype_bytes(p->out.dtype)) * results;
    ffcl_work(ctx, cost);
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(&p->out), FFCL_INT(p->out.at),
                FFCL_INT(p->out.ld), FFCL_BUF(partial), FFCL_INT(partial->batch),
                FFCL_BUF_OR(p->bias, &p->out),
                FFCL_BUF_OR(p->add, &p->out), FFCL_BUF_OR(p->gate, &p->out),
                FFCL_INT(p->gate ? p->gate->at : 0), FFCL_INT(p->gate ? p->gate->stride : 0),
                FFCL_INT(p->gate ? ffcl_matmul_rows_per_image(p) : 1),
                FFCL_INT(ffcl_epilogue_flags(p)), FFCL_INT(M), FFCL_INT(N));
}

void ffcl_half_unit(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols, batch = ffcl_matmul_batch(p);
    char options[256];
    const cut c = choose_cut(ctx, p);
    ffcl_matmul own = *p;
    ffcl_tensor partial = {0};
    const unit_kernel *unit = &kernels[c.t->unit];
    check_operands(p);
    options_of(ctx, p, &c, options, sizeof options);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, unit->name, unit->name, options);
    if (c.splits > 1) {
        partial = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, c.splits, M, N));
        own = (ffcl_matmul){.out = partial, .a = p->a, .w = p->w, .gather = p->gather};
    }
    size_t items = unit->lanes * c.t->warps_m * c.t->warps_n;
    size_t columns = ffcl_div_up(N, c.t->bn), rows = ffcl_div_up(M, c.t->bm);
    int first = rows_first(p, c.t);
    size_t local[3] = {items, 1, 1};
    size_t global[3] = {(first ? rows : columns) * items, first ? columns : rows,
                        is_upsample(p) ? 4 : batch ? batch : c.splits};
    ffcl_cost cost = c.splits > 1 ? ffcl_bare_cost(p, 1) : ffcl_gemm_cost(p);
    cost.bytes += 4.0 * (double)(c.splits - 1) * (double)M * (double)N;
    declare(ctx, p, cost);
    launch(ctx, k, &own, c.k_each, global, local);
    if (c.splits > 1 && p->partial) {
        *p->partial = partial;
        return;
    }
    if (c.splits > 1)
        ffcl_split_k_reduce(ctx, p, &partial);
    ffcl_give(ctx, &partial);
}

static const char *const names[] = {
    [FFCL_UNIT_NONE] = "", [FFCL_UNIT_MMA] = "mma", [FFCL_UNIT_WGMMA] = "wgmma",
    [FFCL_UNIT_WMMA] = "wmma", [FFCL_UNIT_MFMA] = "mfma", [FFCL_UNIT_DPAS8] = "dpas",
    [FFCL_UNIT_DPAS16] = "dpas",
};

const char *ffcl_unit_name(ffcl_matrix_unit unit)
{
    return names[unit];
}
