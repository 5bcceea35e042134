/* SPDX-License-Identifier: MIT */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN, F };
enum { NEGATIVE = 1 };              /* latent_update: sign -1 */
enum { B, C, P, FIRST };            /* latent_to_pixels */

static const float factor = 1.0f / 0.18215f;

static const ffcl_shape update_model[] = {{{4 * 4096, 0}, 0}, {{0}, 0}};
static const ffcl_shape update_awkward[] = {
    {{300, 1}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 0}, 0},
    {{4097, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape pixels_model[] = {{{4, 4, 1024, 0}, 0}, {{2, 4, 1024, 2}, 0}, {{0}, 0}};
static const ffcl_shape pixels_awkward[] = {
    {{2, 3, 17, 1}, FFCL_SHAPE_SMALL},
    {{1, 1, 1, 0}, 0},
    {{3, 12, 25, 5}, 0},
    {{1, 33, 1000, 1}, 0},
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
    return ffcl_latent_update(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), ffcl_mem(c, F),
                              c->shape.d[NEGATIVE] ? -1.0f : 1.0f, c->shape.d[0]);
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

static int pixels_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = d[B] * d[C] * d[P]},
                          {.role = FFCL_IN, .n = (d[FIRST] + d[B]) * d[C] * d[P]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b p c", d[B], d[P], d[C], 0);
    ffcl_case_fill(c, IN, d[B] + d[FIRST]);
    return 0;
}

static void pixels_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_latent_to_pixels(c->want, ffcl_f32(c, IN), d[FIRST], factor, d[B], d[C], d[P]);
}

static int pixels_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_latent_to_pixels(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), d[FIRST], factor, d[B],
                                 d[C], d[P]);
}

static ffcl_cost pixels_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_latent_to_pixels_cost(d[B] * d[C] * d[P]);
}

/* One correctly rounded product: exact. */
const ffcl_op_test ffcl_test_latent_to_pixels = {
    .name = "latent_to_pixels", .letters = "B C P first", .fills = FFCL_NOISE,
    .model = pixels_model, .awkward = pixels_awkward, .setup = pixels_setup, .ref = pixels_ref,
    .run = pixels_run, .cost = pixels_cost,
};
