/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "backend.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN, WEIGHT, BIAS, POS };
enum { B, C, COUT, R, P, D };

/* A row's variant: with the position table; columns divided as for many compute units. */
enum { WITH_POS = 1, MANY = 2 };

static const ffcl_shape model[] = {
    {{2, 4, 4, 32, 2, 1152}, 0},
    {{1, 4, 8, 32, 2, 1152}, 0},
    {{2, 4, 4, 64, 4, 768}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 3, 5, 6, 3, 20}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 1, 1, 4}, FFCL_SHAPE_FILLS},
    {{3, 4, 4, 10, 2, 260}, 0},
    {{2, 12, 33, 35, 5, 132}, 0},
    {{1, 4, 8, 8, 8, 64}, 0},
    {{0}, 0},
};

static size_t side(const size_t *d)
{
    return d[R] / d[P];
}

static int embed_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t K = d[C] * d[P] * d[P], T = side(d) * side(d);
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = d[B] * T * d[D]},
                          {.role = FFCL_IN, .n = d[B] * d[C] * d[R] * d[R]},
                          {.role = FFCL_IN, .n = K * d[D]}, {.role = FFCL_IN, .n = d[D]},
                          {.role = FFCL_IN, .n = T * d[D]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b t d", d[B], T, d[D], 0);
    ffcl_case_fill(c, IN, d[B]);
    ffcl_case_noise(c, WEIGHT, 0.0, 1.0 / sqrt((double)K));
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, POS, 0.0, 1.0);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt((double)K);
    return 0;
}

static void embed_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_patch_embed(c->want, ffcl_f32(c, IN), ffcl_f32(c, WEIGHT), ffcl_f32(c, BIAS),
                         c->op->variant & WITH_POS ? ffcl_f32(c, POS) : NULL, d[B], d[C], d[R],
                         d[P], d[D]);
}

static int embed_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_patch_weights w = {ffcl_mem(c, WEIGHT), ffcl_mem(c, BIAS), ffcl_mem(c, POS)};
    return ffcl_patch_embed(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), &w,
                            c->op->variant & WITH_POS, d[B], d[C], d[R], d[P], d[D]);
}

static ffcl_cost embed_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_patch_embed_cost(d[B], d[C], d[R], d[P], d[D], c->op->variant & WITH_POS);
}

/* ---- the product that writes a latent */

static int unpatch_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t N = d[P] * d[P] * d[COUT];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = d[B] * d[C] * d[R] * d[R]},
                          {.role = FFCL_IN, .n = d[B] * side(d) * side(d) * d[D]},
                          {.role = FFCL_IN, .n = d[D] * N}, {.role = FFCL_IN, .n = N});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b c y x", d[B], d[C], d[R], d[R]);
    ffcl_case_fill(c, IN, d[B]);
    ffcl_case_noise(c, WEIGHT, 0.0, 1.0 / sqrt((double)d[D]));
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt((double)d[D]);
    return 0;
}

static void unpatch_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_unpatch(c->want, ffcl_f32(c, IN), ffcl_f32(c, WEIGHT), ffcl_f32(c, BIAS), d[B], d[C],
                     d[COUT], d[R], d[P], d[D]);
}

static ffcl_product unpatch_product(const ffcl_case *c, const ffcl_unpatch *unpatch)
{
    const size_t *d = c->shape.d;
    const size_t N = d[P] * d[P] * d[COUT];
    return (ffcl_product){.m = d[B] * side(d) * side(d), .n = N, .k = d[D], .a = ffcl_mem(c, IN),
                          .a_ld = d[D], .w = ffcl_mem(c, WEIGHT), .w_ld = N,
                          .out = ffcl_mem(c, OUT), .slim = 1, .unpatch = unpatch,
                          .epilogue = {.has_bias = 1, .bias = ffcl_mem(c, BIAS)}};
}

static int unpatch_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_unpatch unpatch = {d[C], d[COUT], d[R], d[P]};
    const ffcl_product p = unpatch_product(c, &unpatch);
    const ffcl_engine_use many = {c->ctx->matrix_engine, c->op->variant & MANY ? 132 : 0};
    const ffcl_engine_use before = ffcl_case_engine(c, many);
    int rc = ffcl_gemm(c->ctx, &p);
    ffcl_case_engine(c, before);
    return rc;
}

static ffcl_cost unpatch_cost(const ffcl_case *c)
{
    const ffcl_product p = unpatch_product(c, NULL);
    return ffcl_gemm_cost(&p);
}

/* Both are sums as gemm's. */
#define PATCHES(row_name, kind, uses)                                                      \
    {                                                                                      \
        .name = row_name, .letters = "B C Cout R p D", .variant = (uses),                  \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = model,     \
        .awkward = awkward, .setup = kind##_setup, .ref = kind##_ref, .run = kind##_run,   \
        .rtol = 1e-5f, .atol = 6e-7f, .cost = kind##_cost,                               \
    }

const ffcl_op_test ffcl_test_patch_embed = PATCHES("patch_embed", embed, 0);
const ffcl_op_test ffcl_test_patch_embed_pos = PATCHES("patch_embed_pos", embed, WITH_POS);
const ffcl_op_test ffcl_test_slim_unpatch = PATCHES("slim_unpatch", unpatch, 0);
const ffcl_op_test ffcl_test_slim_unpatch_many = PATCHES("slim_unpatch_many", unpatch, MANY);
