/* SPDX-License-Identifier: MIT
 * Convolutions that keep a patch with its halo in local memory, alone and with the moments that
 * they leave for the group norm that follows. */
#include <math.h>
#include <stdlib.h>

#include "half.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"
#include "util.h"

/* PLAIN: the weight as torch stores it; GAMMA, BETA: of the norm that follows. */
enum { OUT, X, BIAS, ADD, PLAIN, WEIGHT, GAMMA, BETA };
enum { B, HH, WW, C, COUT, HAS_ADD, G };
/* A row's variant; WIDE: the tiles of large pictures, which the batch does not change. */
enum { UP = 1, MOMENTS = 2, WIDE = 4 };

static const double eps = 1e-6;

static const ffcl_shape model[] = {
    {{1, 16, 32, 128, 128, 1, 0}, 0},
    {{2, 8, 16, 512, 256, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 9, 17, 32, 8, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 8, 1, 0}, 0},
    {{3, 7, 5, 64, 136, 1, 0}, FFCL_SHAPE_FILLS},
    {{1, 8, 16, 96, 72, 0, 0}, 0},
    {{2, 20, 40, 32, 24, 1, 0}, 0},
    {{1, 40, 3, 64, 264, 1, 0}, 0},
    {{1, 2, 50, 160, 40, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape moments_model[] = {
    {{1, 16, 32, 128, 128, 1, 32}, 0},
    {{1, 8, 16, 512, 256, 0, 32}, 0},
    {{1, 16, 16, 64, 512, 1, 32}, 0},
    {{0}, 0},
};
static const ffcl_shape moments_awkward[] = {
    {{2, 8, 16, 32, 8, 1, 2}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 24, 16, 32, 24, 1, 6}, FFCL_SHAPE_FILLS},
    {{3, 8, 48, 64, 136, 1, 17}, 0},
    {{1, 40, 32, 32, 208, 0, 13}, 0},
    {{0}, 0},
};

static int is(const ffcl_case *c, int what)
{
    return (c->op->variant & what) != 0;
}

static ffcl_conv_weight weight_of(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return (ffcl_conv_weight){.kind = is(c, UP) ? FFCL_CONV_UPSAMPLE : FFCL_CONV_COLUMNS,
                              .in = d[C], .out = d[COUT], .side = 3, .store = FFCL_STORE_HALF,
                              .weight = {ffcl_mem(c, WEIGHT)}, .bias = ffcl_mem(c, BIAS)};
}

/* Whole steps, so that the taps that are summed beforehand are halves too. */
static void fill_weight(ffcl_case *c)
{
    double deviation = 1.0 / sqrt(9.0 * (double)c->shape.d[C]);
    double step = ldexp(1.0, (int)ceil(log2(3.5 * deviation / 512.0)));
    for (size_t e = 0; e < c->tensor[PLAIN].n; e++)
        ffcl_f32(c, PLAIN)[e] = (float)(step * nearbyint(deviation * ffcl_case_normal(c) / step));
}

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t scale = is(c, UP) ? 2 : 1, pixels = d[B] * d[HH] * d[WW];
    const size_t out = pixels * scale * scale * d[COUT];
    const ffcl_conv_weight w = {.kind = is(c, UP) ? FFCL_CONV_UPSAMPLE : FFCL_CONV_COLUMNS,
                                .in = d[C], .out = d[COUT], .side = 3, .store = FFCL_STORE_HALF};
    size_t parts, each = ffcl_conv_floats(&w, &parts);
    int rc = FFCL_TENSORS(
        c, {.role = FFCL_OUT, .type = FFCL_F16, .n = out},
        {.role = FFCL_IN, .type = FFCL_F16, .n = pixels * d[C]},
        {.role = FFCL_IN, .n = d[COUT]},
        {.role = FFCL_IN, .type = FFCL_F16, .n = d[HAS_ADD] && !is(c, UP) ? out : 1},
        {.role = FFCL_HOST, .type = FFCL_F16, .n = 9 * d[C] * d[COUT]},
        {.role = FFCL_IN, .type = FFCL_F16, .n = parts * each},
        {.role = FFCL_IN, .n = d[COUT]}, {.role = FFCL_IN, .n = d[COUT]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b y x o", d[B], d[HH] * scale, d[WW] * scale, d[COUT]);
    ffcl_case_fill(c, X, pixels);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, ADD, 0.0, 1.0);
    fill_weight(c);
    for (size_t i = 0; i < parts; i++)          /* as the loader does */
        ffcl_conv_layout(weight_of(c).kind, FFCL_STORE_HALF, i, ffcl_f32(c, PLAIN), d[C], d[COUT],
                         3, ffcl_f32(c, WEIGHT) + i * each);
    ffcl_case_noise(c, GAMMA, 1.0, 0.5);
    ffcl_case_noise(c, BETA, 0.0, 0.5);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * (is(c, MOMENTS) ? 1.0 : sqrt(9.0 * (double)d[C]));
    return 0;
}

/* The convolution, or what a group norm makes of it. */
static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const float *x = ffcl_f32(c, X), *w = ffcl_f32(c, PLAIN), *bias = ffcl_f32(c, BIAS);
    if (is(c, UP))
        ffcl_ref_upsample_conv(c->want, x, w, bias, NULL, d[B], d[HH], d[WW], d[C], d[COUT], 3);
    else
        ffcl_ref_conv(c->want, x, w, bias, d[HAS_ADD] ? ffcl_f32(c, ADD) : NULL, d[B], d[HH],
                      d[WW], d[C], d[COUT], 3);
    float *y = is(c, MOMENTS) ? malloc(c->tensor[OUT].n * sizeof *y) : NULL;
    for (size_t e = 0; y && e < c->tensor[OUT].n; e++)
        y[e] = ffcl_half_value(ffcl_half_from((float)c->want[e]));
    if (y)
        ffcl_ref_groupnorm(c->want, y, ffcl_f32(c, GAMMA), ffcl_f32(c, BETA), d[B],
                           c->tensor[OUT].n / d[B] / d[COUT], d[COUT], d[G], eps, 0);
    free(y);
}

/* Not of moments: their norm needs every element. */
static double at(const ffcl_case *c, size_t index)
{
    const size_t *d = c->shape.d, scale = is(c, UP) ? 2 : 1;
    return ffcl_ref_conv_at(ffcl_f32(c, X), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS),
                            d[HAS_ADD] && !is(c, UP) ? ffcl_f32(c, ADD) : NULL, scale,
                            scale * d[HH], scale * d[WW], d[C], d[COUT], 3, index);
}

