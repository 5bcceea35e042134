/* SPDX-License-Identifier: MIT
 * Pools, means over pixels, columns of a wider tensor, and the resize of bytes. */
#include <stdint.h>

#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, X };
/* GAP as in window.c. */
enum { B, HH, WW, C, GAP };

static const ffcl_shape pool_model[] = {
    {{1, 73, 73, 64, 0}, 0},
    {{1, 35, 35, 288, 96}, 0},
    {{0}, 0},
};
static const ffcl_shape pool_awkward[] = {
    {{2, 7, 5, 6, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 3, 3, 1, 8}, 0},
    {{2, 4, 9, 17, 8}, FFCL_SHAPE_FILLS},
    {{3, 8, 3, 5, 16}, 0},
    {{0}, 0},
};

static const ffcl_shape eights_awkward[] = {
    {{2, 7, 5, 8, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 3, 3, 24, 8}, 0},
    {{2, 4, 9, 40, 16}, FFCL_SHAPE_FILLS},
    {{3, 8, 3, 16, 0}, 0},
    {{0}, 0},
};

static int is_half(const ffcl_case *c)
{
    return c->row->dtype == FFCL_F16;
}

static void pool_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, H = ffcl_pool_extent((ffcl_pool)c->row->uses, d[HH]);
    const size_t W = ffcl_pool_extent((ffcl_pool)c->row->uses, d[WW]), ld = d[C] + 2 * d[GAP];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = d[B] * H * W * ld,
                      .at = d[GAP], .rows = d[B] * H * W, .cols = d[C], .ld = ld},
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = d[B] * d[HH] * d[WW] * d[C]});
    ffcl_case_axes(c, "b y x c", d[B], H, W, d[C]);
}

static void pool_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, X, d[B] * d[HH] * d[WW]);
    c->scale = 1.0 + ffcl_case_magnitude(c);
}

static void pool_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const int halves = c->row->uses == FFCL_POOL_MAX_HALVES;
    ffcl_ref_pool(c->want, ffcl_f32(c, X), d[B], d[HH], d[WW], d[C], c->extent[1], c->extent[2],
                  halves ? 2 : 1, !halves, c->row->uses == FFCL_POOL_MEAN);
}

static ffcl_tensor pool_out(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_cols(ffcl_case_image(c, OUT, d[B], c->extent[1], c->extent[2],
                                     d[C] + 2 * d[GAP]), d[GAP], d[C]);
}

static ffcl_tensor pool_x(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_case_image(c, X, d[B], d[HH], d[WW], d[C]);
}

static void pool_describe(const ffcl_case *c, ffcl_call *call)
{
    call->pool = (ffcl_pool_desc){pool_out(c), pool_x(c), (ffcl_pool)c->row->uses};
}

/* ---- means over pixels, and columns of a wider tensor --------------------------------------- */

/* BEFORE: images or rows before those of the case, as a part of a batch has them. */
enum { BEFORE = 4 };
static const ffcl_shape means_model[] = {{{2, 8, 8, 2048, 0}, 0}, {{0}, 0}};
static const ffcl_shape means_awkward[] = {
    {{2, 3, 5, 6, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 1, 0}, 0},
    {{1, 2, 2, 5, 3}, 0},
    {{3, 17, 17, 33, 2}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

/* n lines of `cols` after BEFORE others, which stay as they are. */
static ffcl_operand lines_after(const ffcl_case *c, size_t n, size_t cols)
{
    const size_t before = c->shape.d[BEFORE];
    return (ffcl_operand){.role = FFCL_OUT, .n = (before + n) * cols, .at = before * cols,
                          .rows = n, .cols = cols, .ld = cols};
}

static void means_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, lines_after(c, d[B], d[C]),
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = d[B] * d[HH] * d[WW] * d[C]});
    ffcl_case_axes(c, "b c", d[B], d[C], 0, 0);
}

static void means_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_mean_pixels(c->want, ffcl_f32(c, X), d[B], d[HH] * d[WW], d[C]);
}

static void means_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_images(ffcl_case_dense(c, OUT, d[BEFORE] + d[B], 1, d[C]),
                                        d[BEFORE], d[B]);
    const ffcl_tensor x = pool_x(c);
    ffcl_mean_pixels(c->ctx, &out, &x);
}

static ffcl_cost x_cost(const ffcl_case *c)
{
    const ffcl_tensor x = pool_x(c);
    return ffcl_each_cost(ffcl_count(&x), 1.0, ffcl_each_bytes(&x));
}

/* ROWS rows of COLS, of which N from column FROM on are taken. */
enum { ROWS, COLS, FROM, N };
static const ffcl_shape take_model[] = {{{289, 768, 0, 7, 0}, 0}, {{0}, 0}};
static const ffcl_shape take_awkward[] = {
    {{3, 11, 4, 3, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 0, 1, 0}, 0},
    {{50, 33, 1, 32, 7}, 0},
    {{0}, 0},
};

static void take_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, lines_after(c, d[ROWS], d[N]),
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = d[ROWS] * d[COLS]});
    ffcl_case_axes(c, "m c", d[ROWS], d[N], 0, 0);
}

static void take_fill(ffcl_case *c)
{
    ffcl_case_fill(c, X, c->shape.d[ROWS]);
}

static void take_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    for (size_t i = 0; i < d[ROWS] * d[N]; i++)
        c->want[i] = (double)ffcl_f32(c, X)[i / d[N] * d[COLS] + d[FROM] + i % d[N]];
}

static void take_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_rows(ffcl_case_dense(c, OUT, 1, d[BEFORE] + d[ROWS], d[N]),
                                      d[BEFORE], d[ROWS]);
    const ffcl_tensor x = ffcl_cols(ffcl_case_dense(c, X, 1, d[ROWS], d[COLS]), d[FROM], d[N]);
    ffcl_take_columns(c->ctx, &out, &x);
}

