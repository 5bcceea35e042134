/* SPDX-License-Identifier: MIT
 * Winograd's convolutions of 3 x 3 taps on GPUs, with the group norm before and the moments for the
 * next one after (cl/winograd_gpu.cl). */
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/winograd.h"
#include "util.h"

/* Of a work-group: vectors of channels, and the most tiles, which are a chunk of the moments;
 * channels of a vector. */
enum { WIDE = 64, MOST_TILES = 4, VECTOR = 2 };

/* Tiles of a work-group; 0: the device has none so large. */
static size_t tiles_of(const ffcl_ctx *ctx)
{
    const size_t most = ctx->device.caps.max_work_group / WIDE;
    return most >= MOST_TILES ? MOST_TILES : most >= 2 ? 2 : most;
}

int ffcl_winograd_gpu_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    return tiles_of(ctx) > 0 && w->side == 3 && ffcl_conv_tall(w) == 3 && !w->valid;
}

static ffcl_cost cost_of(const ffcl_winograd_band *b, const ffcl_conv_weight *w, size_t channels)
{
    return ffcl_winograd_cost(b->tiles, channels, ffcl_winograd_points(w));
}

static const ffcl_kernel *kernel(ffcl_ctx *ctx, const char *name, const ffcl_conv_weight *w,
                                 size_t vector, const char *option)
{
    char options[160];
    snprintf(options, sizeof options, "-DVW=%zu -DWIDE=%d -DROWS=%zu%s%s %s%s", vector, WIDE,
             tiles_of(ctx), w->upsample ? " -DUPSAMPLE" : "", option, ffcl_dtype_option(w->dtype),
             ctx->device.caps.nv_compute ? " -cl-nv-maxrregcount=128" : "");
    return ffcl_kernel_get(ctx, "winograd_gpu", name, options);
}

typedef struct grid {
    size_t local[2], global[2];
} grid;

static grid grid_of(const ffcl_ctx *ctx, const ffcl_winograd_band *b, size_t vectors)
{
    const size_t tiles = tiles_of(ctx);
    return (grid){{WIDE, tiles}, {ffcl_round_up(vectors, WIDE), ffcl_round_up(b->tiles, tiles)}};
}

/* stats: of d->norm, or without a buffer. */
static void before(ffcl_ctx *ctx, const ffcl_conv_desc *d, const ffcl_tensor *V,
                   const ffcl_winograd_band *b, const ffcl_tensor *stats)
{
    const ffcl_conv_weight *w = d->w;
    const ffcl_groupnorm_desc *norm = d->norm;
    const size_t vector = (norm ? w->in / norm->groups : w->in) % VECTOR ? 1 : VECTOR;
    const ffcl_kernel *k = kernel(ctx, "winograd_gpu_before", w, vector,
                                  norm ? " -DNORM=1" : "");
    const grid g = grid_of(ctx, b, w->in / vector);
    ffcl_work(ctx, cost_of(b, w, w->in));
#define ARGUMENTS                                                                                 \
    FFCL_BUF(V), FFCL_DENSE(&d->x), FFCL_INT(ffcl_height(&d->x)), FFCL_INT(d->x.width),           \
    FFCL_INT(w->in), FFCL_INT(b->across), FFCL_INT(b->down), FFCL_INT(b->first),                  \
    FFCL_INT(b->tiles), FFCL_INT(b->ld)
    if (norm)
        ffcl_launch(ctx, k, 2, g.global, g.local, ARGUMENTS, FFCL_BUF(stats),
                    FFCL_DENSE(&norm->gamma), FFCL_DENSE(&norm->beta), FFCL_INT(norm->groups),
                    FFCL_INT(norm->act == FFCL_ACT_SILU));
    else
        ffcl_launch(ctx, k, 2, g.global, g.local, ARGUMENTS);
#undef ARGUMENTS
}

