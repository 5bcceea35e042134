/* SPDX-License-Identifier: MIT
 * ffcl's own float32 GEMM for GPUs (cl/gemm_blocked.cl), alone or in batches, epilogue included. */
#include <stdio.h>

#include "backend.h"
#include "cl/registers.h"
#include "util.h"

/* Work-items of a work-group; columns of K a step; the most parts of K. */
enum { ITEMS = 128, STEP = 8, PARTS = 3 };

/* A tile of BM x BN, of which a work-item has TM x TN quads of rows and columns; the steps of K
 * that it has under way; how fast a full device runs it, relative to the best (measured on an H100,
 * docs/performance.md); registers that NVIDIA's compiler may take: it needs fewer, but where it
 * takes more a work-group less fits a compute unit.  Intel's compiler would keep the steps under
 * way in memory: one there. */
typedef struct tile {
    size_t bm, bn, tm, tn, ahead;
    double rate;
    int registers;
} tile;

static const tile tiles[] = {
    {64, 128, 2, 2, 1, 1.00, 168},
    {128, 64, 2, 2, 1, 0.98, 168},
    {64, 64, 2, 1, 2, 0.91, 96},
    {32, 128, 1, 2, 3, 0.78, 128},      /* for skinny ones, whose weights are the work */
};
/* Lines of the largest step in local memory; the tile by which an image's work is counted; quads
 * squared of a work-item with few registers. */
enum { LARGEST = 64 + 128, SMALL = 64, FEW = 2 };

int ffcl_blocked_can(const ffcl_ctx *ctx)
{
    const ffcl_caps *caps = &ctx->device.caps;
    return caps->max_work_group >= ITEMS &&
           caps->local_bytes >= STEP * (LARGEST + 8) * sizeof(float);
}

static size_t count(const ffcl_matmul *p, size_t bm, size_t bn)
{
    return ffcl_div_up(ffcl_matmul_rows(p), bm) * ffcl_div_up(p->w.cols, bn) *
           ffcl_max(ffcl_matmul_batch(p), 1);
}

/* Parts of K: more than one where the next kernel adds them up and a single image would leave
 * compute units idle.  So an image's sums are the same in any batch. */
static size_t parts_of(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    enum { FEWEST = 384 };      /* columns of K of a part */
    const size_t tiles_of_image = ffcl_div_up(p->a.rows, SMALL) * ffcl_div_up(p->w.cols, SMALL);
    if (!p->partial || ffcl_matmul_batch(p) || p->w.rows % PARTS ||
        p->w.rows < PARTS * FEWEST || tiles_of_image >= 2 * (size_t)ctx->device.caps.units)
        return 1;
    return PARTS;
}

/* The tile that ends first, by the busiest compute unit, which with few work-groups waits for
 * memory; it changes no sum. */
static const tile *choose_tile(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    static const double shares[] = {0.60, 0.80, 0.93, 1.0};     /* of 1, 2, 3, 4 work-groups */
    const size_t units = ffcl_max(ctx->device.caps.units, 1);
    const tile *best = NULL;
    double least = 0.0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile *t = &tiles[i];
        if (t->tm * t->tn > FEW && ffcl_has_few_registers(ctx))
            continue;
        const size_t busiest = ffcl_div_up(count(p, t->bm, t->bn), units);
        const double share = shares[ffcl_min(busiest, 4) - 1];
        const double time = (double)(busiest * t->bm * t->bn) / (t->rate * share);
        if (!best || time < least) {
            best = t;
            least = time;
        }
    }
    return best;
}

/* Are lines of t whole quads at aligned places, and of a batch its matrices? */
static int is_aligned(const ffcl_tensor *t, size_t line, size_t batch)
{
    return line % 4 == 0 && t->at % 4 == 0 && t->ld % 4 == 0 && (!batch || t->stride % 4 == 0);
}

/* The same of all that the epilogue reads and writes. */
static int is_out_aligned(const ffcl_matmul *p)
{
    return is_aligned(&p->out, p->w.cols, ffcl_matmul_batch(p)) &&
           (!p->bias || p->bias->at % 4 == 0) && (!p->add || is_aligned(p->add, 0, 0)) &&
           (!p->gate || (p->gate->at % 4 == 0 && p->gate->stride % 4 == 0));
}

static void launch(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols, K = p->w.rows;
    const size_t batch = ffcl_matmul_batch(p);
    const int by_columns = p->a.layout == FFCL_COLUMNS, n_major = p->w.layout == FFCL_COLUMNS;
    const tile *t = choose_tile(ctx, p);
    char options[224], limit[48] = "";
    if (ctx->device.caps.nv_compute)
        snprintf(limit, sizeof limit, " -DLIMITED -cl-nv-maxrregcount=%d", t->registers);
    snprintf(options, sizeof options,
             "-DBM=%zu -DBN=%zu -DTM=%zu -DTN=%zu -DKMAJOR=%d -DNMAJOR=%d -DVEC_A=%d -DVEC_W=%d "
             "-DVEC_OUT=%d -DAHEAD=%zu%s", t->bm, t->bn, t->tm, t->tn, by_columns, n_major,
             is_aligned(&p->a, by_columns ? M : K, batch),
             is_aligned(&p->w, n_major ? K : N, batch), is_out_aligned(p),
             ctx->device.caps.few_lanes ? 1 : t->ahead, limit);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm_blocked", "gemm_blocked", options);
    size_t local[3] = {ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(N, t->bn) * ITEMS, ffcl_div_up(M, t->bm),
                        ffcl_max(batch, 1)};
    ffcl_gemm_work(ctx, p, ffcl_gemm_cost(p));
    ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(&p->out), FFCL_INT(p->out.at),
                FFCL_INT(p->out.ld), FFCL_BUF(&p->a), FFCL_INT(p->a.at), FFCL_INT(p->a.ld),
                FFCL_BUF(&p->w), FFCL_INT(p->w.at), FFCL_INT(p->w.ld), FFCL_EPILOGUE(p),
                FFCL_INT(M), FFCL_INT(N), FFCL_INT(K), FFCL_INT(batch ? p->a.stride : 0),
                FFCL_INT(batch ? p->w.stride : 0), FFCL_INT(batch ? p->out.stride : 0));
}

/* Parts of K as the GEMMs of a batch, into p->partial. */
static void launch_parts(ffcl_ctx *ctx, const ffcl_matmul *p, size_t parts)
{
    const size_t M = ffcl_matmul_rows(p), each = p->w.rows / parts;
    ffcl_matmul part = {.out = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, parts, M, p->w.cols)),
                        .a = ffcl_cols(ffcl_flat(p->a), 0, each), .w = ffcl_rows(p->w, 0, each)};
    part.a.batch = part.w.batch = parts;
    part.a.stride = each * (p->a.layout == FFCL_COLUMNS ? p->a.ld : 1);
    part.w.stride = each * (p->w.layout == FFCL_COLUMNS ? 1 : p->w.ld);
    launch(ctx, &part);
    *p->partial = part.out;
}

void ffcl_blocked_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t parts = parts_of(ctx, p);
    if (parts > 1)
        launch_parts(ctx, p, parts);
    else
        launch(ctx, p);
}
