/* SPDX-License-Identifier: MIT
 * ffcl's own GEMM for GPUs without matrix units (cl/gemm_blocked.cl), alone or in batches, epilogue
 * included; of float32 or half operands. */
#include <stdio.h>

#include "backend.h"
#include "cl/registers.h"
#include "util.h"

/* Work-items of a work-group; columns of K of a piece of W in tiles; the most of a step; the most
 * parts of K; the most work-groups of a compute unit. */
enum { ITEMS = 128, TILED_STEP = 8, LONG_STEP = 16, PARTS = 3, MOST_TOGETHER = 5 };
/* Operands: any; whole steps and quads (cl/gemm_blocked.cl's WHOLE), of which at most one is half;
 * the same of which both are half; gathered rows of images of another size, where registers are
 * few, for which nothing else is. */
enum { ANY = 1, WHOLE = 2, HALVES = 4, GATHERED = 8 };

/* A tile of BM x BN, of which a work-item has TM x TN quads of rows and columns; columns of K of
 * a step, which change no sum, the steps under way and whether they are loaded EARLY; registers
 * that NVIDIA's compiler may take, so that `together` work-groups fit a compute unit; operands
 * that it is for.  How it runs, measured on an H100 (docs/performance.md): `rate` on a full
 * device, relative to the best; shares of it with 1, 2, ... work-groups on a compute unit; columns
 * of K that its start and end take as long as.  Intel's compiler would keep the steps under way in
 * memory: one there. */
typedef struct tile {
    size_t bm, bn, tm, tn, step, ahead;
    int early, registers, operands;
    double rate, start;
    size_t together;
    double shares[MOST_TOGETHER];
} tile;

static const tile tiles[] = {
    {64, 128, 2, 2, 8, 1, 0, 128, WHOLE, 1.00, 36, 4, {0.45, 0.69, 0.91, 1.0}},
    {64, 128, 2, 2, 16, 1, 0, 168, WHOLE, 0.985, 42, 3, {0.60, 0.82, 1.0}},
    {64, 128, 2, 2, 8, 1, 1, 128, WHOLE, 0.96, 26, 4, {0.70, 0.83, 0.94, 1.0}},
    {64, 64, 2, 1, 16, 1, 1, 96, WHOLE | HALVES, 0.89, 16, 5, {0.60, 0.82, 0.92, 0.97, 1.0}},
    {64, 128, 2, 2, 8, 1, 0, 128, HALVES, 0.95, 36, 4, {0.71, 0.85, 0.94, 1.0}},
    {64, 128, 2, 2, 8, 1, 0, 168, ANY, 0.92, 36, 3, {0.60, 0.82, 1.0}},
    {128, 64, 2, 2, 8, 1, 0, 168, ANY, 0.90, 36, 3, {0.60, 0.82, 1.0}},
    {64, 64, 2, 1, 8, 2, 0, 96, ANY, 0.84, 16, 5, {0.60, 0.82, 0.92, 0.97, 1.0}},
    /* for skinny ones, whose weights are the work */
    {32, 128, 1, 2, 16, 2, 1, 128, WHOLE, 0.78, 16, 4, {0.60, 0.80, 0.93, 1.0}},
    {32, 128, 1, 2, 8, 3, 0, 128, ANY, 0.74, 16, 4, {0.60, 0.80, 0.93, 1.0}},
    {32, 64, 1, 1, 8, 1, 0, 96, GATHERED, 0.5, 16, 1, {1.0}},   /* not measured: it is alone */
};
/* Floats of the largest step in local memory; the tile by which an image's work is counted; quads
 * squared of a work-item with few registers. */
enum { LARGEST = LONG_STEP * (64 + 4 + 128 + 4), SMALL = 64, FEW = 2 };

int ffcl_blocked_can(const ffcl_ctx *ctx)
{
    const ffcl_caps *caps = &ctx->device.caps;
    return caps->max_work_group >= ITEMS && caps->local_bytes >= LARGEST * sizeof(float);
}

static int is_tiled(const ffcl_matmul *p)
{
    return p->w.layout == FFCL_TILES;
}

int ffcl_blocked_half_can(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    return (p->a.dtype == FFCL_F16 || p->w.dtype == FFCL_F16) && !p->unpatch &&
           ffcl_blocked_can(ctx) &&
           (!p->gather || (is_tiled(p) && p->a.cols % 4 == 0 && p->a.at % 4 == 0));
}

/* parts: of K, of which each is a GEMM of the batch; 1: none. */
static size_t count(const ffcl_matmul *p, size_t parts, size_t bm, size_t bn)
{
    const size_t batch = p->gather && p->gather->upsample ? 4 : ffcl_max(ffcl_matmul_batch(p), 1);
    return ffcl_div_up(ffcl_matmul_rows(p), bm) * ffcl_div_up(p->w.cols, bn) * batch * parts;
}

