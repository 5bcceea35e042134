/* SPDX-License-Identifier: MIT
 * Nearest neighbours and reaches, from products in whole numbers: distances are exact then, and
 * with them every comparison. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

/* What a kernel writes beside the compared result is scratch memory. */
enum { OUT, DOT, AA, BB, REACH, BEFORE };
enum { M, N, ROW0, COL0 };

static const ffcl_shape model[] = {{{256, 4096, 0, 0}, 0}, {{0}, 0}};
static const ffcl_shape awkward[] = {
    {{3, 5, 0, 0}, FFCL_SHAPE_SMALL},
    {{1, 1, 0, 0}, 0},
    {{7, 3, 2, 9}, 0},
    {{5, 130, 3, 64}, 0},
    {{33, 1000, 0, 1}, 0},
    {{0}, 0},
};

static void whole(ffcl_case *c, size_t operand, size_t least, size_t most)
{
    for (size_t i = 0; i < c->operand[operand].n; i++)
        ffcl_f32(c, operand)[i] = (float)(least + ffcl_case_below(c, most - least + 1));
}

static void common_fill(ffcl_case *c)
{
    whole(c, DOT, 0, 5000);
    whole(c, AA, 4000, 9000);
    whole(c, BB, 4000, 9000);
}

/* ---- nearest: ROW0 rows before ours stay as they are, some distances are there already ------- */

static void nearest_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, rows = d[ROW0] + d[M];
    FFCL_OPERANDS(c, {.role = FFCL_INOUT, .n = rows * 4, .at = d[ROW0] * 4, .rows = 1,
                      .cols = d[M] * 4, .ld = d[M] * 4},
                  {.role = FFCL_IN, .n = d[M] * d[N]}, {.role = FFCL_IN, .n = d[M]},
                  {.role = FFCL_IN, .n = d[N]}, {.role = FFCL_IN, .n = 1},
                  {.role = FFCL_HOST, .n = d[M] * 4});
    ffcl_case_axes(c, "i k", d[M], 4, 0, 0);
}

static void nearest_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    float *out = ffcl_f32(c, OUT);
    common_fill(c);
    for (size_t i = 0; i < (d[ROW0] + d[M]) * 4; i++)
        out[i] = d[COL0] ? (float)(2000 + 300 * (i % 4)) : INFINITY;
    memcpy(ffcl_f32(c, BEFORE), out + d[ROW0] * 4, d[M] * 4 * sizeof *out);
}

static void nearest_ref(ffcl_case *c)
{
    ffcl_ref_nearest(c->want, ffcl_f32(c, BEFORE), ffcl_f32(c, DOT), ffcl_f32(c, AA),
                     ffcl_f32(c, BB), c->shape.d[M], c->shape.d[N]);
}

static void nearest_run(ffcl_case *c)
{
    const size_t *d = c->shape.d, rows = d[ROW0] + d[M];
    ffcl_tensor which = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_I32, 1, rows, 4));
    ffcl_nearest(c->ctx, &(ffcl_nearest_desc){
        .nearest = ffcl_case_dense(c, OUT, 1, rows, 4), .which = which,
        .dot = ffcl_case_dense(c, DOT, 1, d[M], d[N]), .aa = ffcl_case_dense(c, AA, 1, 1, d[M]),
        .bb = ffcl_case_dense(c, BB, 1, 1, d[N]), .row0 = d[ROW0], .col0 = d[COL0]});
    ffcl_give(c->ctx, &which);
}

/* ---- inside: flags of rows, or (a row's use) of columns ------------------------------------- */

enum { OF_ROWS, OF_COLUMNS };

static size_t flags_of(const ffcl_case *c, size_t *at)
{
    const size_t *d = c->shape.d;
    *at = c->row->uses == OF_ROWS ? d[ROW0] : d[COL0];
    return c->row->uses == OF_ROWS ? d[M] : d[N];
}

static void inside_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t at, n = flags_of(c, &at);
    FFCL_OPERANDS(c, {.role = FFCL_INOUT, .dtype = FFCL_I32, .n = at + n, .at = at, .rows = 1,
                      .cols = n, .ld = n},
                  {.role = FFCL_IN, .n = d[M] * d[N]}, {.role = FFCL_IN, .n = d[M]},
                  {.role = FFCL_IN, .n = d[N]},
                  {.role = FFCL_IN, .n = d[ROW0] + d[M] + d[COL0] + d[N]},
                  {.role = FFCL_HOST, .dtype = FFCL_I32, .n = n});
    ffcl_case_axes(c, "i", n, 0, 0, 0);
}

/* Reaches that some hundredth of all distances is within. */
static void inside_fill(ffcl_case *c)
{
    size_t at, n = flags_of(c, &at);
    common_fill(c);
    whole(c, REACH, 300, 2500);
    for (size_t i = 0; i < c->operand[OUT].n; i++)
        ffcl_s32(c, OUT)[i] = i % 7 == 3;
    memcpy(ffcl_s32(c, BEFORE), ffcl_s32(c, OUT) + at, n * sizeof(int32_t));
}

