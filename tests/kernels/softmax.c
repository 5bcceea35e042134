/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN };
enum { ROWS, N };

static const double scale = 0.25;

static const ffcl_shape model[] = {
    {{64, 1024}, 0},            /* scores of the VAE at 256 x 256, */
    {{16, 4096}, 0},            /* and at 512 x 512 */
    {{0}, 0},
};
static const ffcl_shape row_awkward[] = {
    {{3, 4}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{5, 67}, FFCL_SHAPE_FILLS},
    {{1, 1}, 0},
    {{19, 17}, FFCL_SHAPE_FILLS},
    {{2, 4100}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{3, 4}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{5, 68}, FFCL_SHAPE_FILLS},
    {{7, 256}, 0},
    {{2, 260}, FFCL_SHAPE_FILLS},
    {{3, 4100}, FFCL_SHAPE_FILLS},      /* one beyond what 64 items keep */
    {{2, 16384}, 0},
    {{0}, 0},
};

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = FFCL_F16, .n = d[ROWS] * d[N]},
                          {.role = FFCL_IN, .n = d[ROWS] * d[N]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "r n", d[ROWS], d[N], 0, 0);
    ffcl_case_fill(c, IN, d[ROWS]);
    return 0;
}

static void ref(ffcl_case *c)
{
    ffcl_ref_softmax(c->want, ffcl_f32(c, IN), scale, c->shape.d[ROWS], c->shape.d[N]);
}

static int run(ffcl_case *c)
{
    return ffcl_softmax(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), scale, c->shape.d[ROWS],
                        c->shape.d[N]);
}

/* In place: the rows are filled in where the result comes. */
static int setup_in_place(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int rc = FFCL_TENSORS(c, {.role = FFCL_INOUT, .n = d[ROWS] * d[N]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "r n", d[ROWS], d[N], 0, 0);
    ffcl_case_fill(c, OUT, d[ROWS]);
    return 0;
}

static void ref_in_place(ffcl_case *c)
{
    ffcl_ref_softmax(c->want, ffcl_f32(c, OUT), scale, c->shape.d[ROWS], c->shape.d[N]);
}

static int run_in_place(ffcl_case *c)
{
    return ffcl_softmax_in_place(c->ctx, ffcl_mem(c, OUT), scale, c->shape.d[ROWS],
                                 c->shape.d[N]);
}

static ffcl_cost cost_in_place(const ffcl_case *c)
{
    return ffcl_softmax_in_place_cost(c->shape.d[ROWS], c->shape.d[N]);
}

static const char *skip(const ffcl_case *c)
{
    return ffcl_softmax_fits(c->ctx, c->shape.d[N]) ? NULL : "needs larger work-groups";
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_softmax_cost(c->shape.d[ROWS], c->shape.d[N]);
}

/* A score's rounding, 2^-24 of up to 0.25 * 4000 with large data, is the weight's relative error;
 * the half result adds 2^-11 of itself, or 2^-25 where it is below the normal halves. */
const ffcl_op_test ffcl_test_softmax = {
    .name = "softmax", .letters = "rows n",
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, .model = model,
    .awkward = awkward, .setup = setup, .ref = ref, .run = run, .skip = skip, .rtol = 6e-4f,
    .atol = 3e-8f, .cost = cost,
};

/* As above without the half; the sum of up to thousands of weights rounds, too. */
const ffcl_op_test ffcl_test_softmax_in_place = {
    .name = "softmax_in_place", .letters = "rows n",
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, .model = model,
    .awkward = row_awkward, .setup = setup_in_place, .ref = ref_in_place, .run = run_in_place,
    .rtol = 1e-4f, .atol = 3e-8f, .cost = cost_in_place,
};