static ffcl_cost take_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_each_cost(d[ROWS] * d[N], 0.0, is_half(c) ? 6.0 : 8.0);
}

/* ---- bytes to R x R; a row's uses: the rule ------------------------------------------------- */

enum { SIDE = 3 };
static const ffcl_shape resize_model[] = {{{1, 256, 256, 299, 0}, 0}, {{0}, 0}};
static const ffcl_shape resize_awkward[] = {
    {{2, 7, 5, 13, 0}, FFCL_SHAPE_SMALL},
    {{1, 64, 64, 299, 0}, 0},
    {{1, 300, 401, 299, 0}, 0},
    {{2, 299, 299, 299, 0}, 0},
    {{1, 1, 1, 9, 0}, 0},
    {{2, 7, 5, 13, 3}, 0},
    {{0}, 0},
};

static void resize_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype,
                      .n = d[B] * d[SIDE] * d[SIDE] * 3},
                  {.role = FFCL_IN, .dtype = FFCL_U8, .n = (d[BEFORE] + d[B]) * d[HH] * d[WW] * 3});
    ffcl_case_axes(c, "b y x c", d[B], d[SIDE], d[SIDE], 3);
}

static void resize_fill(ffcl_case *c)
{
    uint8_t *bytes = c->operand[X].host;
    for (size_t i = 0; i < c->operand[X].n; i++)
        bytes[i] = (uint8_t)ffcl_case_below(c, 256);
}

static void resize_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const uint8_t *bytes = c->operand[X].host;
    ffcl_ref_resize(c->want, bytes + d[BEFORE] * d[HH] * d[WW] * 3, d[B], d[HH], d[WW], d[SIDE],
                    c->row->uses);
}

static void resize_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_image(c, OUT, d[B], d[SIDE], d[SIDE], 3);
    const ffcl_tensor x = ffcl_images(ffcl_case_image(c, X, d[BEFORE] + d[B], d[HH], d[WW], 3),
                                      d[BEFORE], d[B]);
    ffcl_resize_bytes(c->ctx, &out, &x, c->row->uses);
}

static ffcl_cost resize_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_image(c, OUT, d[B], d[SIDE], d[SIDE], 3);
    const ffcl_tensor x = ffcl_case_image(c, X, d[B], d[HH], d[WW], 3);
    return ffcl_resize_cost(&out, &x);
}

#define ROW(row_name, family, names, what, kinds, type, relative, absolute, data)          \
    {.name = row_name, .letters = names, .dtype = type, .uses = what, .fills = kinds,      \
     .model = family##_model, .awkward = family##_awkward, .operands = family##_operands,  \
     .fill = data, .ref = family##_ref, .run = family##_run,                               \
     .cost = family##_cost, .rtol = relative, .atol = absolute}
#define means_cost x_cost
#define ALL (FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT)
#define RESIZE(row_name, rule, type, relative)                                             \
    ROW(row_name, resize, "B Hh Ww R before", rule, FFCL_NOISE, type, relative, 4e-7f, resize_fill)
#define POOL(row_name, what, type, by, shapes, relative, absolute)                                 \
    {.name = row_name, .letters = "B Hh Ww C gap", .dtype = type, .uses = what, .fills = ALL, \
     .model = pool_model, .awkward = shapes, .operands = pool_operands,                    \
     .fill = pool_fill, .ref = pool_ref, .describe = pool_describe, .op = FFCL_OP_POOL,    \
     .variant = by, .rtol = relative, .atol = absolute}
#define POOLS(name, type, mean_relative, mean_absolute, by, shapes)                        \
    POOL(name "_max_halves", FFCL_POOL_MAX_HALVES, type, by, shapes, 0, 0),                \
    POOL(name "_max", FFCL_POOL_MAX, type, by, shapes, 0, 0),                              \
    POOL(name "_mean", FFCL_POOL_MEAN, type, by, shapes, mean_relative, mean_absolute)

/* A maximum is exact; a mean of halves is rounded once. */
const ffcl_row ffcl_rows_of_pool[] = {
    POOLS("pool", FFCL_F32, 1e-6f, 3e-7f, "element", pool_awkward),
    POOLS("pool_eights", FFCL_F32, 1e-6f, 3e-7f, "eights", eights_awkward),
    POOLS("pool_row", FFCL_F32, 1e-6f, 3e-7f, "row", pool_awkward),
    ROW("mean_pixels", means, "B Hh Ww C before", 0, ALL, FFCL_F32, 2e-6f, 4e-7f, pool_fill),
    ROW("take_columns", take, "rows cols from n before", 0, ALL, FFCL_F32, 0, 0, take_fill),
    RESIZE("resize_tensorflow", 0, FFCL_F32, 0),
    RESIZE("resize_torch", 1, FFCL_F32, 0),
    POOLS("pool_half", FFCL_F16, 5e-4f, 4e-7f, "element", pool_awkward),
    POOLS("pool_eights_half", FFCL_F16, 5e-4f, 4e-7f, "eights", eights_awkward),
    POOLS("pool_row_half", FFCL_F16, 5e-4f, 4e-7f, "row", pool_awkward),
    ROW("mean_pixels_half", means, "B Hh Ww C before", 0, ALL, FFCL_F16, 2e-6f, 4e-7f, pool_fill),
    ROW("take_columns_half", take, "rows cols from n before", 0, ALL, FFCL_F16, 0, 0, take_fill),
    RESIZE("resize_half", 0, FFCL_F16, 5e-4f),
    {.name = NULL},
};
