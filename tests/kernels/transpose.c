/* SPDX-License-Identifier: MIT */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN };
enum { ROWS, COLS, LD, AT };

static const ffcl_shape model[] = {
    {{1152, 1152, 1152, 0}, 0},
    {{1152, 16, 1152, 0}, 0},
    {{512, 512, 1536, 512}, 0},         /* one of q, k, v into a joint weight */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{35, 37, 40, 3}, FFCL_SHAPE_SMALL},
    {{1, 1, 1, 0}, 0},
    {{1, 100, 1, 0}, 0},
    {{100, 1, 107, 5}, 0},
    {{33, 64, 33, 0}, 0},
    {{7, 1000, 12, 1}, 0},
    {{0}, 0},
};

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    /* As long as AT and LD allow: what comes after the last row must stay, too. */
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = d[AT] + d[COLS] * d[LD], .at = d[AT],
                              .rows = d[COLS], .cols = d[ROWS], .ld = d[LD]},
                          {.role = FFCL_IN, .n = d[ROWS] * d[COLS]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "c r", d[COLS], d[ROWS], 0, 0);
    ffcl_case_fill(c, IN, d[ROWS]);
    return 0;
}

static void ref(ffcl_case *c)
{
    ffcl_ref_transpose(c->want, ffcl_f32(c, IN), c->shape.d[ROWS], c->shape.d[COLS],
                       c->shape.d[COLS]);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_transpose(c->ctx, ffcl_mem(c, OUT), d[AT], d[LD], ffcl_mem(c, IN), d[ROWS],
                          d[COLS]);
}

static const char *skip(const ffcl_case *c)
{
    return c->ctx->device.caps.max_work_group < 256 ? "needs work-groups of 256" : NULL;
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_transpose_cost(c->shape.d[ROWS] * c->shape.d[COLS], FFCL_STORE_FLOAT);
}

/* A copy: exact. */
const ffcl_op_test ffcl_test_transpose = {
    .name = "transpose", .letters = "rows cols ld at", .fills = FFCL_NOISE, .model = model,
    .awkward = awkward, .setup = setup, .ref = ref, .run = run, .skip = skip, .cost = cost,
};

/* ---- half columns of several matrices ----------------------------------------------------- */

enum { HALF_B, HALF_ROWS, HALF_COLS, HALF_LD, HALF_AT };

static const ffcl_shape half_model[] = {{{2, 1024, 512, 1536, 1024}, 0}, {{0}, 0}};
static const ffcl_shape half_awkward[] = {
    {{3, 35, 37, 40, 3}, FFCL_SHAPE_SMALL},
    {{1, 1, 1, 1, 0}, 0},
    {{2, 100, 1, 107, 106}, 0},
    {{5, 33, 64, 64, 0}, 0},
    {{2, 7, 1000, 1012, 11}, 0},
    {{0}, 0},
};

static int half_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[HALF_B] * d[HALF_ROWS] * d[HALF_COLS];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = FFCL_F16, .n = n},
                          {.role = FFCL_IN, .type = FFCL_F16,
                           .n = d[HALF_B] * d[HALF_ROWS] * d[HALF_LD]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b c r", d[HALF_B], d[HALF_COLS], d[HALF_ROWS], 0);
    ffcl_case_fill(c, IN, d[HALF_B] * d[HALF_ROWS]);
    return 0;
}

static void half_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    for (size_t b = 0; b < d[HALF_B]; b++)
        ffcl_ref_transpose(c->want + b * d[HALF_ROWS] * d[HALF_COLS],
                           ffcl_f32(c, IN) + b * d[HALF_ROWS] * d[HALF_LD] + d[HALF_AT],
                           d[HALF_ROWS], d[HALF_COLS], d[HALF_LD]);
}

static int half_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_transpose_half(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, IN), d[HALF_B], d[HALF_ROWS],
                               d[HALF_COLS], d[HALF_AT], d[HALF_LD]);
}

static ffcl_cost half_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_transpose_cost(d[HALF_B] * d[HALF_ROWS] * d[HALF_COLS], FFCL_STORE_HALF);
}

const ffcl_op_test ffcl_test_transpose_half = {
    .name = "transpose_half", .letters = "B rows cols ld at", .fills = FFCL_NOISE,
    .model = half_model, .awkward = half_awkward, .setup = half_setup, .ref = half_ref,
    .run = half_run, .skip = skip, .cost = half_cost,
};
