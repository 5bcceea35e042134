/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <string.h>

#include "gemm.h"
#include "half.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X };
enum { N, AT };

static const ffcl_shape model[] = {
    {{1152 * 64, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{7, 3}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{1, 0}, 0},
    {{257, 64}, FFCL_SHAPE_FILLS},
    {{1000, 1001}, 0},
    {{65536 * 4, 5}, 0},
    {{0}, 0},
};
static const ffcl_shape float_awkward[] = {
    {{7, 0}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{1, 0}, 0},
    {{257, 0}, FFCL_SHAPE_FILLS},
    {{65536, 0}, 0},                    /* every half but NaN */
    {{0}, 0},
};

/* Where rounding is decided: a tie between two halves, normal, subnormal or infinite, or a float
 * next to one; else a float of any size, as large as will overflow and as small as will vanish. */
static float critical(ffcl_case *c)
{
    size_t kind = ffcl_case_below(c, 4);
    uint16_t half = (uint16_t)ffcl_case_below(c, 0x7c00);
    float low = ffcl_half_value(half);
    float high = half == 0x7bff ? 65536.0f : ffcl_half_value((uint16_t)(half + 1));
    float tie = 0.5f * (low + high), sign = ffcl_case_below(c, 2) ? 1.0f : -1.0f;
    if (kind == 0)
        return sign * tie;
    if (kind < 3)
        return sign * nextafterf(tie, kind == 1 ? 0.0f : INFINITY);
    return (float)ldexp(ffcl_case_normal(c), (int)ffcl_case_below(c, 60) - 36);
}

static int setup_half(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = FFCL_F16, .n = d[AT] + d[N] + 3,
                              .at = d[AT], .rows = 1, .cols = d[N], .ld = d[N] + 3},
                          {.role = FFCL_IN, .n = d[N]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "e", d[N], 0, 0, 0);
    ffcl_case_fill(c, X, 1);
    for (size_t e = 0; c->fill == FFCL_FILL_NOISE && e < d[N]; e++)
        ffcl_f32(c, X)[e] = critical(c);
    return 0;
}

static int setup_float(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = d[N]},
                          {.role = FFCL_IN, .type = FFCL_F16, .n = d[N]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "e", d[N], 0, 0, 0);
    ffcl_case_fill(c, X, 1);
    for (size_t e = 0; c->fill == FFCL_FILL_NOISE && e < d[N]; e++) {
        uint16_t half = (uint16_t)(d[N] == 65536 ? e : ffcl_case_below(c, 65536));
        float value = ffcl_half_value(half);
        ffcl_f32(c, X)[e] = isnan(value) ? 1.0f : value;
        c->tensor[X].is_repeated = 0;
    }
    return 0;
}

static void ref_half(ffcl_case *c)
{
    ffcl_ref_cast_to_half(c->want, ffcl_f32(c, X), c->shape.d[N]);
}

static void ref_float(ffcl_case *c)
{
    for (size_t e = 0; e < c->shape.d[N]; e++)
        c->want[e] = (double)ffcl_f32(c, X)[e];
}

static int run_half(ffcl_case *c)
{
    return ffcl_cast_to_half(c->ctx, ffcl_mem(c, OUT), c->shape.d[AT], ffcl_mem(c, X),
                             c->shape.d[N]);
}

static int run_float(ffcl_case *c)
{
    return ffcl_cast_to_float(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), c->shape.d[N]);
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_cast_cost(c->shape.d[N]);
}

/* Rounding to half is one correctly rounded operation, a half is a float exactly: no tolerance. */
const ffcl_op_test ffcl_test_cast_to_half = {
    .name = "cast_to_half", .letters = "n at",
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, .model = model,
    .awkward = awkward, .setup = setup_half, .ref = ref_half, .run = run_half, .cost = cost,
};
const ffcl_op_test ffcl_test_cast_to_float = {
    .name = "cast_to_float", .letters = "n at",
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, .model = model,
    .awkward = float_awkward, .setup = setup_float, .ref = ref_float, .run = run_float,
    .cost = cost,
};

/* ---- a weight's columns into tiles -------------------------------------------------------- */

enum { FIRST, ROWS, COLS };
enum { WEIGHT, PART };

static const ffcl_shape tiles_model[] = {{{1152, 1152, 1152}, 0}, {{0}, 0}};
/* FIRST is counted from 1 here, as a list of shapes ends with 0. */
static const ffcl_shape tiles_awkward[] = {
    {{1, 3, 5}, FFCL_SHAPE_SMALL},
    {{1, 128, 32}, FFCL_SHAPE_FILLS},
    {{6, 130, 33}, 0},
    {{128, 2, 100}, FFCL_SHAPE_FILLS},
    {{300, 1, 8}, 0},
    {{0}, 0},
};

static size_t tiles_first(const ffcl_case *c)
{
    return c->shape.d[FIRST] - 1;
}

/* What no column fills must stay: it is compared with what was there, too. */
static int setup_tiles(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = ffcl_tiled_halves(tiles_first(c) + d[ROWS], d[COLS]);
    int rc = FFCL_TENSORS(c, {.role = FFCL_INOUT, .type = FFCL_F16, .n = n},
                          {.role = FFCL_IN, .n = d[ROWS] * d[COLS]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "e", n, 0, 0, 0);
    ffcl_case_noise(c, WEIGHT, 0.0, 1.0);
    ffcl_case_fill(c, PART, d[ROWS]);
    return 0;
}

static void ref_tiles(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    for (size_t i = 0; i < c->tensor[WEIGHT].n; i++)
        c->want[i] = (double)ffcl_f32(c, WEIGHT)[i];
    for (size_t n = 0; n < d[ROWS]; n++)
        for (size_t k = 0; k < d[COLS]; k++)
            ffcl_ref_cast_to_half(c->want + ffcl_tiled_at(tiles_first(c) + n, k, d[COLS]),
                                  ffcl_f32(c, PART) + n * d[COLS] + k, 1);
}

static int run_tiles(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_cast_to_tiles(c->ctx, ffcl_mem(c, WEIGHT), ffcl_mem(c, PART), tiles_first(c),
                              d[ROWS], d[COLS]);
}

static ffcl_cost tiles_cost(const ffcl_case *c)
{
    return ffcl_cast_cost(c->shape.d[ROWS] * c->shape.d[COLS]);
}

const ffcl_op_test ffcl_test_cast_to_tiles = {
    .name = "cast_to_tiles", .letters = "first+1 rows K",
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,
    .model = tiles_model, .awkward = tiles_awkward, .setup = setup_tiles, .ref = ref_tiles,
    .run = run_tiles, .cost = tiles_cost,
};