/* moments: NULL, or those of out. */
static void after(ffcl_ctx *ctx, const ffcl_conv_desc *d, const ffcl_tensor *M,
                  const ffcl_winograd_band *b, const ffcl_tensor *moments)
{
    const ffcl_conv_weight *w = d->w;
    const size_t vector = w->out % VECTOR || d->out.at % VECTOR || d->out.ld % VECTOR ? 1 : VECTOR;
    const ffcl_kernel *k = kernel(ctx, "winograd_gpu_after", w, vector,
                                  moments ? " -DMOMENTS=1" : "");
    const grid g = grid_of(ctx, b, w->out / vector);
    ffcl_work(ctx, cost_of(b, w, w->out));
#define ARGUMENTS                                                                                 \
    FFCL_BUF(&d->out), FFCL_INT(d->out.at), FFCL_INT(d->out.ld), FFCL_BUF(M), FFCL_BUF(&w->bias), \
    FFCL_INT(w->act == FFCL_ACT_RELU), FFCL_BUF(d->add ? d->add : &d->out),                       \
    FFCL_INT(d->add != NULL), FFCL_INT(ffcl_height(&d->out)), FFCL_INT(d->out.width),             \
    FFCL_INT(w->out), FFCL_INT(b->across), FFCL_INT(b->down), FFCL_INT(b->first),                 \
    FFCL_INT(b->tiles), FFCL_INT(b->ld)
    if (moments)
        ffcl_launch(ctx, k, 2, g.global, g.local, ARGUMENTS, FFCL_BUF(moments),
                    FFCL_INT(moments->rows));
    else
        ffcl_launch(ctx, k, 2, g.global, g.local, ARGUMENTS);
#undef ARGUMENTS
}

/* Chunks of an image in the moments; 0 where none are wanted or the sizes do not allow them. */
static size_t chunks_of(const ffcl_ctx *ctx, const ffcl_conv_desc *d, const ffcl_winograd_band *b)
{
    const size_t groups = d->moments ? d->moments->rows : 0, tiles = b->across * b->down;
    const size_t width = groups && d->w->out % groups == 0 ? d->w->out / groups : 0;
    const size_t together = VECTOR * WIDE;
    if (width == 0 || width % VECTOR || together % width || d->w->out % together ||
        ffcl_height(&d->out) % 4 || d->out.width % 4 || tiles % tiles_of(ctx) ||
        d->out.ld % VECTOR || d->out.at % VECTOR)
        return 0;
    return tiles / tiles_of(ctx);
}

void ffcl_winograd_gpu_conv(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const size_t points = ffcl_winograd_points(w);
    size_t together;
    ffcl_winograd_band b = ffcl_winograd_first_band(ctx, d, &together);
    const size_t total = d->x.batch * b.across * b.down, chunks = chunks_of(ctx, d, &b);
    ffcl_tensor stats = {0};
    b.ld = ffcl_round_up(b.ld, tiles_of(ctx));      /* so that no chunk is cut */
    if (chunks)
        *d->moments = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, d->x.batch, d->moments->rows,
                                                    2 * chunks));
    if (d->norm)
        stats = ffcl_groupnorm_stats(ctx, d->norm);
    ffcl_tensor U = ffcl_winograd_take_weights(ctx, w, 1);
    ffcl_tensor V = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, points, b.ld, w->in));
    ffcl_tensor M = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, points, b.ld, w->out));
    for (; b.first < total; b.first += b.tiles) {
        b.tiles = ffcl_min(b.ld, total - b.first);
        before(ctx, d, &V, &b, &stats);
        ffcl_gemm(ctx, &(ffcl_matmul){.out = ffcl_rows(M, 0, b.tiles),
                                      .a = ffcl_rows(V, 0, b.tiles), .w = U});
        after(ctx, d, &M, &b, chunks ? d->moments : NULL);
    }
    ffcl_give(ctx, &M);
    ffcl_give(ctx, &V);
    ffcl_winograd_give_weights(ctx, w, &U);
    ffcl_give(ctx, &stats);
}
