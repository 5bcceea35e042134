/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, IN, F };
/* latent_update: TERMS as the kernel has them; COEFFICIENTS is 0 for 1, -1, 1, -1 and else makes
 * others.  latent_guide, latent_affine: C channels of P pixels; FROM is latents before those. */
enum { OTHER = 2, F_TERM, NOISE };
enum { TERMS = 1, COEFFICIENTS };
enum { TABLE = 2 };
enum { PIXELS = 2, GUIDED, FROM = 3 };

/* latent_conv: PLAIN_POINT and PLAIN are the weights as torch stores them; of FIRST latents before
 * those decoded; on a device of UNITS compute units, 0: as it has. */
enum { POINT = 2, POINT_BIAS, WEIGHT, BIAS, PLAIN_POINT, PLAIN };
enum { B, C, R, N, SIDE, FIRST, UNITS };
enum { WITH_POINT = 1 };            /* a row's uses */

static const float factor = 1.0f / 0.18215f;

static const ffcl_shape update_model[] = {{{4 * 4096, 2, 0}, 0}, {{0}, 0}};
static const ffcl_shape update_awkward[] = {
    {{300, 2, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 2, 0}, 0},
    {{4097, 2, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape step_model[] = {{{4 * 4096, 3, 1}, 0}, {{0}, 0}};
static const ffcl_shape step_awkward[] = {
    {{300, 7, 1}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{301, 0, 2}, 0},
    {{77, 1, 3}, 0},
    {{4097, 4, 4}, 0},
    {{1, 5, 5}, 0},
    {{33, 6, 6}, 0},
    {{0}, 0},
};
static const ffcl_shape guide_model[] = {{{4, 4, 1024, 3}, 0}, {{0}, 0}};
static const ffcl_shape guide_awkward[] = {
    {{3, 5, 7, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 1}, 0},
    {{2, 32, 9, 32}, 0},
    {{2, 4, 33, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape affine_model[] = {{{4, 32, 256, 0}, 0}, {{0}, 0}};
static const ffcl_shape affine_awkward[] = {
    {{3, 5, 7, 2}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 0}, 0},
    {{2, 4, 129, 1}, 0},
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
    {{3, 16, 9, 48, 3, 1, 1000}, FFCL_SHAPE_FILLS},     /* whole vectors of 16 outputs */
    {{1, 3, 5, 16, 5, 1, 0}, 0},
    {{1, 60, 4, 16, 3, 0, 0}, 0},                       /* too many taps for a pixel alone */
    {{0}, 0},
};

/* ---- latent_update */

static void coefficients(const ffcl_case *c, float k[4])
{
    const size_t seed = c->shape.d[COEFFICIENTS];
    for (size_t i = 0; i < 4; i++)
        k[i] = seed ? 0.25f * (float)((seed * 7 + i * 5) % 13) - 1.4f : i % 2 ? -1.0f : 1.0f;
}

static void update_operands(ffcl_case *c)
{
    const size_t n = c->shape.d[0];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n},
                  {.role = FFCL_IN, .n = n}, {.role = FFCL_IN, .n = n}, {.role = FFCL_IN, .n = n});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

static void update_fill(ffcl_case *c)
{
    for (size_t i = IN; i <= NOISE; i++)
        ffcl_case_fill(c, i, c->shape.d[0]);
    c->scale = 1.0 + 6.0 * ffcl_case_magnitude(c);
}

static void update_ref(ffcl_case *c)
{
    const size_t terms = c->shape.d[TERMS];
    const float *const term[] = {ffcl_f32(c, IN), terms & 1 ? ffcl_f32(c, OTHER) : NULL,
                                 terms & 2 ? ffcl_f32(c, F_TERM) : NULL,
                                 terms & 4 ? ffcl_f32(c, NOISE) : NULL};
    float k[4];
    coefficients(c, k);
    ffcl_ref_latent_update(c->want, term, k, c->shape.d[0]);
}

static void update_run(ffcl_case *c)
{
    const size_t terms = c->shape.d[TERMS];
    const ffcl_tensor out = ffcl_case_matrix(c, OUT), x = ffcl_case_matrix(c, IN);
    const ffcl_tensor y = ffcl_case_matrix(c, OTHER), f = ffcl_case_matrix(c, F_TERM);
    const ffcl_tensor noise = ffcl_case_matrix(c, NOISE);
    ffcl_tensor bad = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_I32, 1, 1, 1));
    float k[4];
    coefficients(c, k);
    ffcl_latent_update(c->ctx, &(ffcl_latent_update_desc){
        .out = out, .bad = bad, .x = x, .y = terms & 1 ? &y : NULL, .F = terms & 2 ? &f : NULL,
        .noise = terms & 4 ? &noise : NULL, .cx = k[0], .cy = k[1], .cF = k[2], .cn = k[3]});
    ffcl_give(c->ctx, &bad);
}

static ffcl_cost update_cost(const ffcl_case *c)
{
    const size_t terms = c->shape.d[TERMS];
    return ffcl_latent_update_cost(c->shape.d[0], (int)(terms & 1) + (int)(terms >> 1 & 1) +
                                                      (int)(terms >> 2 & 1));
}

static size_t update_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    (void)row;
    to[0] = (ffcl_use){"latent", {{of->B * FFCL_XL_CHANNELS * of->R * of->R, 2, 0}, 0}};
    return 1;
}

/* ---- latent_guide */

static const float guidance = 2.5f;

static void guide_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, n = d[B] * d[C] * d[PIXELS];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = 2 * n});
    ffcl_case_axes(c, "b c p", d[B], d[C], d[PIXELS], 0);
}