/* The convolution to scratch memory, then its norm by the moments that it left. */
static int run_moments(ffcl_case *c, const ffcl_conv_weight *w, ffcl_halo *halo)
{
    const size_t *d = c->shape.d;
    const size_t P = d[HH] * d[WW] * (is(c, UP) ? 4 : 1);
    ffcl_buf y = {0}, sums = {0};
    ffcl_moments moments = {NULL, ffcl_halo_conv_chunks(w, d[HH], d[WW], d[G])};
    if (!moments.chunks)
        return ffcl_fail(c->ctx->err, FFCL_EUSAGE, "no moments for this shape");
    int rc = ffcl_take_stored(c->ctx, &y, d[B] * P * d[COUT], FFCL_STORE_HALF);
    if (rc == 0)
        rc = ffcl_take(c->ctx, &sums, d[B] * d[G] * moments.chunks * 2);
    halo->groups = d[G];
    halo->moments = moments.mem = sums.mem;
    if (rc == 0)
        rc = ffcl_halo_conv(c->ctx, y.mem, ffcl_mem(c, X), w, d[B], d[HH], d[WW], halo);
    if (rc == 0)
        rc = ffcl_groupnorm(c->ctx, ffcl_mem(c, OUT), y.mem, &moments, ffcl_mem(c, GAMMA),
                            ffcl_mem(c, BETA), d[B], P, d[COUT], d[G], (float)eps, 0,
                            FFCL_STORE_HALF);
    ffcl_give(c->ctx, &sums);
    ffcl_give(c->ctx, &y);
    return rc;
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = weight_of(c);
    ffcl_halo halo = {.has_add = d[HAS_ADD] && !is(c, UP), .add = ffcl_mem(c, ADD)};
    ffcl_engine_use was = ffcl_case_engine(c, (ffcl_engine_use){FFCL_ENGINE_WGMMA, 0});
    const int any_batch = c->ctx->any_batch;
    c->ctx->any_batch = is(c, WIDE);
    int rc = is(c, MOMENTS) ? run_moments(c, &w, &halo)
                            : ffcl_halo_conv(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), &w, d[B],
                                             d[HH], d[WW], &halo);
    c->ctx->any_batch = any_batch;
    ffcl_case_engine(c, was);
    return rc;
}

