/* SPDX-License-Identifier: MIT
 * ffcl's own float32 GEMM for GPUs (cl/gemm_blocked.cl), alone or in batches, epilogue included. */
#include <stdio.h>

#include "backend.h"
#include "util.h"

/* Work-items of a work-group; the larger tile, and the smaller for what would not fill it or leave
 * compute units idle. */
enum { ITEMS = 256, LARGE = 128, SMALL = 64 };

/* Local memory of the tile that takes most. */
enum { LOCAL_BYTES = 16 * (SMALL + 4 + LARGE) * sizeof(float) };

int ffcl_blocked_can(const ffcl_ctx *ctx)
{
    const ffcl_caps *caps = &ctx->device.caps;
    return caps->max_work_group >= ITEMS &&
           caps->local_bytes >= LOCAL_BYTES;
}

static size_t count(const ffcl_matmul *p, size_t bm, size_t bn)
{
    return ffcl_div_up(ffcl_matmul_rows(p), bm) * ffcl_div_up(p->w.cols, bn) *
           ffcl_max(ffcl_matmul_batch(p), 1);
}

/* How fast a full device runs a tile, relative to the best (measured on an H100,
 * docs/performance.md). */
typedef struct tile {
    size_t bm, bn;
    double rate;
} tile;

static const tile tiles[] = {{LARGE, LARGE, 1.00}, {LARGE, SMALL, 0.88}, {SMALL, LARGE, 0.88},
                             {SMALL, SMALL, 0.72}};

/* The tile that ends first, by the busiest compute unit, which with one work-group alone waits for
 * memory; it changes no sum. */
static tile choose_tile(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t units = ffcl_max(ctx->device.caps.units, 1);
    tile best = {0};
    double least = 0.0;
    for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++) {
        const tile *t = &tiles[i];
        const size_t busiest = ffcl_div_up(count(p, t->bm, t->bn), units);
        const double share = busiest == 1 ? 0.65 : 1.0;
        const double time = (double)(busiest * t->bm * t->bn) / (t->rate * share);
        if (!best.bm || time < least) {
            best = *t;
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

void ffcl_blocked_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols, K = p->w.rows;
    const size_t batch = ffcl_matmul_batch(p);
    const int by_columns = p->a.layout == FFCL_COLUMNS;
    const tile t = choose_tile(ctx, p);
    char options[128];
    /* Two work-groups a compute unit, for which NVIDIA's compiler would take too many registers. */
    snprintf(options, sizeof options, "-DBM=%zu -DBN=%zu -DKMAJOR=%d -DVEC_A=%d -DVEC_W=%d%s", t.bm,
             t.bn, by_columns, is_aligned(&p->a, by_columns ? M : K, batch),
             is_aligned(&p->w, N, batch),
             ctx->device.caps.nv_compute ? " -cl-nv-maxrregcount=128" : "");
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm_blocked", "gemm_blocked", options);
    size_t local[3] = {ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(N, t.bn) * ITEMS, ffcl_div_up(M, t.bm), ffcl_max(batch, 1)};
    ffcl_gemm_work(ctx, p, ffcl_gemm_cost(p));
    ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(&p->out), FFCL_INT(p->out.at),
                FFCL_INT(p->out.ld), FFCL_BUF(&p->a), FFCL_INT(p->a.at), FFCL_INT(p->a.ld),
                FFCL_BUF(&p->w), FFCL_INT(p->w.at), FFCL_INT(p->w.ld), FFCL_EPILOGUE(p),
                FFCL_INT(M), FFCL_INT(N), FFCL_INT(K), FFCL_INT(batch ? p->a.stride : 0),
                FFCL_INT(batch ? p->w.stride : 0), FFCL_INT(batch ? p->out.stride : 0));
}
