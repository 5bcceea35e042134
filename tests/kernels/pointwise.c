/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, X };
enum { N };

static const ffcl_shape model[] = {
    {{256 * 256 * 64}, 0},                      /* an image of 256 in TAESD's last layers */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{7}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{1}, 0},
    {{257}, FFCL_SHAPE_FILLS},
    {{65536 + 3}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

/* As of latents that are divided by their scale. */
static const float factor = 1.75f;

static void operands(ffcl_case *c)
{
    const size_t n = c->shape.d[N];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = n},
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = n});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

static void fill(ffcl_case *c)
{
    ffcl_case_fill(c, X, 1);
}

/* Reference and call of a rule. */
#define RULE(name, rule)                                                                         \
    static void name##_ref(ffcl_case *c)                                                         \
    {                                                                                            \
        ffcl_ref_pointwise(c->want, ffcl_f32(c, X), c->shape.d[N], rule, factor);                \
    }                                                                                            \
    static void name##_run(ffcl_case *c)                                                         \
    {                                                                                            \
        const ffcl_tensor out = ffcl_case_matrix(c, OUT), x = ffcl_case_matrix(c, X);            \
        ffcl_pointwise(c->ctx, &out, &x, rule, factor);                                          \
    }
RULE(relu, FFCL_RULE_RELU)
RULE(tanh, FFCL_RULE_TANH)
RULE(colours, FFCL_RULE_COLOURS)

static ffcl_cost cost(const ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT);
    return ffcl_pointwise_cost(&out);
}

/* ReLU is exact; tanh has 5 units in the last place, and 2 x - 1 may lose what cancels. */
#define POINTWISE(row_name, rule, type, relative, absolute)                                      \
    {                                                                                            \
        .name = row_name, .letters = "n", .dtype = type,                                         \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,             \
        .model = model, .awkward = awkward, .operands = operands, .fill = fill,                  \
        .ref = rule##_ref, .run = rule##_run, .rtol = relative, .atol = absolute, .cost = cost,  \
    }

const ffcl_row ffcl_rows_of_pointwise[] = {
    POINTWISE("relu", relu, FFCL_F32, 0, 0),
    POINTWISE("relu_half", relu, FFCL_F16, 0, 0),
    POINTWISE("latent_tanh", tanh, FFCL_F32, 1e-6f, 1e-30f),
    POINTWISE("colours", colours, FFCL_F32, 1e-7f, 1e-7f),
    {.name = NULL},
};
