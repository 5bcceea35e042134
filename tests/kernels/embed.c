/* SPDX-License-Identifier: MIT */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN, LABELS, SUM };
enum { B, D, CLASSES, ROWS };

static const ffcl_shape scalar_model[] = {{{8}, 0}, {{0}, 0}};
static const ffcl_shape scalar_awkward[] = {
    {{3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1}, 0},
    {{129}, 0},
    {{0}, 0},
};
static const ffcl_shape condition_model[] = {{{8, 1152, 1001, 1}, 0}, {{0}, 0}};
static const ffcl_shape condition_awkward[] = {
    {{3, 17, 5, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 300, 5, 0}, FFCL_SHAPE_FILLS},
    {{1, 1, 1, 1}, 0},
    {{130, 33, 11, 1}, FFCL_SHAPE_FILLS},
    {{130, 33, 11, 130}, 0},
    {{1, 256, 3, 1}, 0},
    {{0}, 0},
};

/* ---- embed_scalar: t in [0, 1] as the model has it; with large data, up to 1000. */

static int scalar_setup(ffcl_case *c)
{
    size_t n = c->shape.d[B];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = n * 256}, {.role = FFCL_IN, .n = n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b i", n, 256, 0, 0);
    double largest = c->fill == FFCL_FILL_LARGE ? 1000.0 : 1.0;
    for (size_t b = 0; b < n; b++)
        ffcl_f32(c, IN)[b] = c->fill == FFCL_FILL_ZEROS
                                 ? 0.0f
                                 : (float)(largest * (double)ffcl_case_below(c, 1001) / 1000.0);
    c->scale = largest;
    return 0;
}

static void scalar_ref(ffcl_case *c)
{
    ffcl_ref_embed_scalar(c->want, ffcl_f32(c, IN), c->shape.d[B]);
}

static int scalar_run(ffcl_case *c)
{
    return ffcl_embed_scalar(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), c->shape.d[B]);
}

static ffcl_cost scalar_cost(const ffcl_case *c)
{
    return ffcl_embed_scalar_cost(c->shape.d[B]);
}

/* The angle t f carries the 3 units in the last place of exp and the rounding of its argument (up
 * to 9.2, hence 5e-7 more); an angle of 1000 makes that 1000 times as large. */
const ffcl_op_test ffcl_test_embed_scalar = {
    .name = "embed_scalar", .letters = "B", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
    .model = scalar_model, .awkward = scalar_awkward, .setup = scalar_setup, .ref = scalar_ref,
    .run = scalar_run, .rtol = 0.0f, .atol = 2e-6f, .cost = scalar_cost,
};

/* ---- embed_condition; CLASSES counts the table's rows, the null class included; ROWS those of the
 * sum of the scalar embeddings. */

static int condition_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_type out = c->op->variant == FFCL_STORE_HALF ? FFCL_F16 : FFCL_F32;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = out, .n = d[B] * d[D]},
                          {.role = FFCL_IN, .n = d[CLASSES] * d[D]},
                          {.role = FFCL_IN, .type = FFCL_S32, .n = d[B]},
                          {.role = FFCL_IN, .n = d[ROWS] * d[D] + 1});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b d", d[B], d[D], 0, 0);
    ffcl_case_fill(c, IN, d[CLASSES]);
    ffcl_case_noise(c, SUM, 0.0, 1.0);
    /* Downwards from the last row, so that it and the first are met. */
    for (size_t b = 0; b < d[B]; b++)
        ffcl_s32(c, LABELS)[b] = (int32_t)(b == 1 ? 0 : d[CLASSES] - 1 - b % d[CLASSES]);
    return 0;
}

static void condition_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_embed_condition(c->want, ffcl_f32(c, IN), ffcl_s32(c, LABELS), ffcl_f32(c, SUM),
                             d[ROWS], d[B], d[D]);
}

static int condition_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_embed_condition(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), ffcl_mem(c, LABELS),
                                ffcl_mem(c, SUM), d[ROWS], d[B], d[D],
                                (ffcl_store)c->op->variant);
}

static ffcl_cost condition_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_embed_condition_cost(d[B], d[D], d[ROWS], (ffcl_store)c->op->variant);
}

/* exp has 3 units in the last place, division 2.5; atol covers results that a device may flush to
 * zero, as half the small ones: half a unit of its last place is 3e-8 there. */
#define CONDITION(row_name, store, relative, absolute)                                          \
    {                                                                                           \
        .name = row_name, .letters = "B D classes rows", .variant = store,                      \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = condition_model,                \
        .awkward = condition_awkward, .setup = condition_setup, .ref = condition_ref,           \
        .run = condition_run, .rtol = relative, .atol = absolute, .cost = condition_cost,       \
    }

const ffcl_op_test ffcl_test_embed_condition =
    CONDITION("embed_condition", FFCL_STORE_FLOAT, 1e-6f, 1e-30f);
const ffcl_op_test ffcl_test_embed_condition_half =
    CONDITION("embed_condition_half", FFCL_STORE_HALF, 5e-4f, 6e-8f);
