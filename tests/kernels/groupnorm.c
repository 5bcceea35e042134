/* SPDX-License-Identifier: MIT */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, GAMMA, BETA };
enum { B, P, C, G };

/* A row's variant. */
enum { WITH_SILU = 1, HALF = 2 };

static const double eps = 1e-6;

static const ffcl_shape model[] = {
    {{1, 1024, 512, 32}, 0},
    {{1, 4096, 256, 32}, 0},            /* a sixteenth of 256 x 256 */
    {{1, 16384, 128, 32}, 0},           /* a quarter */
    {{0}, 0},
};
/* Widths C that are a multiple of 8, up to 1024, run the kernels called wide. */
static const ffcl_shape awkward[] = {
    {{2, 70, 12, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1000, 33, 11}, FFCL_SHAPE_FILLS},
    {{3, 17, 33, 3}, 0},
    {{1, 8325, 4, 2}, FFCL_SHAPE_FILLS},    /* 127 chunks of 66 pixels, the last shorter */
    {{1, 64, 4, 4}, 0},
    {{1, 65, 4, 1}, 0},
    {{2, 1, 96, 32}, 0},
    {{1, 1, 4, 4}, 0},
    {{2, 70, 24, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1000, 40, 20}, FFCL_SHAPE_FILLS},
    {{1, 8325, 8, 2}, FFCL_SHAPE_FILLS},
    {{3, 17, 264, 33}, 0},
    {{2, 65, 1024, 32}, 0},             /* the widest, and one beyond */
    {{1, 65, 1032, 4}, 0},
    {{1, 64, 8, 8}, 0},
    {{1, 1, 8, 1}, 0},
    {{0}, 0},
};

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[P] * d[C];
    ffcl_type x = c->op->variant & HALF ? FFCL_F16 : FFCL_F32;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = x, .n = n},
                          {.role = FFCL_IN, .type = x, .n = n},
                          {.role = FFCL_IN, .n = d[C]}, {.role = FFCL_IN, .n = d[C]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b p c", d[B], d[P], d[C], 0);
    ffcl_case_fill(c, X, d[B]);
    ffcl_case_noise(c, GAMMA, 1.0, 0.5);
    ffcl_case_noise(c, BETA, 0.0, 0.5);
    c->scale = ffcl_case_norm_scale(c, d[P] * d[C] / d[G], eps);
    return 0;
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_groupnorm(c->want, ffcl_f32(c, X), ffcl_f32(c, GAMMA), ffcl_f32(c, BETA), d[B], d[P],
                       d[C], d[G], eps, c->op->variant & WITH_SILU);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_groupnorm(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), NULL, ffcl_mem(c, GAMMA),
                          ffcl_mem(c, BETA), d[B], d[P], d[C], d[G], (float)eps,
                          c->op->variant & WITH_SILU,
                          c->op->variant & HALF ? FFCL_STORE_HALF : FFCL_STORE_FLOAT);
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_groupnorm_cost(d[B] * d[P] * d[C], d[C], c->op->variant & WITH_SILU,
                               c->op->variant & HALF ? FFCL_STORE_HALF : FFCL_STORE_FLOAT);
}

/* As for layer norm; the mean is combined from up to 128 chunks. */
#define GROUPNORM(row_name, uses, relative)                                          \
    {                                                                                \
        .name = row_name, .letters = "B P C G", .variant = uses,                     \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, \
        .model = model, .awkward = awkward, .setup = setup, .ref = ref, .run = run,  \
        .rtol = relative, .atol = 3e-6f, .cost = cost,                               \
    }

const ffcl_op_test ffcl_test_groupnorm = GROUPNORM("groupnorm", 0, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_silu = GROUPNORM("groupnorm_silu", WITH_SILU, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_half = GROUPNORM("groupnorm_half", HALF, 5e-4f);
const ffcl_op_test ffcl_test_groupnorm_silu_half =
    GROUPNORM("groupnorm_silu_half", WITH_SILU | HALF, 5e-4f);
