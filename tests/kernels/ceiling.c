/* SPDX-License-Identifier: MIT
 * The kernels by which ffcl bench measures a device's ceilings. */
#include "../ref/ref.h"
#include "ops/cost.h"
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

static void operands(ffcl_case *c)
{
    const size_t n = c->shape.d[N];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = n});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

static void fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, c->shape.d[N]);
    c->scale = 1.0 + ffcl_case_magnitude(c);
}

static void copy_ref(ffcl_case *c)
{
    for (size_t i = 0; i < c->shape.d[N]; i++)
        c->want[i] = (double)ffcl_f32(c, IN)[i];
}

static void copy_run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT), x = ffcl_case_matrix(c, IN);
    ffcl_ceiling_copy(c->ctx, &out, &x);
}

static ffcl_cost copy_cost(const ffcl_case *c)
{
    return ffcl_each_cost(c->shape.d[N], 0.0, 8.0);
}

static void fma_ref(ffcl_case *c)
{
    ffcl_ref_ceiling_fma(c->want, ffcl_f32(c, IN), (double)times, (double)plus,
                         c->shape.d[ROUNDS], c->shape.d[N]);
}

static void fma_run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT), x = ffcl_case_matrix(c, IN);
    ffcl_ceiling_fma(c->ctx, &out, &x, times, plus, c->shape.d[ROUNDS]);
}

static ffcl_cost fma_cost(const ffcl_case *c)
{
    return ffcl_ceiling_fma_cost(c->shape.d[ROUNDS], c->shape.d[N]);
}

const ffcl_row ffcl_rows_of_ceiling[] = {
    /* A copy: exact. */
    {.name = "ceiling_copy", .letters = "n", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
     .model = copy_model, .awkward = copy_awkward, .operands = operands, .fill = fill,
     .ref = copy_ref, .run = copy_run, .cost = copy_cost},
    /* A step shrinks what the ones before were off by to 3/4, and adds up to two roundings: at most
     * eight of them in each of 128 chains, relative to the magnitude of the data. */
    {.name = "ceiling_fma", .letters = "n rounds", .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE,
     .model = fma_model, .awkward = fma_awkward, .operands = operands, .fill = fill,
     .ref = fma_ref, .rtol = 5e-7f, .atol = 128 * 2.4e-7f, .run = fma_run, .cost = fma_cost},
    {.name = NULL},
};
