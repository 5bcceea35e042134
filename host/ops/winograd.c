/* SPDX-License-Identifier: MIT
 * Convolutions by Winograd's transforms and batches of GEMMs, in bands of tiles that stay in cache
 * between the three steps. */
#include "ops/winograd.h"

#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* Bytes of a band's operands and results, on a CPU so many that they stay in cache, on a GPU enough
 * for every compute unit, of a half image less, as half is for small memories: so many that one of
 * the SD VAE at 256 is a band; and the fewest tiles of one: with fewer the GEMMs would read their
 * weights too often. */
enum { BAND_CPU = 16 << 20, BAND_GPU = 256 << 20, BAND_HALF = 160 << 20, BAND_TILES = 64 };

/* Are the taps a line? */
static int is_line(const ffcl_conv_weight *w)
{
    return ffcl_conv_tall(w) != w->side;
}

/* Taps in a direction. */
static size_t taps_of(const ffcl_conv_weight *w)
{
    return ffcl_max(ffcl_conv_tall(w), w->side);
}

/* part: "weights", "before" or "after"; dtype: of the convolution's side of it. */
static const ffcl_kernel *kernel(ffcl_ctx *ctx, const char *part, const ffcl_conv_weight *w,
                                 ffcl_dtype dtype, size_t channels, const char *option,
                                 size_t *vector)
{
    char options[96], name[40];
    const char *program = is_line(w) ? "winograd_line" : "winograd";
    *vector = ffcl_is_cpu(ctx) ? ffcl_vector(channels) : 1;
    snprintf(options, sizeof options, "-DVW=%zu -DTAPS=%zu%s%s %s%s", *vector, taps_of(w),
             w->upsample ? " -DUPSAMPLE" : "", ffcl_is_cpu(ctx) ? "" : " -DTILES=1",
             ffcl_dtype_option(dtype), option);
    snprintf(name, sizeof name, "%s_%s", program, part);
    return ffcl_kernel_get(ctx, program, name, options);
}

static size_t band_bytes(const ffcl_ctx *ctx, ffcl_dtype dtype, size_t batch)
{
    const ffcl_caps *caps = &ctx->device.caps;
    const size_t wanted = dtype == FFCL_F16 ? ffcl_min(batch * BAND_HALF, BAND_GPU) : BAND_GPU;
    size_t most = ffcl_is_cpu(ctx) ? BAND_CPU
                                   : ffcl_min(wanted, (size_t)ffcl_min(caps->global_bytes / 16,
                                                                       caps->max_alloc_bytes));
    return caps->scratch_bytes ? ffcl_min(most, caps->scratch_bytes) : most;
}

/* Work-groups of a transform of so many tiles and vectors of channels. */
typedef struct grid {
    size_t local[2], global[2];
} grid;

static grid grid_on_gpu(const ffcl_ctx *ctx, const ffcl_kernel *k, size_t tiles, size_t vectors)
{
    const size_t total = ffcl_local_size(ctx, k, 128), wide = ffcl_min(total, 64);
    return (grid){{wide, total / wide},
                  {ffcl_round_up(vectors, wide), ffcl_round_up(tiles, total / wide)}};
}

static grid grid_of(const ffcl_ctx *ctx, const ffcl_kernel *k, size_t tiles, size_t vectors)
{
    const size_t local = ffcl_is_cpu(ctx) ? ffcl_local_size(ctx, k, 8) : 0;
    return local ? (grid){{local, 1}, {ffcl_round_up(tiles, local), 1}}
                 : grid_on_gpu(ctx, k, tiles, vectors);
}

int ffcl_winograd_can(const ffcl_ctx *ctx, ffcl_dtype dtype)
{
    return dtype == FFCL_F16 ? ffcl_gemm_mixes(ctx) : ffcl_gemm_takes_batches(ctx, dtype);
}

/* Points of a direction in which there are taps. */
static size_t line_points(const ffcl_conv_weight *w)
{
    return w->upsample ? 5 : taps_of(w) == 7 ? 10 : 6;
}

/* Outputs of a tile in that direction. */
static size_t tile_outs(const ffcl_conv_weight *w)
{
    return w->upsample ? 4 : line_points(w) + 1 - taps_of(w);
}

int ffcl_winograd_knows(const ffcl_conv_weight *w)
{
    const size_t tall = ffcl_conv_tall(w), taps = taps_of(w);
    if (w->stride > 1)
        return 0;
    if (w->upsample || w->dtype == FFCL_F16)
        return tall == 3 && w->side == 3 && !w->valid;
    if (tall == w->side)
        return taps == 3 || taps == 5;
    return !w->valid && (tall == 1 || w->side == 1) && (taps == 3 || taps == 7);
}