/* Parts of K: more than one where the next kernel adds them up and a single image would leave
 * compute units idle.  So an image's sums are the same in any batch. */
static size_t parts_of(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    enum { FEWEST = 384 };      /* columns of K of a part */
    const size_t tiles_of_image = ffcl_div_up(ffcl_matmul_image_rows(p), SMALL) *
                                  ffcl_div_up(p->w.cols, SMALL);
    if (!p->partial || ffcl_matmul_batch(p) || p->w.rows % PARTS ||
        (is_tiled(p) && p->w.rows / PARTS % TILED_STEP) || p->w.rows < PARTS * FEWEST ||
        tiles_of_image >= 2 * (size_t)ctx->device.caps.units)
        return 1;
    return PARTS;
}

/* Are lines of t whole quads at aligned places, and of a batch its matrices? */
static int is_aligned(const ffcl_tensor *t, size_t line, size_t batch)
{
    return line % 4 == 0 && t->at % 4 == 0 && t->ld % 4 == 0 && (!batch || t->stride % 4 == 0);
}

static int is_a_aligned(const ffcl_matmul *p)
{
    const size_t line = p->a.layout == FFCL_COLUMNS ? ffcl_matmul_rows(p) : p->w.rows;
    return is_aligned(&p->a, line, ffcl_matmul_batch(p));
}

static int is_w_aligned(const ffcl_matmul *p)
{
    const size_t line = p->w.layout == FFCL_COLUMNS ? p->w.rows : p->w.cols;
    return !is_tiled(p) && is_aligned(&p->w, line, ffcl_matmul_batch(p));
}

/* cl/gemm_blocked.cl's WHOLE, for steps of so many columns of K. */
static int is_whole(const ffcl_matmul *p, size_t step)
{
    return !p->gather && p->w.rows % step == 0 && is_a_aligned(p) &&
           (is_tiled(p) || is_w_aligned(p));
}

/* Gathered rows as many as the image's pixels, in their order: the kernel's SAME. */
static int is_same(const ffcl_gather *g, const ffcl_tensor *a)
{
    return g->stride == 1 && g->height * g->width == a->rows && g->width == a->width;
}

static int operands_of(const ffcl_ctx *ctx, const ffcl_matmul *p, size_t step)
{
    const int halves = p->a.dtype == FFCL_F16 && p->w.dtype == FFCL_F16;
    if (ffcl_has_few_registers(ctx) && p->gather && !is_same(p->gather, &p->a))
        return GATHERED;
    return ANY | (is_whole(p, step) ? halves ? HALVES : WHOLE : 0);
}

/* How long the busiest compute unit takes, with `tiles` of t. */
static double time_of(const tile *t, size_t tiles_of_unit, size_t K)
{
    const size_t rest = tiles_of_unit % t->together;
    const double alone = rest ? (double)rest / t->shares[rest - 1] : 0.0;
    return ((double)(tiles_of_unit - rest) + alone) * (double)(t->bm * t->bn) *
           ((double)K + t->start) / t->rate;
}

/* Is it for work-items with few registers?  Addresses of gathered rows take some of them, and long
 * steps. */
static int is_small(const ffcl_matmul *p, const tile *t)
{
    return t->tm * t->tn <= FEW && t->step < LONG_STEP && (t->tm == 1 || !p->gather);
}

/* The tile that ends first; it changes no sum. */
static const tile *choose_tile(const ffcl_ctx *ctx, const ffcl_matmul *p, size_t parts)
{
    const size_t units = ffcl_max(ctx->device.caps.units, 1);
    const tile *best = NULL;
    double least = 0.0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile *t = &tiles[i];
        if (!(t->operands & operands_of(ctx, p, t->step)) ||
            (ffcl_has_few_registers(ctx) && !is_small(p, t)))
            continue;
        const double time = time_of(t, ffcl_div_up(count(p, parts, t->bm, t->bn), units),
                                    p->w.rows);
        if (!best || time < least) {
            best = t;
            least = time;
        }
    }
    return best;
}

/* The same of all that the epilogue reads and writes. */
static int is_out_aligned(const ffcl_matmul *p)
{
    return is_aligned(&p->out, p->w.cols, ffcl_matmul_batch(p)) &&
           (!p->bias || p->bias->at % 4 == 0) && (!p->add || is_aligned(p->add, 0, 0)) &&
           (!p->gate || (p->gate->at % 4 == 0 && p->gate->stride % 4 == 0));
}

/* Options of operands that are not all float32. */
static void half_options(const ffcl_matmul *p, char *text, size_t size)
{
    const int half_a = p->a.dtype == FFCL_F16, half_w = p->w.dtype == FFCL_F16;
    const ffcl_gather *g = p->gather;
    *text = '\0';
    if (half_a || half_w)
        snprintf(text, size, " %s -DA_HALF=%d -DW_HALF=%d -DW_TILES=%d -DCONV=%d -DUP=%d%s",
                 ffcl_dtype_option(p->out.dtype), half_a, half_w && !is_tiled(p), is_tiled(p),
                 g != NULL, g && g->upsample, g && is_same(g, &p->a) ? " -DSAME" : "");
}

