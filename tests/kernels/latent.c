/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, IN, F };
enum { NEGATIVE = 1 };              /* latent_update: sign -1 */

/* latent_conv: PLAIN_POINT and PLAIN are the weights as torch stores them; of FIRST latents before
 * those decoded; on a device of UNITS compute units, 0: as it has. */
enum { POINT = 2, POINT_BIAS, WEIGHT, BIAS, PLAIN_POINT, PLAIN };
enum { B, C, R, N, SIDE, FIRST, UNITS };
enum { WITH_POINT = 1 };            /* a row's uses */

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

/* ---- latent_update */

static void update_operands(ffcl_case *c)
{
    const size_t n = c->shape.d[0];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n},
                  {.role = FFCL_IN, .n = n});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

static void update_fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, c->shape.d[0]);
    ffcl_case_fill(c, F, c->shape.d[0]);
}

static void update_ref(ffcl_case *c)
{
    ffcl_ref_latent_update(c->want, ffcl_f32(c, IN), ffcl_f32(c, F),
                           c->shape.d[NEGATIVE] ? -1.0 : 1.0, c->shape.d[0]);
}

static void update_run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT), z = ffcl_case_matrix(c, IN);
    const ffcl_tensor f = ffcl_case_matrix(c, F);
    ffcl_tensor bad = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_I32, 1, 1, 1));
    ffcl_latent_update(c->ctx, &out, &bad, &z, &f, c->shape.d[NEGATIVE] ? -1.0f : 1.0f);
    ffcl_give(c->ctx, &bad);
}

static ffcl_cost update_cost(const ffcl_case *c)
{
    return ffcl_latent_update_cost(c->shape.d[0]);
}

static size_t update_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    (void)row;
    to[0] = (ffcl_use){"latent", {{of->B * FFCL_XL_CHANNELS * of->R * of->R, 0}, 0}};
    return 1;
}

/* ---- latent_conv */

/* The two convolutions; the first is of rows WITH_POINT. */
static ffcl_conv_weight weight_of(const ffcl_case *c, int point)
{
    const size_t *d = c->shape.d;
    ffcl_conv_weight w = {.in = d[C], .out = point ? d[C] : d[N], .side = point ? 1 : d[SIDE]};
    ffcl_latent_conv_lay_out(&w);
    w.weight[0].mem = c->operand[point ? POINT : WEIGHT].mem;
    w.bias.mem = c->operand[point ? POINT_BIAS : BIAS].mem;
    return w;
}

static void conv_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t each = d[C] * d[R] * d[R], K = d[SIDE] * d[SIDE] * d[C];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = d[B] * d[R] * d[R] * d[N]},
                  {.role = FFCL_IN, .n = (d[FIRST] + d[B]) * each},
                  {.role = FFCL_IN, .n = d[C] * d[C]}, {.role = FFCL_IN, .n = d[C]},
                  {.role = FFCL_IN, .n = K * d[N]}, {.role = FFCL_IN, .n = d[N]},
                  {.role = FFCL_HOST, .n = d[C] * d[C]}, {.role = FFCL_HOST, .n = K * d[N]});
    ffcl_case_axes(c, "b y x o", d[B], d[R], d[R], d[N]);
}

static void conv_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d, K = d[SIDE] * d[SIDE] * d[C];
    const ffcl_conv_weight point = weight_of(c, 1), conv = weight_of(c, 0);
    ffcl_case_fill(c, IN, d[B] + d[FIRST]);
    ffcl_case_noise(c, POINT_BIAS, 0.0, 0.5);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, PLAIN_POINT, 0.0, 1.0 / sqrt((double)d[C]));
    ffcl_case_noise(c, PLAIN, 0.0, 1.0 / sqrt((double)K));
    /* As the loader lays them out. */
    ffcl_conv_fill(&point, 0, ffcl_f32(c, PLAIN_POINT), ffcl_f32(c, POINT));
    ffcl_conv_fill(&conv, 0, ffcl_f32(c, PLAIN), ffcl_f32(c, WEIGHT));
    c->scale = (1.0 + (double)factor * ffcl_case_magnitude(c)) * sqrt((double)(K + d[C]));
}

static void conv_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_latent_conv(c->want, ffcl_f32(c, IN) + d[FIRST] * d[C] * d[R] * d[R], factor,
                         c->row->uses & WITH_POINT ? ffcl_f32(c, PLAIN_POINT) : NULL,
                         ffcl_f32(c, POINT_BIAS), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS), d[B],
                         d[C], d[R], d[N], d[SIDE]);
}

static void conv_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight point = weight_of(c, 1), conv = weight_of(c, 0);
    const ffcl_tensor out = ffcl_case_image(c, OUT, d[B], d[R], d[R], d[N]);
    ffcl_tensor latents = ffcl_case_dense(c, IN, d[FIRST] + d[B], d[C], d[R] * d[R]);
    latents.width = d[R];
    const ffcl_tensor latent = ffcl_images(latents, d[FIRST], d[B]);
    ffcl_latent_conv(c->ctx, &out, &latent, factor, c->row->uses & WITH_POINT ? &point : NULL,
                     &conv);
}

static ffcl_cost conv_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight point = weight_of(c, 1), conv = weight_of(c, 0);
    const ffcl_tensor out = ffcl_case_image(c, OUT, d[B], d[R], d[R], d[N]);
    return ffcl_latent_conv_cost(&out, c->row->uses & WITH_POINT ? &point : NULL, &conv);
}

static size_t conv_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    if (!(row->uses & WITH_POINT))
        return 0;
    to[0] = (ffcl_use){"conv in", {{of->B, FFCL_XL_CHANNELS, of->R, FFCL_VAE_MID, 3, 0, 0}, 0}};
    return 1;
}

/* Sums as gemm's, one after the other; half storage adds half a unit in its last place. */
#define LATENT_CONV(row_name, what, type, relative)                                              \
    {                                                                                            \
        .name = row_name, .letters = "B C R N k first units", .dtype = type, .uses = what,       \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = conv_model,      \
        .awkward = conv_awkward, .operands = conv_operands, .fill = conv_fill, .ref = conv_ref,  \
        .rtol = relative, .atol = 6e-7f, .run = conv_run, .cost = conv_cost, .used = conv_used,  \
    }

const ffcl_row ffcl_rows_of_latent[] = {
    /* Multiplying by +-1 is exact, so one rounding is left whether fused or not: exact. */
    {.name = "latent_update", .letters = "n negative",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = update_model,
     .awkward = update_awkward, .operands = update_operands, .fill = update_fill,
     .ref = update_ref, .run = update_run, .cost = update_cost, .used = update_used},
    LATENT_CONV("latent_conv", 0, FFCL_F32, 1e-5f),
    LATENT_CONV("latent_conv_point", WITH_POINT, FFCL_F32, 1e-5f),
    LATENT_CONV("latent_conv_point_half", WITH_POINT, FFCL_F16, 5e-4f),
    {.name = NULL},
};