/* Inputs from which a GEMM saves more than the transforms cost. */
enum { FEWEST = 16 };

int ffcl_winograd_lies(const ffcl_conv_weight *w)
{
    return ffcl_winograd_knows(w) && (w->dtype == FFCL_F32 || w->upsample);
}

static int is_fast(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    return ffcl_gemm_takes_batches(ctx, w->dtype) && !ctx->no_winograd && w->in >= FEWEST;
}

int ffcl_winograd_pays(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    return ffcl_winograd_lies(w) && is_fast(ctx, w);
}

int ffcl_winograd_copied_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    return w->layout == FFCL_CONV_TILES && ffcl_winograd_knows(w) && !w->upsample &&
           ffcl_winograd_can(ctx, w->dtype);
}

int ffcl_winograd_copied_pays(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    return is_fast(ctx, w);
}

size_t ffcl_winograd_points(const ffcl_conv_weight *w)
{
    return is_line(w) ? line_points(w) : line_points(w) * line_points(w);
}

double ffcl_winograd_multiplications(const ffcl_conv_weight *w)
{
    const double outs = (double)tile_outs(w);
    return (double)ffcl_winograd_points(w) / (is_line(w) ? outs : outs * outs);
}

static void transform_weights(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_conv_weight *w,
                              const ffcl_tensor *U, const ffcl_tensor *from, size_t first, size_t n)
{
    size_t local = ffcl_local_size(ctx, k, 4), global = ffcl_round_up(w->in, local);
    ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(U), FFCL_BUF(from), FFCL_INT(w->in),
                FFCL_INT(w->out), FFCL_INT(first), FFCL_INT(n));
}

void ffcl_winograd_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t first, size_t n,
                           const ffcl_tensor *from)
{
    size_t vector;
    transform_weights(ctx, kernel(ctx, "weights", w, w->dtype, w->out, "", &vector), w,
                      &w->weight[0], from, first, n);
}

static void before(ffcl_ctx *ctx, const ffcl_conv_desc *d, const ffcl_tensor *V,
                   const ffcl_winograd_band *b)
{
    const ffcl_conv_weight *w = d->w;
    size_t vector;
    const ffcl_kernel *k = kernel(ctx, "before", w, w->dtype, w->in, "", &vector);
    const grid g = grid_of(ctx, k, b->tiles, w->in / vector);
    ffcl_work(ctx, ffcl_winograd_cost(b->tiles, w->in, ffcl_winograd_points(w)));
    ffcl_launch(ctx, k, 2, g.global, g.local, FFCL_BUF(V), FFCL_DENSE(&d->x),
                FFCL_INT(ffcl_height(&d->x)), FFCL_INT(d->x.width), FFCL_INT(w->in),
                FFCL_INT(is_line(w) ? w->side == 1 : w->valid ? 0 : w->side / 2),
                FFCL_INT(b->across), FFCL_INT(b->down), FFCL_INT(b->first), FFCL_INT(b->tiles),
                FFCL_INT(b->ld));
}

static void after(ffcl_ctx *ctx, const ffcl_conv_desc *d, const ffcl_tensor *M,
                  const ffcl_winograd_band *b)
{
    const ffcl_conv_weight *w = d->w;
    size_t vector;
    const ffcl_kernel *k = kernel(ctx, "after", w, w->dtype, w->out, "", &vector);
    const grid g = grid_of(ctx, k, b->tiles, w->out / vector);
    ffcl_work(ctx, ffcl_winograd_cost(b->tiles, w->out, ffcl_winograd_points(w)));
    const ffcl_arg args[] = {
        FFCL_BUF(&d->out), FFCL_INT(d->out.at), FFCL_INT(d->out.ld), FFCL_BUF(M),
        FFCL_BUF(&w->bias), FFCL_INT(w->act == FFCL_ACT_RELU), FFCL_BUF(d->add ? d->add : &d->out),
        FFCL_INT(d->add != NULL), FFCL_INT(ffcl_height(&d->out)), FFCL_INT(d->out.width),
        FFCL_INT(w->out), FFCL_INT(b->across), FFCL_INT(b->down), FFCL_INT(b->first),
        FFCL_INT(b->tiles), FFCL_INT(b->ld), FFCL_INT(w->side == 1)};
    /* The last is of the kernel for lines alone. */
    const size_t n = sizeof args / sizeof *args - !is_line(w);
    ffcl_launch_args(ctx, k, 2, g.global, g.local, args, n);
}