static void guide_fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, 2 * c->shape.d[B]);
    c->scale = 1.0 + 4.0 * ffcl_case_magnitude(c);
}

static void guide_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_latent_guide(c->want, ffcl_f32(c, IN), guidance, d[GUIDED], d[B], d[C], d[PIXELS]);
}

static void guide_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[B], d[C], d[PIXELS]);
    const ffcl_tensor all = ffcl_case_dense(c, IN, 2 * d[B], d[C], d[PIXELS]);
    ffcl_latent_guide(c->ctx, &out, &all, guidance, d[GUIDED]);
}

static ffcl_cost guide_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_latent_guide_cost(d[B] * d[C] * d[PIXELS]);
}

/* ---- latent_affine */

static void affine_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, each = d[C] * d[PIXELS];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[B] * each},
                  {.role = FFCL_IN, .n = (d[FROM] + d[B]) * each},
                  {.role = FFCL_IN, .n = 2 * d[C]});
    ffcl_case_axes(c, "b c p", d[B], d[C], d[PIXELS], 0);
}

static void affine_fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, c->shape.d[B] + c->shape.d[FROM]);
    ffcl_case_noise(c, TABLE, 1.0, 1.0);
    c->scale = 1.0 + 4.0 * ffcl_case_magnitude(c);
}

static void affine_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const float *table = ffcl_f32(c, TABLE);
    ffcl_ref_latent_affine(c->want, ffcl_f32(c, IN) + d[FROM] * d[C] * d[PIXELS], table,
                           table + d[C], d[B], d[C], d[PIXELS]);
}

static void affine_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[B], d[C], d[PIXELS]);
    const ffcl_tensor all = ffcl_case_dense(c, IN, d[FROM] + d[B], d[C], d[PIXELS]);
    const ffcl_tensor x = ffcl_images(all, d[FROM], d[B]);
    const ffcl_tensor table = ffcl_case_dense(c, TABLE, 1, 2, d[C]);
    ffcl_latent_affine(c->ctx, &out, &x, &table);
}

static ffcl_cost affine_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_latent_affine_cost(d[B] * d[C] * d[PIXELS]);
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
    {.name = "latent_update", .letters = "n terms coefficients",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = update_model,
     .awkward = update_awkward, .operands = update_operands, .fill = update_fill,
     .ref = update_ref, .run = update_run, .cost = update_cost, .used = update_used},
    /* Four products and three sums. */
    {.name = "latent_step", .letters = "n terms coefficients",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = step_model,
     .awkward = step_awkward, .operands = update_operands, .fill = update_fill,
     .ref = update_ref, .rtol = 2e-7f, .atol = 3e-7f, .run = update_run, .cost = update_cost},
    {.name = "latent_guide", .letters = "B C P guided",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = guide_model,
     .awkward = guide_awkward, .operands = guide_operands, .fill = guide_fill, .ref = guide_ref,
     .rtol = 2e-7f, .atol = 2e-7f, .run = guide_run, .cost = guide_cost},
    {.name = "latent_affine", .letters = "B C P from",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = affine_model,
     .awkward = affine_awkward, .operands = affine_operands, .fill = affine_fill,
     .ref = affine_ref, .rtol = 2e-7f, .atol = 1e-7f, .run = affine_run, .cost = affine_cost},
    LATENT_CONV("latent_conv", 0, FFCL_F32, 1e-5f),
    LATENT_CONV("latent_conv_point", WITH_POINT, FFCL_F32, 1e-5f),
    LATENT_CONV("latent_conv_point_half", WITH_POINT, FFCL_F16, 5e-4f),
    {.name = NULL},
};
