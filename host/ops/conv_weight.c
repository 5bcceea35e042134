/* SPDX-License-Identifier: MIT
 * How the weights of convolutions lie on the device; no other file depends on it. */
#include <string.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/winograd.h"

/* Columns of a NARROW weight: the fewest that a matrix unit's kernel takes. */
enum { NARROW = 8, DIRECT_MOST = 4 };
/* Inputs from which a GEMM pays. */
enum { TAPS_FEWEST = 32 };

static int is_forced(const ffcl_ctx *ctx, const char *name)
{
    const ffcl_variant *forced = ctx->forced[FFCL_OP_CONVOLUTION];
    return forced && strcmp(forced->name, name) == 0;
}

/* A forced variant counts where the weight has the choice. */
static int is_winograd(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    if (is_forced(ctx, "winograd") || is_forced(ctx, "winograd-gpu"))
        return ffcl_winograd_lies(w) && ffcl_winograd_can(ctx, w->dtype);
    const int other = w->dtype == FFCL_F16 ? is_forced(ctx, "implicit")
                                           : is_forced(ctx, "im2col") || is_forced(ctx, "rows");
    return !other && ffcl_winograd_pays(ctx, w);
}

static int is_taps(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    if (w->dtype == FFCL_F16)
        return ffcl_gemm_mixes(ctx) && (is_forced(ctx, "taps") ||
                                        (!is_forced(ctx, "narrow") && w->in >= TAPS_FEWEST &&
                                         ffcl_gemm_takes_batches(ctx, FFCL_F16)));
    return is_forced(ctx, "taps") ||
           (!is_forced(ctx, "direct") && !ffcl_is_cpu(ctx) && w->in >= TAPS_FEWEST);
}

static ffcl_conv_layout choose_layout(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    const int is_narrow = w->out <= DIRECT_MOST && w->is_final && !w->upsample &&
                          !ffcl_conv_is_special(w) && w->act == FFCL_ACT_NONE;
    const int half = w->dtype == FFCL_F16;
    if (is_narrow)
        return is_taps(ctx, w) ? FFCL_CONV_TAPS : half ? FFCL_CONV_NARROW : FFCL_CONV_DIRECT;
    return is_winograd(ctx, w) ? FFCL_CONV_WINOGRAD : half ? FFCL_CONV_TILES : FFCL_CONV_IM2COL;
}

static int is_tiled(const ffcl_conv_weight *w)
{
    return w->layout == FFCL_CONV_TILES || w->layout == FFCL_CONV_NARROW;
}

/* K of the GEMM's weight (K, N). */
static size_t rows_of(const ffcl_conv_weight *w)
{
    if (w->layout == FFCL_CONV_TAPS)
        return w->in;
    return (w->upsample ? 4 : ffcl_conv_taps(w)) * w->in;
}

/* N of a weight whose N is not the outputs: of TAPS, a tap's outputs after another's. */
static size_t tap_columns(const ffcl_conv_weight *w)
{
    return (w->side * w->side * w->out + 3) / 4 * 4;
}

static void shape(ffcl_conv_weight *w)
{
    const size_t K = rows_of(w);
    size_t count, buffers = ffcl_conv_buffers(w, &count);
    ffcl_tensor t = ffcl_tensor_of(w->dtype, 1, K, w->out);
    w->bias = ffcl_tensor_of(FFCL_F32, 1, 1, (w->out + 7) / 8 * 8);
    if (w->layout == FFCL_CONV_DIRECT)
        t = ffcl_tensor_of(FFCL_F32, 1, w->out, K);
    else if (w->layout == FFCL_CONV_WINOGRAD)
        t = ffcl_tensor_of(w->dtype, ffcl_winograd_points(w), w->in, w->out);
    else if (w->layout == FFCL_CONV_NARROW)
        t.cols = NARROW;
    else if (w->layout == FFCL_CONV_TAPS)
        t = ffcl_tensor_of(FFCL_F32, 1, K, tap_columns(w));
    if (is_tiled(w))
        t.layout = FFCL_TILES;
    for (size_t i = 0; i < buffers; i++)
        w->weight[i] = t;
}

void ffcl_conv_lay_out(const ffcl_ctx *ctx, ffcl_conv_weight *w)
{
    w->layout = choose_layout(ctx, w);
    /* Of few outputs: of any type a GEMM has W in float32. */
    if (w->layout == FFCL_CONV_TAPS)
        w->dtype = FFCL_F32;
    shape(w);
}

void ffcl_latent_conv_lay_out(ffcl_conv_weight *w)
{
    w->layout = FFCL_CONV_IM2COL;
    shape(w);
}

size_t ffcl_conv_part_count(const ffcl_conv_weight *w)
{
    const size_t out = w->layout == FFCL_CONV_NARROW ? NARROW : w->out;
    if (w->layout == FFCL_CONV_WINOGRAD)
        return ffcl_winograd_points(w) * w->in * w->out;
    if (w->layout == FFCL_CONV_TAPS)
        return w->in * tap_columns(w);
    return is_tiled(w) ? ffcl_tiled_count(out, rows_of(w)) : rows_of(w) * out;
}

size_t ffcl_conv_parts(const ffcl_conv_weight *w)
{
    return w->layout == FFCL_CONV_WINOGRAD ? 0 : w->upsample ? 4 : 1;
}

size_t ffcl_conv_buffers(const ffcl_conv_weight *w, size_t *count)
{
    const size_t parts = ffcl_conv_parts(w), each = ffcl_conv_part_count(w);
    const int together = w->dtype == FFCL_F16 || parts <= 1;
    *count = together && parts ? parts * each : each;
    return together ? 1 : parts;
}

/* The output parity of an upsampled pixel and a 3 x 3 tap meet one of two input pixels: parity 0
 * sees taps {0} and {1, 2}, parity 1 sees taps {0, 1} and {2}. */
static size_t parity_tap(size_t parity, size_t tap)
{
    return parity == 0 ? tap > 0 : tap > 1;
}

void ffcl_conv_fill(const ffcl_conv_weight *w, size_t i, const float *from, float *part)
{
    const size_t in = w->in, out = w->out, side = w->side, tall = ffcl_conv_tall(w);
    const size_t K = rows_of(w), given = in - w->more_in;
    memset(part, 0, ffcl_conv_part_count(w) * sizeof *part);
    for (size_t o = 0; o < out - w->more_out; o++)
        for (size_t c = 0; c < given; c++)
            for (size_t y = 0; y < tall; y++)
                for (size_t x = 0; x < side; x++) {
                    size_t tap = w->upsample ? parity_tap(i >> 1, y) * 2 + parity_tap(i & 1, x)
                                             : y * side + x;
                    size_t k = tap * in + c;
                    size_t at = is_tiled(w)                     ? ffcl_tiled_at(o, k, K)
                                : w->layout == FFCL_CONV_DIRECT ? o * K + k
                                : w->layout == FFCL_CONV_TAPS
                                    ? c * tap_columns(w) + tap * out + o
                                                                : k * out + o;
                    part[at] += from[((o * given + c) * tall + y) * side + x];
                }
}

void ffcl_conv_load_part(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t i,
                         const ffcl_tensor *staged)
{
    const size_t each = ffcl_conv_part_count(w);
    ffcl_tensor part = ffcl_tensor_in(w->weight[0].mem, ffcl_tensor_of(FFCL_F16, 1, 1, each));
    part.at = i * each;
    ffcl_cast(ctx, &part, staged);
}

void ffcl_conv_load_channels(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t first, size_t n,
                             const ffcl_tensor *staged)
{
    ffcl_winograd_weights(ctx, w, first, n, staged);
}
