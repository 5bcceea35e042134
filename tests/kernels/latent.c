/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN, F };
enum { NEGATIVE = 1 };              /* latent_update: sign -1 */

/* latent_conv: PLAIN_POINT and PLAIN are the weights as torch stores them; of FIRST latents before
 * those decoded; on a device of UNITS compute units, 0: as it has. */
enum { POINT = 2, POINT_BIAS, WEIGHT, BIAS, PLAIN_POINT, PLAIN };
enum { B, C, R, N, SIDE, FIRST, UNITS };
enum { WITH_POINT = 1, HALF = 2 };  /* its row's variant */

static const float factor = 1.0f / 0.18215f;

static const ffcl_shape update_model[] = {{{4 * 4096, 0}, 0}, {{0}, 0}};
static const ffcl_shape update_awkward[] = {
    {{300, 1}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 0}, 0},
    {{4097, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape conv_model[] = {
    {{2, 4, 32, 512, 3, 0, 0}, 0},
    {{1, 4, 32, 512, 3, 2, 132}, 0},
    {{0}, 0},
};
static const ffcl_shape conv_awkward[] = {
    {{2, 3, 5, 12, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 3, 5, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 4, 3, 0, 0}, 0},
    {{3, 16, 9, 36, 3, 1, 1000}, FFCL_SHAPE_FILLS},     /* K of three chunks */
    {{3, 5, 11, 516, 3, 2, 1}, 0},
    {{2, 4, 7, 33, 5, 0, 1}, 0},
    {{2, 2, 13, 8, 1, 0, 1000}, 0},
    {{0}, 0},
};

static int update_setup(ffcl_case *c)
{
    size_t n = c->shape.d[0];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n},
                          {.role = FFCL_IN, .n = n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "e", n, 0, 0, 0);
    ffcl_case_fill(c, IN, n);
    ffcl_case_fill(c, F, n);
    return 0;
}

static void update_ref(ffcl_case *c)
{
    ffcl_ref_latent_update(c->want, ffcl_f32(c, IN), ffcl_f32(c, F),
                           c->shape.d[NEGATIVE] ? -1.0 : 1.0, c->shape.d[0]);
}

static int update_run(ffcl_case *c)
{
    ffcl_buf flags = {0};
    int rc = ffcl_take(c->ctx, &flags, 1);
    if (rc == 0)
        rc = ffcl_latent_update(c->ctx, ffcl_mem(c, OUT), flags.mem, ffcl_mem(c, IN),
                                ffcl_mem(c, F), c->shape.d[NEGATIVE] ? -1.0f : 1.0f, 1,
                                c->shape.d[0]);
    ffcl_give(c->ctx, &flags);
    return rc;
}

static ffcl_cost update_cost(const ffcl_case *c)
{
    return ffcl_latent_update_cost(c->shape.d[0]);
}

/* A product with +-1 is exact, so one rounding is left whether fused or not: exact. */
const ffcl_op_test ffcl_test_latent_update = {
    .name = "latent_update", .letters = "n negative", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
    .model = update_model, .awkward = update_awkward, .setup = update_setup, .ref = update_ref,
    .run = update_run, .cost = update_cost,
};

static int conv_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t each = d[C] * d[R] * d[R], K = d[SIDE] * d[SIDE] * d[C];
    const ffcl_type out = c->op->variant & HALF ? FFCL_F16 : FFCL_F32;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = out, .n = d[B] * d[R] * d[R] * d[N]},
                          {.role = FFCL_IN, .n = (d[FIRST] + d[B]) * each},
                          {.role = FFCL_IN, .n = d[C] * d[C]}, {.role = FFCL_IN, .n = d[C]},
                          {.role = FFCL_IN, .n = K * d[N]}, {.role = FFCL_IN, .n = d[N]},
                          {.role = FFCL_HOST, .n = d[C] * d[C]},
                          {.role = FFCL_HOST, .n = K * d[N]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b y x o", d[B], d[R], d[R], d[N]);
    ffcl_case_fill(c, IN, d[B] + d[FIRST]);
    ffcl_case_noise(c, POINT_BIAS, 0.0, 0.5);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, PLAIN_POINT, 0.0, 1.0 / sqrt((double)d[C]));
    ffcl_case_noise(c, PLAIN, 0.0, 1.0 / sqrt((double)K));
    /* As the loader lays them out. */
    ffcl_conv_layout(FFCL_CONV_POINT, FFCL_STORE_FLOAT, 0, ffcl_f32(c, PLAIN_POINT), d[C], d[C], 1,
                     ffcl_f32(c, POINT));
    ffcl_conv_layout(FFCL_CONV_COLUMNS, FFCL_STORE_FLOAT, 0, ffcl_f32(c, PLAIN), d[C], d[N],
                     d[SIDE], ffcl_f32(c, WEIGHT));
    c->scale = (1.0 + (double)factor * ffcl_case_magnitude(c)) * sqrt((double)(K + d[C]));
    return 0;
}

