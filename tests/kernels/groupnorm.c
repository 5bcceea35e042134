/* SPDX-License-Identifier: MIT */
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, GAMMA, BETA };
enum { B, P, C, G };

static const double eps = 1e-6;

static const ffcl_shape model[] = {
    {{1, 1024, 512, 32}, 0},
    {{1, 4096, 256, 32}, 0},            /* a sixteenth of 256 x 256 */
    {{1, 16384, 128, 32}, 0},           /* a quarter */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 70, 12, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1000, 33, 11}, FFCL_SHAPE_FILLS},
    {{3, 17, 33, 3}, 0},
    {{1, 8325, 4, 2}, FFCL_SHAPE_FILLS},    /* 127 chunks of 66 pixels, the last shorter */
    {{1, 64, 4, 4}, 0},
    {{1, 65, 4, 1}, 0},
    {{2, 1, 96, 32}, 0},
    {{1, 1, 4, 4}, 0},
    {{0}, 0},
};

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[P] * d[C];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n},
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
                       d[C], d[G], eps, c->op->variant);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_groupnorm(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), ffcl_mem(c, GAMMA),
                          ffcl_mem(c, BETA), d[B], d[P], d[C], d[G], (float)eps, c->op->variant,
                          FFCL_STORE_FLOAT);
}

/* Sum 1, squares 3, result 3 (subtract, multiply, add), SiLU 3. */
static double flops(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return (c->op->variant ? 10.0 : 7.0) * (double)d[B] * (double)d[P] * (double)d[C];
}

static double bytes(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return 8.0 * (double)d[C] * ((double)d[B] * (double)d[P] + 1.0);
}

/* As for layer norm; the mean is combined from up to 128 chunks. */
const ffcl_op_test ffcl_test_groupnorm = {
    .name = "groupnorm", .letters = "B P C G", .variant = 0,
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, .model = model,
    .awkward = awkward, .setup = setup, .ref = ref, .run = run, .rtol = 1e-5f, .atol = 3e-6f,
    .flops = flops, .bytes = bytes,
};
const ffcl_op_test ffcl_test_groupnorm_silu = {
    .name = "groupnorm_silu", .letters = "B P C G", .variant = 1,
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, .model = model,
    .awkward = awkward, .setup = setup, .ref = ref, .run = run, .rtol = 1e-5f, .atol = 3e-6f,
    .flops = flops, .bytes = bytes,
};
