/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, IN, LABELS, SUM };
enum { B, D, CLASSES, ROWS, FIRST };

static const ffcl_shape scalar_model[] = {{{8}, 0}, {{0}, 0}};
static const ffcl_shape scalar_awkward[] = {
    {{3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1}, 0},
    {{129}, 0},
    {{0}, 0},
};
static const ffcl_shape condition_model[] = {{{8, 1152, 1001, 1}, 0}, {{0}, 0}};
static const ffcl_shape condition_awkward[] = {
    {{3, 17, 5, 3, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 300, 5, 0}, FFCL_SHAPE_FILLS},
    {{1, 1, 1, 1}, 0},
    {{130, 33, 11, 1, 5}, FFCL_SHAPE_FILLS},
    {{130, 33, 11, 130}, 0},
    {{1, 256, 3, 1}, 0},
    {{0}, 0},
};

/* ---- embed_scalar: t in [0, 1] as the model has it; with large data, up to 1000. */

static void scalar_operands(ffcl_case *c)
{
    const size_t n = c->shape.d[B];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = n * 256}, {.role = FFCL_IN, .n = n});
    ffcl_case_axes(c, "b i", n, 256, 0, 0);
}

static void scalar_fill(ffcl_case *c)
{
    const double largest = c->fill == FFCL_FILL_LARGE ? 1000.0 : 1.0;
    for (size_t b = 0; b < c->shape.d[B]; b++)
        ffcl_f32(c, IN)[b] = c->fill == FFCL_FILL_ZEROS
                                 ? 0.0f
                                 : (float)(largest * (double)ffcl_case_below(c, 1001) / 1000.0);
    c->scale = largest;
}

static void scalar_ref(ffcl_case *c)
{
    ffcl_ref_embed_scalar(c->want, ffcl_f32(c, IN), c->shape.d[B]);
}

static void scalar_run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_dense(c, OUT, c->shape.d[B], 1, 256);
    const ffcl_tensor t = ffcl_case_dense(c, IN, c->shape.d[B], 1, 1);
    ffcl_embed_scalar(c->ctx, &out, &t);
}

static ffcl_cost scalar_cost(const ffcl_case *c)
{
    return ffcl_embed_scalar_cost(c->shape.d[B]);
}

static size_t scalar_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    (void)row;
    (void)of;
    to[0] = (ffcl_use){"sinusoidal embedding", {{1}, 0}};
    return 1;
}

/* ---- embed_condition; CLASSES counts the table's rows, the null class included; ROWS those of the
 * sum of the scalar embeddings, 0: there is none; FIRST those before it. */

static void condition_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = d[B] * d[D]},
                  {.role = FFCL_IN, .n = d[CLASSES] * d[D]},
                  {.role = FFCL_IN, .dtype = FFCL_I32, .n = d[B]},
                  {.role = FFCL_IN, .n = (d[FIRST] + d[ROWS]) * d[D] + 1});
    ffcl_case_axes(c, "b d", d[B], d[D], 0, 0);
}

static void condition_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, IN, d[CLASSES]);
    ffcl_case_noise(c, SUM, 0.0, 1.0);
    /* Downwards from the last row, so that it and the first are met. */
    for (size_t b = 0; b < d[B]; b++)
        ffcl_s32(c, LABELS)[b] = (int32_t)(b == 1 ? 0 : d[CLASSES] - 1 - b % d[CLASSES]);
}

static void condition_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_embed_condition(c->want, ffcl_f32(c, IN), ffcl_s32(c, LABELS),
                             ffcl_f32(c, SUM) + d[FIRST] * d[D], d[ROWS], d[B], d[D]);
}

static void condition_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[B], 1, d[D]);
    const ffcl_tensor table = ffcl_case_dense(c, IN, 1, d[CLASSES], d[D]);
    const ffcl_tensor y = ffcl_case_dense(c, LABELS, d[B], 1, 1);
    const ffcl_tensor sums = ffcl_case_dense(c, SUM, d[FIRST] + d[ROWS], 1, d[D]);
    const ffcl_tensor sum = ffcl_images(sums, d[FIRST], d[ROWS]);
    ffcl_embed_condition(c->ctx, &out, &table, &y, d[ROWS] ? &sum : NULL);
}

static ffcl_cost condition_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[B], 1, d[D]);
    const ffcl_tensor sum = ffcl_case_dense(c, SUM, d[ROWS], 1, d[D]);
    return ffcl_embed_condition_cost(&out, d[ROWS] ? &sum : NULL);
}

static size_t condition_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    (void)row;
    to[0] = (ffcl_use){"condition", {{of->B, FFCL_XL_WIDTH, FFCL_XL_CLASSES, 1}, 0}};
    return 1;
}

/* exp has 3 units in the last place, division 2.5; atol covers results that a device may flush to
 * zero, as half the small ones: half a unit of its last place is 3e-8 there. */
#define CONDITION(row_name, type, relative, absolute)                                         \
    {                                                                                         \
        .name = row_name, .letters = "B D classes rows first", .dtype = type,                 \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = condition_model,              \
        .awkward = condition_awkward, .operands = condition_operands, .fill = condition_fill, \
        .ref = condition_ref, .rtol = relative, .atol = absolute, .run = condition_run,       \
        .cost = condition_cost, .used = condition_used,                                       \
    }

const ffcl_row ffcl_rows_of_embed[] = {
    /* The angle t f carries the 3 units in the last place of exp and the rounding of its argument
     * (up to 9.2, hence 5e-7 more); an angle of 1000 makes that 1000 times as large. */
    {.name = "embed_scalar", .letters = "B", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
     .model = scalar_model, .awkward = scalar_awkward, .operands = scalar_operands,
     .fill = scalar_fill, .ref = scalar_ref, .atol = 2e-6f, .run = scalar_run,
     .cost = scalar_cost, .used = scalar_used},
    CONDITION("embed_condition", FFCL_F32, 1e-6f, 1e-30f),
    CONDITION("embed_condition_half", FFCL_F16, 5e-4f, 6e-8f),
    {.name = NULL},
};