/* A column's flag is that of a row of the transposed problem. */
static void inside_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const float *dot = ffcl_f32(c, DOT), *reach = ffcl_f32(c, REACH);
    const float *of_row = reach + d[ROW0], *of_col = reach + d[ROW0] + d[M] + d[COL0];
    if (c->row->uses == OF_ROWS) {
        ffcl_ref_inside(c->want, ffcl_s32(c, BEFORE), of_col, dot, ffcl_f32(c, AA),
                        ffcl_f32(c, BB), d[M], d[N]);
        return;
    }
    for (size_t j = 0; j < d[N]; j++) {
        c->want[j] = ffcl_s32(c, BEFORE)[j];
        for (size_t i = 0; i < d[M]; i++) {
            double in = 0.0;
            const int32_t none = 0;
            ffcl_ref_inside(&in, &none, of_row + i, dot + i * d[N] + j, ffcl_f32(c, AA) + i,
                            ffcl_f32(c, BB) + j, 1, 1);
            c->want[j] = fmax(c->want[j], in);
        }
    }
}

static void inside_run(ffcl_case *c)
{
    const size_t *d = c->shape.d, rows = d[ROW0] + d[M], cols = d[COL0] + d[N];
    const int of_rows = c->row->uses == OF_ROWS;
    const size_t flags = of_rows ? rows : cols, others = of_rows ? cols : rows;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, 1, 1, flags);
    ffcl_tensor other = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_I32, 1, 1, others));
    const ffcl_tensor reach = ffcl_case_dense(c, REACH, 1, 1, rows + cols);
    /* Kernels take reaches from the beginning of a buffer: those of columns are copied. */
    ffcl_tensor of_col = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_F32, 1, 1, cols));
    const ffcl_tensor from = ffcl_cols(reach, rows, cols);
    ffcl_take_columns(c->ctx, &of_col, &from);
    ffcl_inside(c->ctx, &(ffcl_inside_desc){
        .in_row = of_rows ? out : other, .in_col = of_rows ? other : out, .of_row = reach,
        .of_col = of_col, .dot = ffcl_case_dense(c, DOT, 1, d[M], d[N]),
        .aa = ffcl_case_dense(c, AA, 1, 1, d[M]), .bb = ffcl_case_dense(c, BB, 1, 1, d[N]),
        .row0 = d[ROW0], .col0 = d[COL0]});
    ffcl_give(c->ctx, &of_col);
    ffcl_give(c->ctx, &other);
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_each_cost(c->shape.d[M] * c->shape.d[N], 4.0, 4.0);
}

/* ---- squared lengths ------------------------------------------------------------------------ */

static const ffcl_shape lengths_model[] = {{{256, 2048}, 0}, {{0}, 0}};
static const ffcl_shape lengths_awkward[] = {
    {{3, 5}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL}, {{1, 1}, 0}, {{7, 130}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

static void lengths_operands(ffcl_case *c)
{
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = c->shape.d[M]},
                  {.role = FFCL_IN, .n = c->shape.d[M] * c->shape.d[N]});
    ffcl_case_axes(c, "i", c->shape.d[M], 0, 0, 0);
}

static void lengths_fill(ffcl_case *c)
{
    ffcl_case_fill(c, DOT, c->shape.d[M]);
}

static void lengths_ref(ffcl_case *c)
{
    const size_t D = c->shape.d[N];
    for (size_t i = 0; i < c->shape.d[M]; i++) {
        c->want[i] = 0.0;
        for (size_t k = 0; k < D; k++)
            c->want[i] += (double)ffcl_f32(c, DOT)[i * D + k] * (double)ffcl_f32(c, DOT)[i * D + k];
    }
}

static void lengths_run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_dense(c, OUT, 1, 1, c->shape.d[M]);
    const ffcl_tensor x = ffcl_case_dense(c, DOT, 1, c->shape.d[M], c->shape.d[N]);
    ffcl_squared_lengths(c->ctx, &out, &x);
}

#define ROW(row_name, family, what)                                                             \
    {.name = row_name, .letters = "M N row0 col0", .uses = what, .fills = FFCL_NOISE,           \
     .model = model, .awkward = awkward, .operands = family##_operands, .fill = family##_fill, \
     .ref = family##_ref, .run = family##_run, .cost = cost}

/* Whole numbers: exact. */
const ffcl_row ffcl_rows_of_neighbours[] = {
    ROW("nearest", nearest, 0),
    ROW("inside_rows", inside, OF_ROWS),
    ROW("inside_columns", inside, OF_COLUMNS),
    {.name = "squared_lengths", .letters = "M D",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = lengths_model,
     .awkward = lengths_awkward, .operands = lengths_operands, .fill = lengths_fill,
     .ref = lengths_ref, .run = lengths_run, .cost = cost, .rtol = 2e-6f, .atol = 1e-7f},
    {.name = NULL},
};
