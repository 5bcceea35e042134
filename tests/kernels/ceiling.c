/* SPDX-License-Identifier: MIT
 * The kernels by which ffcl bench measures a device's ceilings. */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN };
enum { N, ROUNDS };

static const float times = 0.75f, plus = 0.25f;

static const ffcl_shape copy_model[] = {{{1 << 16, 0}, 0}, {{0}, 0}};
static const ffcl_shape copy_awkward[] = {
    {{4, 0}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{1020, 0}, FFCL_SHAPE_FILLS},
    {{1028, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape fma_model[] = {{{4096, 64}, 0}, {{0}, 0}};
static const ffcl_shape fma_awkward[] = {
    {{3, 1}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{255, 2}, FFCL_SHAPE_FILLS},
    {{257, 7}, FFCL_SHAPE_FILLS},
    {{1, 1000}, 0},
    {{0}, 0},
};

static int setup(ffcl_case *c)
{
    size_t n = c->shape.d[N];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "e", n, 0, 0, 0);
    ffcl_case_fill(c, IN, n);
    c->scale = 1.0 + ffcl_case_magnitude(c);
    return 0;
}

static void copy_ref(ffcl_case *c)
{
    for (size_t i = 0; i < c->shape.d[N]; i++)
        c->want[i] = (double)ffcl_f32(c, IN)[i];
}

static int copy_run(ffcl_case *c)
{
    return ffcl_ceiling_copy(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), c->shape.d[N]);
}

static ffcl_cost copy_cost(const ffcl_case *c)
{
    return ffcl_each_cost(c->shape.d[N], 0.0, 8.0);
}

/* A copy: exact. */
const ffcl_op_test ffcl_test_ceiling_copy = {
    .name = "ceiling_copy", .letters = "n", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
    .model = copy_model, .awkward = copy_awkward, .setup = setup, .ref = copy_ref,
    .run = copy_run, .cost = copy_cost,
};

static void fma_ref(ffcl_case *c)
{
    ffcl_ref_ceiling_fma(c->want, ffcl_f32(c, IN), (double)times, (double)plus,
                         c->shape.d[ROUNDS], c->shape.d[N]);
}

static int fma_run(ffcl_case *c)
{
    return ffcl_ceiling_fma(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), times, plus,
                            c->shape.d[ROUNDS], c->shape.d[N]);
}

static ffcl_cost fma_cost(const ffcl_case *c)
{
    return ffcl_ceiling_fma_cost(c->shape.d[ROUNDS], c->shape.d[N]);
}

/* A step shrinks what the ones before were off by to 3/4, and adds up to two roundings: at most
 * eight of them in each of 128 chains, relative to the magnitude of the data. */
const ffcl_op_test ffcl_test_ceiling_fma = {
    .name = "ceiling_fma", .letters = "n rounds", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
    .model = fma_model, .awkward = fma_awkward, .setup = setup, .ref = fma_ref, .run = fma_run,
    .rtol = 5e-7f, .atol = 128 * 2.4e-7f, .cost = fma_cost,
};
