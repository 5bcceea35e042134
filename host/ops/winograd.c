/* SPDX-License-Identifier: MIT
 * 3 x 3 convolutions by Winograd's transforms and batches of products, in bands of tiles that stay
 * in cache between the three steps. */
#include <stdio.h>

#include "cl/launch.h"
#include "gemm.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* Bytes of a band's operands and results, and the fewest tiles of one: with fewer the products
 * would read their weights too often. */
enum { BAND_BYTES = 16 << 20, BAND_TILES = 64 };

static int is_upsample(const ffcl_conv_weight *w)
{
    return w->kind == FFCL_CONV_WINOGRAD_UPSAMPLE;
}

static int kernel_of(ffcl_ctx *ctx, const ffcl_kernel **k, const char *name, size_t channels,
                     int upsample)
{
    char options[48];
    snprintf(options, sizeof options, "-DVW=%zu%s", ffcl_vector(channels),
             upsample ? " -DUPSAMPLE" : "");
    return ffcl_kernel_get(ctx, k, "winograd", name, options);
}

int ffcl_winograd_fits(const ffcl_ctx *ctx)
{
    const ffcl_product any = {.batch = 2};
    return ffcl_gemm_batch_fits(ctx, &any);
}

/* With few channels the transforms cost more than the products save. */
void ffcl_winograd_kind(ffcl_conv_kind *kind, size_t in, size_t side)
{
    enum { FEWEST = 16 };
    if (side != 3 || in < FEWEST)
        return;
    if (*kind == FFCL_CONV_COLUMNS)
        *kind = FFCL_CONV_WINOGRAD;
    else if (*kind == FFCL_CONV_UPSAMPLE)
        *kind = FFCL_CONV_WINOGRAD_UPSAMPLE;
}

size_t ffcl_winograd_points(ffcl_conv_kind kind)
{
    return kind == FFCL_CONV_WINOGRAD_UPSAMPLE ? 25 : 36;
}

int ffcl_winograd_weights(ffcl_ctx *ctx, cl_mem out, cl_mem w, const ffcl_conv_weight *of,
                          size_t first, size_t n)
{
    const ffcl_kernel *k;
    int rc = kernel_of(ctx, &k, "winograd_weights_f32", of->out, is_upsample(of));
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 4), global = ffcl_round_up(of->in, local);
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(w), FFCL_I32(of->in),
                       FFCL_I32(of->out), FFCL_I32(first), FFCL_I32(n));
}

/* The tiles of all pictures, and those under way. */
typedef struct band {
    size_t across, down, first, tiles, ld;
} band;

static int before(ffcl_ctx *ctx, cl_mem V, cl_mem x, const ffcl_conv_weight *w, size_t Hh,
                  size_t Ww, const band *b)
{
    const ffcl_kernel *k;
    int rc = kernel_of(ctx, &k, "winograd_before_f32", w->in, is_upsample(w));
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 8), global = ffcl_round_up(b->tiles, local);
    ffcl_work(ctx, ffcl_winograd_cost(b->tiles, w->in, ffcl_winograd_points(w->kind)));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(V), FFCL_BUF(x), FFCL_I32(Hh),
                       FFCL_I32(Ww), FFCL_I32(w->in), FFCL_I32(b->across), FFCL_I32(b->down),
                       FFCL_I32(b->first), FFCL_I32(b->tiles), FFCL_I32(b->ld));
}

static int after(ffcl_ctx *ctx, cl_mem out, cl_mem M, const ffcl_conv_weight *w, size_t Hh,
                 size_t Ww, int has_add, cl_mem add, const band *b)
{
    const ffcl_kernel *k;
    int rc = kernel_of(ctx, &k, "winograd_after_f32", w->out, is_upsample(w));
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 8), global = ffcl_round_up(b->tiles, local);
    size_t scale = is_upsample(w) ? 2 : 1;
    ffcl_work(ctx, ffcl_winograd_cost(b->tiles, w->out, ffcl_winograd_points(w->kind)));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(M), FFCL_BUF(w->bias),
                       FFCL_BUF(has_add ? add : out), FFCL_I32(has_add), FFCL_I32(scale * Hh),
                       FFCL_I32(scale * Ww), FFCL_I32(w->out), FFCL_I32(b->across),
                       FFCL_I32(b->down), FFCL_I32(b->first), FFCL_I32(b->tiles), FFCL_I32(b->ld));
}

int ffcl_winograd_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                       size_t Hh, size_t Ww, int has_add, cl_mem add)
{
    const size_t points = ffcl_winograd_points(w->kind), step = is_upsample(w) ? 2 : 4;
    band b = {.across = ffcl_div_up(Ww, step), .down = ffcl_div_up(Hh, step)};
    /* Bands that end with a picture are the same in any batch. */
    const size_t together = b.across * b.down, total = B * together;
    size_t most = BAND_BYTES / (points * (w->in + w->out) * sizeof(float));
    ffcl_buf V = {0}, M = {0};
    most = ffcl_min(together, ffcl_max(most / BAND_TILES * BAND_TILES, BAND_TILES));
    b.ld = ffcl_div_up(together, ffcl_div_up(together, most));
    int rc = ffcl_take(ctx, &V, points * b.ld * w->in);
    if (rc == 0)
        rc = ffcl_take(ctx, &M, points * b.ld * w->out);
    for (; rc == 0 && b.first < total; b.first += b.tiles) {
        b.tiles = ffcl_min(b.ld, together - b.first % together);
        const ffcl_product p = {.m = b.tiles, .n = w->out, .k = w->in, .a = V.mem, .a_ld = w->in,
                                .a_step = b.ld * w->in, .w = w->weight[0], .w_ld = w->out,
                                .w_step = w->in * w->out, .out = M.mem, .out_ld = w->out,
                                .out_step = b.ld * w->out, .batch = points};
        rc = before(ctx, V.mem, x, w, Hh, Ww, &b);
        if (rc == 0)
            rc = ffcl_gemm(ctx, &p);
        if (rc == 0)
            rc = after(ctx, out, M.mem, w, Hh, Ww, has_add, add, &b);
    }
    ffcl_give(ctx, &M);
    ffcl_give(ctx, &V);
    return rc;
}