static const char *skip(const ffcl_case *c)
{
    return ffcl_case_no_engine(c, FFCL_ENGINE_WGMMA);
}

/* Without the norm that makes moments visible. */
static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = weight_of(c);
    return ffcl_conv_cost(&w, d[B], d[HH], d[WW], d[HAS_ADD] && !is(c, UP));
}

/* Tolerances of convolutions as in conv_half.c.  A norm's operand is within a rounding of a half of
 * the reference's, here and there on its other side, and its own result is rounded once more. */
#define HALO(row_name, what, kinds, shapes, ragged, relative, absolute)                   \
    {                                                                                     \
        .name = row_name, .letters = "B Hh Ww C Cout add G", .variant = (what),           \
        .fills = (kinds), .model = shapes, .awkward = ragged, .setup = setup, .ref = ref, \
        .at = (what) & MOMENTS ? NULL : at,                                               \
        .run = run, .skip = skip, .rtol = relative, .atol = absolute, .cost = cost,       \
    }
#define ALL_FILLS (FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT)

const ffcl_op_test ffcl_test_halo_conv =
    HALO("wgmma_halo_conv", 0, ALL_FILLS, model, awkward, 5e-4f, 1.8e-6f);
const ffcl_op_test ffcl_test_halo_conv_wide =
    HALO("wgmma_halo_conv_wide", WIDE, ALL_FILLS, model, awkward, 5e-4f, 1.8e-6f);
const ffcl_op_test ffcl_test_halo_conv_upsample =
    HALO("wgmma_halo_conv_upsample", UP, ALL_FILLS, model, awkward, 5e-4f, 1.8e-6f);
const ffcl_op_test ffcl_test_halo_conv_upsample_wide =
    HALO("wgmma_halo_conv_upsample_wide", UP | WIDE, ALL_FILLS, model, awkward, 5e-4f, 1.8e-6f);
const ffcl_op_test ffcl_test_halo_conv_moments =
    HALO("wgmma_halo_conv_moments", MOMENTS, FFCL_NOISE | FFCL_CONSTANT, moments_model,
         moments_awkward, 1.5e-3f, 2e-3f);
const ffcl_op_test ffcl_test_halo_conv_moments_wide =
    HALO("wgmma_halo_conv_moments_wide", MOMENTS | WIDE, FFCL_NOISE | FFCL_CONSTANT,
         moments_model, moments_awkward, 1.5e-3f, 2e-3f);
const ffcl_op_test ffcl_test_halo_conv_upsample_moments =
    HALO("wgmma_halo_conv_upsample_moments", UP | MOMENTS, FFCL_NOISE, moments_model,
         moments_awkward, 1.5e-3f, 2e-3f);
const ffcl_op_test ffcl_test_halo_conv_upsample_moments_wide =
    HALO("wgmma_halo_conv_upsample_moments_wide", UP | MOMENTS | WIDE, FFCL_NOISE, moments_model,
         moments_awkward, 1.5e-3f, 2e-3f);
