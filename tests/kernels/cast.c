/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "../ref/ref.h"
#include "half.h"
#include "ops/cost.h"
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

static void half_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = FFCL_F16, .n = d[AT] + d[N] + 3, .at = d[AT],
                      .rows = 1, .cols = d[N], .ld = d[N] + 3},
                  {.role = FFCL_IN, .n = d[N]});
    ffcl_case_axes(c, "e", d[N], 0, 0, 0);
}

static void half_fill(ffcl_case *c)
{
    ffcl_case_fill(c, X, 1);
    for (size_t e = 0; c->fill == FFCL_FILL_NOISE && e < c->shape.d[N]; e++)
        ffcl_f32(c, X)[e] = critical(c);
}

static void half_ref(ffcl_case *c)
{
    ffcl_ref_cast_to_half(c->want, ffcl_f32(c, X), c->shape.d[N]);
}

static void float_operands(ffcl_case *c)
{
    const size_t n = c->shape.d[N];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .dtype = FFCL_F16, .n = n});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

static void float_fill(ffcl_case *c)
{
    const size_t n = c->shape.d[N];
    ffcl_case_fill(c, X, 1);
    for (size_t e = 0; c->fill == FFCL_FILL_NOISE && e < n; e++) {
        uint16_t half = (uint16_t)(n == 65536 ? e : ffcl_case_below(c, 65536));
        float value = ffcl_half_value(half);
        ffcl_f32(c, X)[e] = isnan(value) ? 1.0f : value;
        c->operand[X].is_repeated = 0;
    }
}

static void float_ref(ffcl_case *c)
{
    for (size_t e = 0; e < c->shape.d[N]; e++)
        c->want[e] = (double)ffcl_f32(c, X)[e];
}

static void run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT), x = ffcl_case_matrix(c, X);
    ffcl_cast(c->ctx, &out, &x);
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_cast_cost(c->shape.d[N]);
}

/* ---- a weight's columns into tiles ---------------------------------------------------------- */

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
static void tiles_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, n = ffcl_tiled_count(tiles_first(c) + d[ROWS], d[COLS]);
    FFCL_OPERANDS(c, {.role = FFCL_INOUT, .dtype = FFCL_F16, .n = n},
                  {.role = FFCL_IN, .n = d[ROWS] * d[COLS]});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

static void tiles_fill(ffcl_case *c)
{
    ffcl_case_noise(c, WEIGHT, 0.0, 1.0);
    ffcl_case_fill(c, PART, c->shape.d[ROWS]);
}

static void tiles_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    for (size_t i = 0; i < c->operand[WEIGHT].n; i++)
        c->want[i] = (double)ffcl_f32(c, WEIGHT)[i];
    for (size_t n = 0; n < d[ROWS]; n++)
        for (size_t k = 0; k < d[COLS]; k++)
            ffcl_ref_cast_to_half(c->want + ffcl_tiled_at(tiles_first(c) + n, k, d[COLS]),
                                  ffcl_f32(c, PART) + n * d[COLS] + k, 1);
}

static void tiles_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_tensor w = ffcl_case_dense(c, WEIGHT, 1, d[COLS], tiles_first(c) + d[ROWS]);
    const ffcl_tensor x = ffcl_case_dense(c, PART, 1, d[ROWS], d[COLS]);
    w.layout = FFCL_TILES;
    ffcl_cast_to_tiles(c->ctx, &w, &x, tiles_first(c));
}

static ffcl_cost tiles_cost(const ffcl_case *c)
{
    return ffcl_cast_cost(c->shape.d[ROWS] * c->shape.d[COLS]);
}

/* Rounding to half is one correctly rounded operation, a half is a float exactly: no tolerance. */
#define CAST(row_name, names, kind, shapes, ragged, how, work)                                   \
    {                                                                                            \
        .name = row_name, .letters = names, .dtype = FFCL_F16,                                   \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,             \
        .model = shapes, .awkward = ragged, .operands = kind##_operands, .fill = kind##_fill,    \
        .ref = kind##_ref, .run = how, .cost = work,                                             \
    }

const ffcl_row ffcl_rows_of_cast[] = {
    CAST("cast_to_half", "n at", half, model, awkward, run, cost),
    CAST("cast_to_tiles", "first+1 rows K", tiles, tiles_model, tiles_awkward, tiles_run,
         tiles_cost),
    CAST("cast_to_float", "n at", float, model, float_awkward, run, cost),
    {.name = NULL},
};
