/* SPDX-License-Identifier: MIT
 * Convolutions of half pictures: on any device (conv_half_*), and on the matrix engines of
 * product.c, which leave other channel counts to the plain kernel. */
#include <math.h>

#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"
#include "util.h"

enum { OUT, X, BIAS, ADD, PLAIN, WEIGHT };      /* PLAIN: the weight as torch stores it */
/* UNITS: compute units by which the engine's tile is chosen; 0: the device's. */
enum { B, HH, WW, C, COUT, SIDE, HAS_ADD, UNITS };
/* A row's variant: the kind of convolution, and what computes. */
#define ON(engine) (FFCL_ENGINE_##engine << 4)

/* Shapes with units make the engine choose different tiles, as in product.c; it may cut K, whose
 * parts then begin within a tap. */
static const ffcl_shape columns_model[] = {
    {{1, 8, 8, 512, 512, 3, 1, 0}, 0},
    {{1, 16, 16, 128, 128, 3, 0, 0}, 0},
    {{1, 16, 8, 4, 512, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape columns_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 9, 8, 5, 6, 5, 1, 0}, 0},
    {{2, 5, 3, 32, 8, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 8, 3, 0, 0}, 0},
    {{1, 1, 40, 32, 8, 3, 1, 0}, 0},
    {{2, 40, 1, 32, 16, 3, 0, 0}, 0},
    {{1, 7, 9, 64, 24, 3, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 9, 8, 32, 40, 5, 1, 0}, 0},
    {{3, 5, 7, 96, 72, 3, 1, 0}, 0},
    {{1, 5, 5, 256, 40, 3, 0, 0}, 0},
    {{1, 4, 4, 512, 16, 3, 1, 0}, 0},
    {{2, 10, 10, 64, 136, 3, 1, 1}, 0},
    {{2, 10, 10, 64, 136, 3, 1, 4}, 0},
    {{2, 10, 10, 32, 72, 3, 0, 1}, 0},
    {{1, 12, 11, 128, 136, 3, 1, 1}, 0},
    {{1, 12, 11, 128, 136, 3, 1, 3}, 0},
    {{1, 12, 11, 128, 40, 3, 0, 16}, 0},
    {{2, 20, 10, 32, 24, 3, 1, 1}, 0},
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
    {{2, 5, 3, 32, 8, 1, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 5, 7, 40, 24, 1, 1, 0}, 0},
    {{1, 1, 1, 96, 8, 1, 0, 0}, 0},
    {{2, 10, 10, 64, 136, 1, 1, 1}, 0},
    {{1, 12, 11, 96, 136, 1, 0, 1}, 0},
    {{1, 12, 11, 96, 136, 1, 0, 4}, 0},
    {{2, 20, 10, 128, 24, 1, 1, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape none_model[] = {{{0}, 0}};
static const ffcl_shape narrow_model[] = {
    {{1, 32, 32, 128, 3, 3, 0, 0}, 0},          /* conv_out of an eighth by an eighth */
    {{2, 32, 32, 4, 4, 1, 0, 0}, 0},            /* post_quant_conv */
    {{0}, 0},
};
static const ffcl_shape narrow_awkward[] = {
    {{2, 3, 5, 6, 3, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 1, 3, 0, 0}, 0},
    {{3, 11, 17, 33, 2, 3, 0, 0}, 0},
    {{2, 9, 8, 5, 4, 5, 0, 0}, 0},
    {{2, 5, 3, 32, 3, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 1, 3, 0, 0}, 0},
    {{3, 9, 7, 96, 1, 3, 0, 0}, 0},
    {{1, 6, 7, 256, 4, 1, 0, 0}, 0},
    {{1, 4, 4, 512, 3, 3, 0, 0}, 0},
    {{2, 10, 10, 64, 3, 3, 0, 1}, 0},
    {{2, 20, 10, 64, 3, 3, 0, 1}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};
static const ffcl_shape upsample_model[] = {
    {{1, 4, 4, 512, 512, 3, 0, 0}, 0},
    {{1, 8, 8, 256, 256, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape upsample_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 5, 3, 32, 8, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 8, 3, 0, 0}, 0},
    {{1, 1, 20, 32, 16, 3, 0, 0}, 0},
    {{1, 7, 9, 64, 24, 3, 0, 0}, 0},
    {{1, 4, 4, 512, 16, 3, 0, 0}, 0},
    {{1, 10, 10, 96, 40, 3, 0, 1}, 0},
    {{2, 10, 5, 32, 72, 3, 0, 1}, 0},
    {{2, 15, 5, 64, 136, 3, 0, 2}, 0},
    {{2, 15, 5, 64, 136, 3, 0, 16}, 0},
    {{3, 10, 5, 128, 24, 3, 0, 1}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

static ffcl_conv_kind kind_of(const ffcl_case *c)
{
    return (ffcl_conv_kind)(c->op->variant & 15);
}

static ffcl_engine_level level_of(const ffcl_case *c)
{
    return (ffcl_engine_level)(c->op->variant >> 4);
}

static int is_upsample(const ffcl_case *c)
{
    return kind_of(c) == FFCL_CONV_UPSAMPLE;
}

/* Columns of the product: a narrow one is filled up with zeros to what the engine takes. */
static size_t columns(const ffcl_case *c)
{
    return kind_of(c) == FFCL_CONV_NARROW ? 8 : c->shape.d[COUT];
}

/* Weights in whole steps of which 512 hold nearly any: taps that are summed beforehand, up to
 * four, are then halves too, and their sum is not one more rounding. */
static void fill_weight(ffcl_case *c, size_t terms)
{
    double deviation = 1.0 / sqrt((double)terms);
    double step = ldexp(1.0, (int)ceil(log2(3.5 * deviation / 512.0)));
    for (size_t e = 0; e < c->tensor[PLAIN].n; e++)
        ffcl_f32(c, PLAIN)[e] = (float)(step * nearbyint(deviation * ffcl_case_normal(c) / step));
}

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t pixels = d[B] * d[HH] * d[WW] * (is_upsample(c) ? 4 : 1), taps = d[SIDE] * d[SIDE];
    size_t parts, each = ffcl_conv_floats(&(ffcl_conv_weight){.kind = kind_of(c), .in = d[C],
                                                              .out = d[COUT], .side = d[SIDE],
                                                              .store = FFCL_STORE_HALF}, &parts);
    ffcl_type result = kind_of(c) == FFCL_CONV_NARROW ? FFCL_F32 : FFCL_F16;
    int rc = FFCL_TENSORS(
        c, {.role = FFCL_OUT, .type = result, .n = pixels * d[COUT]},
        {.role = FFCL_IN, .type = FFCL_F16, .n = d[B] * d[HH] * d[WW] * d[C]},
        {.role = FFCL_IN, .n = ffcl_round_up(d[COUT], 8)},
        {.role = FFCL_IN, .type = FFCL_F16, .n = d[HAS_ADD] ? pixels * d[COUT] : 1},
        {.role = FFCL_HOST, .type = FFCL_F16, .n = taps * d[C] * d[COUT]},
        {.role = FFCL_IN, .type = FFCL_F16, .n = parts * each});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b y x o", d[B], d[HH] * (is_upsample(c) ? 2 : 1),
                   d[WW] * (is_upsample(c) ? 2 : 1), d[COUT]);
    ffcl_case_fill(c, X, d[B] * d[HH] * d[WW]);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    for (size_t o = d[COUT]; o < c->tensor[BIAS].n; o++)
        ffcl_f32(c, BIAS)[o] = 0.0f;
    ffcl_case_noise(c, ADD, 0.0, 1.0);
    fill_weight(c, taps * d[C]);
    for (size_t i = 0; i < parts; i++)          /* as the loader does */
        ffcl_conv_layout(kind_of(c), FFCL_STORE_HALF, i, ffcl_f32(c, PLAIN), d[C], d[COUT],
                         d[SIDE], ffcl_f32(c, WEIGHT) + i * each);
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

static ffcl_conv_weight weight_of(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return (ffcl_conv_weight){
        .kind = ffcl_conv_kind_of(d[COUT], d[SIDE], is_upsample(c), FFCL_STORE_HALF), .in = d[C],
        .out = d[COUT], .side = d[SIDE], .store = FFCL_STORE_HALF,
        .weight = {ffcl_mem(c, WEIGHT)}, .bias = ffcl_mem(c, BIAS)};
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = weight_of(c);
    if (w.kind != kind_of(c))
        return ffcl_fail(c->ctx->err, FFCL_EUSAGE, "this shape is computed by another kind");
    ffcl_engine_use was = ffcl_case_engine(c, (ffcl_engine_use){level_of(c), d[UNITS]});
    int rc = ffcl_conv(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), &w, d[B], d[HH], d[WW],
                       d[HAS_ADD] != 0, d[HAS_ADD] ? ffcl_mem(c, ADD) : NULL);
    ffcl_case_engine(c, was);
    return rc;
}

/* Shapes that the engine cannot take run on every device: the plain kernel must be chosen. */
static const char *skip(const ffcl_case *c)
{
    size_t step = kind_of(c) == FFCL_CONV_POINT ? 8 : 32;
    int falls_back = c->shape.d[C] % step || columns(c) % 8;
    return falls_back ? NULL : ffcl_case_no_engine(c, level_of(c));
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = weight_of(c);
    return ffcl_conv_cost(&w, d[B], d[HH], d[WW], d[HAS_ADD] != 0);
}

/* As for product.c. */
#define CONV(row_name, what, shapes, ragged, relative, absolute)                           \
    {                                                                                      \
        .name = row_name, .letters = "B Hh Ww C Cout k add units", .variant = (what),      \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,    \
        .awkward = ragged, .setup = setup, .ref = ref, .at = at, .run = run, .skip = skip, \
        .rtol = relative, .atol = absolute, .cost = cost,                                  \
    }
#define PLAIN_CONV(name, kind, shapes, ragged, relative) \
    CONV("conv_half_" name, kind, shapes, ragged, relative, 6e-7f)
#define MMA_CONV(name, kind, shapes, ragged, relative) \
    CONV("mma_conv_" name, (kind) | ON(MMA), shapes, ragged, relative, 1.8e-6f)
#define WGMMA_CONV(name, kind, shapes, ragged, relative) \
    CONV("wgmma_conv_" name, (kind) | ON(WGMMA), shapes, ragged, relative, 1.8e-6f)
/* Without the models' shapes: an emulation takes too long for them. */
#define OTHER_CONV(name, kind, ragged, relative) \
    CONV(name, kind, none_model, ragged, relative, 1.8e-6f)

const ffcl_op_test ffcl_test_conv_half_columns =
    PLAIN_CONV("columns", FFCL_CONV_COLUMNS, columns_model, columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_conv_half_point =
    PLAIN_CONV("point", FFCL_CONV_POINT, point_model, point_awkward, 5e-4f);
const ffcl_op_test ffcl_test_conv_half_narrow =
    PLAIN_CONV("narrow", FFCL_CONV_NARROW, narrow_model, narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_conv_half_upsample =
    PLAIN_CONV("upsample", FFCL_CONV_UPSAMPLE, upsample_model, upsample_awkward, 5e-4f);

const ffcl_op_test ffcl_test_mma_conv_columns =
    MMA_CONV("columns", FFCL_CONV_COLUMNS, columns_model, columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_mma_conv_point =
    MMA_CONV("point", FFCL_CONV_POINT, point_model, point_awkward, 5e-4f);
const ffcl_op_test ffcl_test_mma_conv_narrow =
    MMA_CONV("narrow", FFCL_CONV_NARROW, narrow_model, narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_mma_conv_upsample =
    MMA_CONV("upsample", FFCL_CONV_UPSAMPLE, upsample_model, upsample_awkward, 5e-4f);

const ffcl_op_test ffcl_test_wgmma_conv_columns =
    WGMMA_CONV("columns", FFCL_CONV_COLUMNS, columns_model, columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_wgmma_conv_narrow =
    WGMMA_CONV("narrow", FFCL_CONV_NARROW, narrow_model, narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_wgmma_conv_upsample =
    WGMMA_CONV("upsample", FFCL_CONV_UPSAMPLE, upsample_model, upsample_awkward, 5e-4f);

const ffcl_op_test ffcl_test_wmma_conv_columns = OTHER_CONV(
    "wmma_conv_columns", FFCL_CONV_COLUMNS | ON(WMMA), columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_wmma_conv_narrow =
    OTHER_CONV("wmma_conv_narrow", FFCL_CONV_NARROW | ON(WMMA), narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_wmma_conv_upsample = OTHER_CONV(
    "wmma_conv_upsample", FFCL_CONV_UPSAMPLE | ON(WMMA), upsample_awkward, 5e-4f);

const ffcl_op_test ffcl_test_mfma_conv_columns = OTHER_CONV(
    "mfma_conv_columns", FFCL_CONV_COLUMNS | ON(MFMA), columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_mfma_conv_narrow =
    OTHER_CONV("mfma_conv_narrow", FFCL_CONV_NARROW | ON(MFMA), narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_mfma_conv_upsample = OTHER_CONV(
    "mfma_conv_upsample", FFCL_CONV_UPSAMPLE | ON(MFMA), upsample_awkward, 5e-4f);

const ffcl_op_test ffcl_test_dpas_eight_conv_columns = OTHER_CONV(
    "dpas_eight_conv_columns", FFCL_CONV_COLUMNS | ON(DPAS8), columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_dpas_eight_conv_narrow =
    OTHER_CONV("dpas_eight_conv_narrow", FFCL_CONV_NARROW | ON(DPAS8), narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_dpas_eight_conv_upsample = OTHER_CONV(
    "dpas_eight_conv_upsample", FFCL_CONV_UPSAMPLE | ON(DPAS8), upsample_awkward, 5e-4f);

const ffcl_op_test ffcl_test_dpas_sixteen_conv_columns = OTHER_CONV(
    "dpas_sixteen_conv_columns", FFCL_CONV_COLUMNS | ON(DPAS16), columns_awkward, 5e-4f);
const ffcl_op_test ffcl_test_dpas_sixteen_conv_narrow =
    OTHER_CONV("dpas_sixteen_conv_narrow", FFCL_CONV_NARROW | ON(DPAS16), narrow_awkward, 1e-5f);
const ffcl_op_test ffcl_test_dpas_sixteen_conv_upsample = OTHER_CONV(
    "dpas_sixteen_conv_upsample", FFCL_CONV_UPSAMPLE | ON(DPAS16), upsample_awkward, 5e-4f);