static const ffcl_kernel *kernel_of(ffcl_ctx *ctx, const ffcl_matmul *p, const tile *t)
{
    char options[320], limit[48] = "", half[112];
    half_options(p, half, sizeof half);
    if (ctx->device.caps.nv_compute)
        snprintf(limit, sizeof limit, " -DLIMITED -cl-nv-maxrregcount=%d", t->registers);
    snprintf(options, sizeof options,
             "-DBM=%zu -DBN=%zu -DTM=%zu -DTN=%zu -DKMAJOR=%d -DNMAJOR=%d -DVEC_A=%d -DVEC_W=%d "
             "-DVEC_OUT=%d -DAHEAD=%zu -DSTEP=%zu -DWHOLE=%d -DEARLY=%d%s%s", t->bm, t->bn, t->tm,
             t->tn, p->a.layout == FFCL_COLUMNS, p->w.layout == FFCL_COLUMNS, is_a_aligned(p),
             is_w_aligned(p), is_out_aligned(p), ctx->device.caps.few_lanes ? 1 : t->ahead,
             t->step, (t->operands & (WHOLE | HALVES)) != 0, t->early, half, limit);
    return ffcl_kernel_get(ctx, "gemm_blocked", "gemm_blocked", options);
}

/* parts > 1: p is the first of so many parts of K, which are the GEMMs of a batch; W in tiles then
 * has `lines` rows of K. */
static void launch(ffcl_ctx *ctx, const ffcl_matmul *p, size_t parts, size_t lines)
{
    static const ffcl_gather none = {.kw = 1, .height = 1, .width = 1, .stride = 1};
    const ffcl_gather *g = p->gather ? p->gather : &none;
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols, K = p->w.rows;
    const size_t batch = parts > 1 ? parts : ffcl_matmul_batch(p);
    const size_t more = is_tiled(p) ? parts : 1;
    const tile *t = choose_tile(ctx, p, more);
    const ffcl_kernel *k = kernel_of(ctx, p, t);
    size_t local[3] = {ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(N, t->bn) * ITEMS, ffcl_div_up(M, t->bm),
                        g->upsample ? 4 : ffcl_max(batch, 1)};
    const ffcl_arg args[] = {
        FFCL_BUF(&p->out), FFCL_INT(p->out.at), FFCL_INT(p->out.ld), FFCL_BUF(&p->a),
        FFCL_INT(p->a.at), FFCL_INT(p->a.ld), FFCL_BUF(&p->w), FFCL_INT(p->w.at),
        FFCL_INT(is_tiled(p) ? lines : p->w.ld), FFCL_EPILOGUE(p), FFCL_INT(M), FFCL_INT(N),
        FFCL_INT(K), FFCL_INT(batch ? p->a.stride : 0), FFCL_INT(batch ? p->w.stride : 0),
        FFCL_INT(batch ? p->out.stride : 0),
        /* of a gathered operand only */
        FFCL_INT(p->gather ? ffcl_height(&p->a) : 1), FFCL_INT(p->gather ? p->a.width : 1),
        FFCL_INT(p->gather ? p->a.cols : 1), FFCL_INT(g->kw), FFCL_INT(g->dy), FFCL_INT(g->dx),
        FFCL_INT(g->height), FFCL_INT(g->width), FFCL_INT(g->stride)};
    ffcl_cost cost = ffcl_gemm_cost(p);
    cost.flops *= (double)more;
    cost.bytes *= (double)more;
    ffcl_gemm_work(ctx, p, cost);
    ffcl_launch_args(ctx, k, 3, global, local, args,
                     sizeof args / sizeof *args - (p->gather ? 0 : 9));
}

/* Parts of K as the GEMMs of a batch, into p->partial. */
static void launch_parts(ffcl_ctx *ctx, const ffcl_matmul *p, size_t parts)
{
    const size_t M = ffcl_matmul_rows(p), each = p->w.rows / parts;
    ffcl_matmul part = {.out = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, parts, M, p->w.cols)),
                        .a = ffcl_cols(ffcl_flat(p->a), 0, each), .w = p->w};
    part.w.rows = each;
    if (!is_tiled(p))                   /* one matrix, of which each part begins further along K */
        part.a.batch = part.w.batch = parts;
    part.a.stride = each * (p->a.layout == FFCL_COLUMNS ? p->a.ld : 1);
    part.w.stride = each * (p->w.layout == FFCL_ROWS ? p->w.ld : 1);
    launch(ctx, &part, parts, p->w.rows);
    *p->partial = part.out;
}

void ffcl_blocked_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t parts = parts_of(ctx, p);
    if (parts > 1)
        launch_parts(ctx, p, parts);
    else
        launch(ctx, p, 1, p->w.rows);
}