static void conv_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const int point = c->op->variant & WITH_POINT;
    ffcl_ref_latent_conv(c->want, ffcl_f32(c, IN) + d[FIRST] * d[C] * d[R] * d[R], factor,
                         point ? ffcl_f32(c, PLAIN_POINT) : NULL, ffcl_f32(c, POINT_BIAS),
                         ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS), d[B], d[C], d[R], d[N], d[SIDE]);
}

/* The two weights; the first is used by rows WITH_POINT. */
static ffcl_conv_weight weight_of(const ffcl_case *c, int point)
{
    const size_t *d = c->shape.d;
    if (point)
        return (ffcl_conv_weight){.kind = FFCL_CONV_POINT, .in = d[C], .out = d[C], .side = 1,
                                  .weight = {ffcl_mem(c, POINT)}, .bias = ffcl_mem(c, POINT_BIAS)};
    return (ffcl_conv_weight){.kind = FFCL_CONV_COLUMNS, .in = d[C], .out = d[N], .side = d[SIDE],
                              .weight = {ffcl_mem(c, WEIGHT)}, .bias = ffcl_mem(c, BIAS)};
}

static ffcl_store store_of(const ffcl_case *c)
{
    return c->op->variant & HALF ? FFCL_STORE_HALF : FFCL_STORE_FLOAT;
}

static int conv_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight point = weight_of(c, 1), conv = weight_of(c, 0);
    const ffcl_engine_use use = {c->ctx->matrix_engine, d[UNITS]};
    const ffcl_engine_use before = ffcl_case_engine(c, use);
    int rc = ffcl_latent_conv(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), d[FIRST], factor,
                              c->op->variant & WITH_POINT ? &point : NULL, &conv, d[B], d[R],
                              store_of(c));
    ffcl_case_engine(c, before);
    return rc;
}

static ffcl_cost conv_cost(const ffcl_case *c)
{
    const ffcl_conv_weight point = weight_of(c, 1), conv = weight_of(c, 0);
    return ffcl_latent_conv_cost(c->op->variant & WITH_POINT ? &point : NULL, &conv, c->shape.d[B],
                                 c->shape.d[R], store_of(c));
}

/* Sums as gemm's, one after the other; half storage adds half a unit in its last place. */
#define LATENT_CONV(row_name, uses, relative)                                                  \
    {                                                                                          \
        .name = row_name, .letters = "B C R N k first units", .variant = (uses),               \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = conv_model,    \
        .awkward = conv_awkward, .setup = conv_setup, .ref = conv_ref, .run = conv_run,        \
        .rtol = relative, .atol = 6e-7f, .cost = conv_cost,                                     \
    }

const ffcl_op_test ffcl_test_latent_conv = LATENT_CONV("latent_conv", 0, 1e-5f);
const ffcl_op_test ffcl_test_latent_conv_point =
    LATENT_CONV("latent_conv_point", WITH_POINT, 1e-5f);
const ffcl_op_test ffcl_test_latent_conv_point_half =
    LATENT_CONV("latent_conv_point_half", WITH_POINT | HALF, 5e-4f);
