/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "ops/cost.h"
#include "cl/arena.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, BIAS, ADD, PLAIN, WEIGHT };      /* PLAIN: the weight as torch stores it */
/* BAND: pixels in one band, in steps of 128; 0 leaves it to the device's memory. */
enum { B, HH, WW, C, COUT, SIDE, HAS_ADD, BAND };

static const ffcl_shape columns_model[] = {
    {{1, 16, 16, 4, 512, 3, 0, 0}, 0},
    {{1, 16, 16, 512, 512, 3, 1, 0}, 0},
    {{1, 16, 16, 256, 256, 3, 0, 0}, 0},
    {{1, 32, 32, 128, 128, 3, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape columns_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 33, 12, 3, 1, 128}, FFCL_SHAPE_FILLS},     /* bands across pictures */
    {{1, 31, 17, 4, 33, 3, 0, 256}, 0},
    {{2, 9, 8, 5, 6, 5, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape point_model[] = {
    {{1, 8, 8, 512, 512, 1, 1, 0}, 0},
    {{1, 16, 16, 512, 256, 1, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape point_awkward[] = {
    {{2, 3, 5, 6, 7, 1, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 7, 5, 33, 12, 1, 0, 0}, 0},
    {{1, 1, 1, 4, 5, 1, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape direct_model[] = {
    {{1, 64, 64, 128, 3, 3, 0, 0}, 0},          /* conv_out of a quarter by a quarter */
    {{2, 32, 32, 4, 4, 1, 0, 0}, 0},            /* post_quant_conv */
    {{0}, 0},
};
static const ffcl_shape direct_awkward[] = {
    {{2, 3, 5, 6, 3, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 1, 3, 0, 0}, 0},
    {{3, 11, 17, 33, 2, 3, 0, 0}, 0},
    {{2, 9, 8, 5, 4, 5, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape upsample_model[] = {
    {{1, 8, 8, 512, 512, 3, 0, 0}, 0},
    {{1, 8, 8, 256, 256, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape upsample_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 33, 12, 3, 0, 128}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

static const ffcl_shape winograd_model[] = {
    {{1, 16, 16, 512, 512, 3, 1, 0}, 0},
    {{1, 32, 32, 128, 128, 3, 1, 0}, 0},
    {{1, 32, 32, 256, 128, 3, 0, 0}, 0},
    {{0}, 0},
};
/* C and Cout of different vectors, tiles that reach over the border, bands that end within a
 * picture. */
static const ffcl_shape winograd_awkward[] = {
    {{2, 3, 5, 17, 7, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 20, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 24, 16, 3, 1, 0}, FFCL_SHAPE_FILLS},
    {{5, 30, 31, 200, 70, 3, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape winograd_upsample_model[] = {
    {{1, 8, 8, 512, 512, 3, 0, 0}, 0},
    {{1, 16, 16, 256, 256, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape winograd_upsample_awkward[] = {
    {{2, 3, 5, 17, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 20, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 24, 16, 3, 0, 0}, FFCL_SHAPE_FILLS},
    {{3, 26, 27, 200, 70, 3, 0, 0}, 0},
    {{0}, 0},
};

static int is_upsample(const ffcl_case *c)
{
    return c->op->variant == FFCL_CONV_UPSAMPLE || c->op->variant == FFCL_CONV_WINOGRAD_UPSAMPLE;
}

static int is_winograd(const ffcl_case *c)
{
    return ffcl_is_winograd((ffcl_conv_kind)c->op->variant);
}

/* Weights that the kind wants: those as torch stores them where the device lays them out. */
static size_t n_weights(const ffcl_case *c)
{
    return c->op->variant == FFCL_CONV_UPSAMPLE ? 4 : 1;
}

/* The weights of the kind, made from PLAIN as the loader does. */
static void lay_out(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    if (is_winograd(c))
        memcpy(ffcl_f32(c, WEIGHT), ffcl_f32(c, PLAIN), c->tensor[PLAIN].n * sizeof(float));
    for (size_t i = 0; !is_winograd(c) && WEIGHT + i < c->n_tensors; i++)
        ffcl_conv_layout((ffcl_conv_kind)c->op->variant, FFCL_STORE_FLOAT, i, ffcl_f32(c, PLAIN),
                         d[C], d[COUT], d[SIDE], ffcl_f32(c, WEIGHT + i));
}

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t pixels = d[B] * d[HH] * d[WW] * (is_upsample(c) ? 4 : 1), taps = d[SIDE] * d[SIDE];
    /* Bands write from an offset, for which the product makes sub-buffers of its own. */
    const ffcl_tensor weight = {.role = FFCL_IN,
                                .n = (n_weights(c) == 4 ? 4 : taps) * d[C] * d[COUT]};
    const ffcl_tensor list[] = {
        {.role = FFCL_OUT, .n = pixels * d[COUT], .flat = d[BAND] != 0},
        {.role = FFCL_IN, .n = d[B] * d[HH] * d[WW] * d[C]},
        {.role = FFCL_IN, .n = d[COUT]},
        {.role = FFCL_IN, .n = d[HAS_ADD] ? pixels * d[COUT] : 1},
        {.role = FFCL_HOST, .n = taps * d[C] * d[COUT]},
        weight, weight, weight, weight,
    };
    int rc = ffcl_case_tensors(c, list, WEIGHT + n_weights(c));
    if (rc)
        return rc;
    ffcl_case_axes(c, "b y x o", d[B], d[HH] * (is_upsample(c) ? 2 : 1),
                   d[WW] * (is_upsample(c) ? 2 : 1), d[COUT]);
    ffcl_case_fill(c, X, d[B] * d[HH] * d[WW]);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, ADD, 0.0, 1.0);
    ffcl_case_noise(c, PLAIN, 0.0, 1.0 / sqrt((double)(taps * d[C])));
    lay_out(c);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt((double)(taps * d[C]));
    return 0;
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const float *add = d[HAS_ADD] ? ffcl_f32(c, ADD) : NULL;
    if (is_upsample(c))
        ffcl_ref_upsample_conv(c->want, ffcl_f32(c, X), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS), add,
                               d[B], d[HH], d[WW], d[C], d[COUT], d[SIDE]);
    else
        ffcl_ref_conv(c->want, ffcl_f32(c, X), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS), add, d[B],
                      d[HH], d[WW], d[C], d[COUT], d[SIDE]);
}

static double at(const ffcl_case *c, size_t index)
{
    const size_t *d = c->shape.d, scale = is_upsample(c) ? 2 : 1;
    return ffcl_ref_conv_at(ffcl_f32(c, X), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS),
                            d[HAS_ADD] ? ffcl_f32(c, ADD) : NULL, scale, scale * d[HH],
                            scale * d[WW], d[C], d[COUT], d[SIDE], index);
}

/* The weight, laid out in scratch memory, and the convolution. */
static int run_winograd(ffcl_case *c, ffcl_conv_weight *w)
{
    const size_t *d = c->shape.d;
    const cl_mem raw = w->weight[0];
    ffcl_buf laid_out = {0};
    size_t parts, floats = ffcl_conv_floats(w, &parts);
    int rc = ffcl_take(c->ctx, &laid_out, floats);
    w->weight[0] = laid_out.mem;
    if (rc == 0)
        rc = ffcl_winograd_weights(c->ctx, laid_out.mem, raw, w, 0, w->out);
    if (rc == 0)
        rc = ffcl_conv(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), w, d[B], d[HH], d[WW],
                       d[HAS_ADD] != 0, d[HAS_ADD] ? ffcl_mem(c, ADD) : NULL);
    ffcl_give(c->ctx, &laid_out);
    return rc;
}

static ffcl_conv_weight weight_of(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_conv_weight w = {.kind = ffcl_conv_kind_of(d[COUT], d[SIDE], is_upsample(c),
                                                    FFCL_STORE_FLOAT), .in = d[C],
                          .out = d[COUT], .side = d[SIDE], .bias = ffcl_mem(c, BIAS)};
    if (is_winograd(c))
        ffcl_winograd_kind(&w.kind, w.in, w.side);
    for (size_t i = 0; WEIGHT + i < c->n_tensors; i++)
        w.weight[i] = ffcl_mem(c, WEIGHT + i);
    return w;
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_conv_weight w = weight_of(c);
    if ((int)w.kind != c->op->variant)
        return ffcl_fail(c->ctx->err, FFCL_EUSAGE, "this shape is computed by another kind");
    if (is_winograd(c))
        return run_winograd(c, &w);
    /* Bands take a sixteenth of the device's memory: a device that says it has little gets small
     * ones. */
    size_t K = w.kind == FFCL_CONV_UPSAMPLE ? 4 * d[C] : d[SIDE] * d[SIDE] * d[C];
    cl_ulong memory = c->ctx->device.caps.global_bytes;
    if (d[BAND])
        c->ctx->device.caps.global_bytes = 16 * sizeof(float) * K * d[BAND];
    int rc = ffcl_conv(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), &w, d[B], d[HH], d[WW],
                       d[HAS_ADD] != 0, d[HAS_ADD] ? ffcl_mem(c, ADD) : NULL);
    c->ctx->device.caps.global_bytes = memory;
    return rc;
}

static const char *skip(const ffcl_case *c)
{
    return c->ctx->device.caps.max_work_group < 256 ? "needs work-groups of 256" : NULL;
}

static const char *skip_winograd(const ffcl_case *c)
{
    return ffcl_winograd_fits(c->ctx) ? NULL : "no back end with batches of float32 products";
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = weight_of(c);
    return ffcl_conv_cost(&w, d[B], d[HH], d[WW], d[HAS_ADD] != 0);
}

/* As for gemm.  The summed taps of an upsample add one rounding to each weight; Winograd's sums and
 * differences make terms that are larger than their result, and roundings twice as large. */
#define CONV(row_name, kind, shapes, ragged, why_not, allowed)                                \
    {                                                                                         \
        .name = row_name, .letters = "B Hh Ww C Cout k add band", .variant = kind,            \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,       \
        .awkward = ragged, .setup = setup, .ref = ref, .at = at, .run = run, .skip = why_not, \
        .rtol = 1e-5f, .atol = allowed, .cost = cost,                                         \
    }

const ffcl_op_test ffcl_test_conv_columns =
    CONV("conv_columns", FFCL_CONV_COLUMNS, columns_model, columns_awkward, skip, 6e-7f);
const ffcl_op_test ffcl_test_conv_point =
    CONV("conv_point", FFCL_CONV_POINT, point_model, point_awkward, NULL, 6e-7f);
const ffcl_op_test ffcl_test_conv_direct =
    CONV("conv_direct", FFCL_CONV_DIRECT, direct_model, direct_awkward, NULL, 6e-7f);
const ffcl_op_test ffcl_test_conv_upsample =
    CONV("conv_upsample", FFCL_CONV_UPSAMPLE, upsample_model, upsample_awkward, skip, 6e-7f);
const ffcl_op_test ffcl_test_conv_winograd =
    CONV("conv_winograd", FFCL_CONV_WINOGRAD, winograd_model, winograd_awkward, skip_winograd,
         6e-7f);
const ffcl_op_test ffcl_test_conv_winograd_upsample =
    CONV("conv_winograd_upsample", FFCL_CONV_WINOGRAD_UPSAMPLE, winograd_upsample_model,
         winograd_upsample_awkward, skip_winograd, 6e-7f);
