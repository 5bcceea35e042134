/* SPDX-License-Identifier: MIT */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN };
enum { B, C, COUT, R, P };

static const ffcl_shape model[] = {
    {{4, 4, 4, 32, 2}, 0},
    {{2, 4, 8, 32, 2}, 0},
    {{2, 4, 4, 64, 4}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 3, 5, 6, 3}, FFCL_SHAPE_SMALL},
    {{1, 1, 1, 1, 1}, 0},
    {{3, 4, 4, 10, 2}, 0},
    {{2, 12, 33, 35, 5}, 0},
    {{1, 4, 8, 8, 8}, 0},
    {{0}, 0},
};

static int patchify_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[C] * d[R] * d[R], G = d[R] / d[P];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b t cij", d[B], G * G, d[C] * d[P] * d[P], 0);
    ffcl_case_fill(c, IN, d[B]);
    return 0;
}

static void patchify_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_patchify(c->want, ffcl_f32(c, IN), d[B], d[C], d[R], d[P]);
}

static int patchify_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_patchify(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), d[B], d[C], d[R], d[P]);
}

static int unpatchify_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t pixels = d[B] * d[R] * d[R];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = pixels * d[C]},
                          {.role = FFCL_IN, .n = pixels * d[COUT]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b c y x", d[B], d[C], d[R], d[R]);
    ffcl_case_fill(c, IN, d[B]);
    return 0;
}

static void unpatchify_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_unpatchify(c->want, ffcl_f32(c, IN), d[B], d[C], d[COUT], d[R], d[P]);
}

static int unpatchify_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_unpatchify(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), d[B], d[C], d[COUT], d[R],
                           d[P]);
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_patchify_cost(c->shape.d[B], c->shape.d[C], c->shape.d[R]);
}

/* Copies: exact. */
const ffcl_op_test ffcl_test_patchify = {
    .name = "patchify", .letters = "B C Cout R p", .fills = FFCL_NOISE, .model = model,
    .awkward = awkward, .setup = patchify_setup, .ref = patchify_ref, .run = patchify_run,
    .cost = cost,
};
const ffcl_op_test ffcl_test_unpatchify = {
    .name = "unpatchify", .letters = "B C Cout R p", .fills = FFCL_NOISE, .model = model,
    .awkward = awkward, .setup = unpatchify_setup, .ref = unpatchify_ref, .run = unpatchify_run,
    .cost = cost,
};