ffcl_winograd_band ffcl_winograd_first_band(const ffcl_ctx *ctx, const ffcl_conv_desc *d,
                                            size_t *together)
{
    const ffcl_conv_weight *w = d->w;
    const size_t points = ffcl_winograd_points(w), outs = tile_outs(w);
    ffcl_winograd_band b = {.across = ffcl_div_up(d->out.width, w->side > 1 ? outs : 1),
              .down = ffcl_div_up(ffcl_height(&d->out), ffcl_conv_tall(w) > 1 ? outs : 1)};
    const size_t line = points * (w->in + w->out) * sizeof(float);
    size_t most = band_bytes(ctx, w->dtype, d->x.batch) / line;
    most = ffcl_max(most / BAND_TILES * BAND_TILES, BAND_TILES);
    /* On a CPU bands end with an image, so that they are the same in any batch; ffcl's own GEMM for
     * GPUs adds in one order for any band. */
    *together = (ffcl_is_cpu(ctx) ? 1 : d->x.batch) * b.across * b.down;
    most = ffcl_min(*together, most);
    b.ld = ffcl_div_up(*together, ffcl_div_up(*together, most));
    return b;
}

/* U of half weights in tiles on a CPU: a work-item has an input channel, of plain floats. */
static void transform_floats(ffcl_ctx *ctx, const ffcl_conv_weight *w, const ffcl_tensor *U)
{
    size_t vector;
    ffcl_tensor plain = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, w->out,
                                                      ffcl_conv_taps(w) * w->in));
    ffcl_floats_of_tiles(ctx, &plain, &w->weight[0], 0);
    const ffcl_kernel *k = kernel(ctx, "weights", w, FFCL_F32, w->out, "-DTAPS_FIRST", &vector);
    ffcl_work(ctx, ffcl_winograd_cost(w->in, w->out, ffcl_winograd_points(w)));
    transform_weights(ctx, k, w, U, &plain, 0, w->out);
    ffcl_give(ctx, &plain);
}

/* The same on a GPU, whose work-items have the weights of a few input channels and an output; of
 * one channel on Intel's, whose compiler kept four in memory. */
static void transform_tiles(ffcl_ctx *ctx, const ffcl_conv_weight *w, const ffcl_tensor *U)
{
    const size_t each = w->in % 4 || ctx->device.caps.few_lanes ? 1 : 4;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "winograd_tiles", "winograd_tiles",
                                           each == 4 ? "-DEACH=4" : "-DEACH=1");
    const grid g = grid_on_gpu(ctx, k, w->in / each, w->out);
    ffcl_work(ctx, ffcl_winograd_cost(w->in, w->out, ffcl_winograd_points(w)));
    ffcl_launch(ctx, k, 2, g.global, g.local, FFCL_BUF(U), FFCL_BUF(&w->weight[0]),
                FFCL_INT(w->in), FFCL_INT(w->out));
}

ffcl_tensor ffcl_winograd_take_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, int by_tiles)
{
    if (w->dtype == FFCL_F32)
        return w->weight[0];
    const ffcl_tensor U = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, ffcl_winograd_points(w), w->in,
                                                        w->out));
    if (w->layout == FFCL_CONV_WINOGRAD)
        ffcl_floats_of_rows(ctx, &U, &w->weight[0]);
    else
        (by_tiles ? transform_tiles : transform_floats)(ctx, w, &U);
    return U;
}

void ffcl_winograd_give_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, ffcl_tensor *U)
{
    if (w->dtype == FFCL_F16)
        ffcl_give(ctx, U);
}

void ffcl_winograd_conv(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const size_t points = ffcl_winograd_points(w);
    size_t together;
    ffcl_winograd_band b = ffcl_winograd_first_band(ctx, d, &together);
    const size_t total = d->x.batch * b.across * b.down;
    ffcl_tensor U = ffcl_winograd_take_weights(ctx, w, !ffcl_is_cpu(ctx));
    ffcl_tensor V = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, points, b.ld, w->in));
    ffcl_tensor M = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, points, b.ld, w->out));
    for (; b.first < total; b.first += b.tiles) {
        b.tiles = ffcl_min(b.ld, together - b.first % together);
        before(ctx, d, &V, &b);
        ffcl_gemm(ctx, &(ffcl_matmul){.out = ffcl_rows(M, 0, b.tiles),
                                      .a = ffcl_rows(V, 0, b.tiles), .w = U});
        after(ctx, d, &M, &b);
    }
    ffcl_give(ctx, &M);
    ffcl_give(ctx, &V);
    ffcl_winograd_give_weights(ctx, w, &U);
}
