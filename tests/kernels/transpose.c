/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "ops/cost.h"
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

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    /* As long as AT and LD allow: what comes after the last row must stay, too. */
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[AT] + d[COLS] * d[LD], .at = d[AT],
                      .rows = d[COLS], .cols = d[ROWS], .ld = d[LD]},
                  {.role = FFCL_IN, .n = d[ROWS] * d[COLS]});
    ffcl_case_axes(c, "c r", d[COLS], d[ROWS], 0, 0);
}

static void fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, c->shape.d[ROWS]);
}

static void ref(ffcl_case *c)
{
    ffcl_ref_transpose(c->want, ffcl_f32(c, IN), c->shape.d[ROWS], c->shape.d[COLS],
                       c->shape.d[COLS]);
}

static void run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT);
    const ffcl_tensor x = ffcl_case_dense(c, IN, 1, c->shape.d[ROWS], c->shape.d[COLS]);
    ffcl_transpose(c->ctx, &out, &x);
}

static const char *skip(const ffcl_case *c)
{
    return c->ctx->device.caps.max_work_group < 256 ? "needs work-groups of 256" : NULL;
}

static ffcl_cost cost(const ffcl_case *c)
{
    return ffcl_transpose_cost(c->shape.d[ROWS] * c->shape.d[COLS], FFCL_F32);
}

/* ---- half columns of several matrices ------------------------------------------------------- */

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

static void half_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[HALF_B] * d[HALF_ROWS] * d[HALF_COLS];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = FFCL_F16, .n = n},
                  {.role = FFCL_IN, .dtype = FFCL_F16,
                   .n = d[HALF_B] * d[HALF_ROWS] * d[HALF_LD]});
    ffcl_case_axes(c, "b c r", d[HALF_B], d[HALF_COLS], d[HALF_ROWS], 0);
}

static void half_fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, c->shape.d[HALF_B] * c->shape.d[HALF_ROWS]);
}

static void half_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    for (size_t b = 0; b < d[HALF_B]; b++)
        ffcl_ref_transpose(c->want + b * d[HALF_ROWS] * d[HALF_COLS],
                           ffcl_f32(c, IN) + b * d[HALF_ROWS] * d[HALF_LD] + d[HALF_AT],
                           d[HALF_ROWS], d[HALF_COLS], d[HALF_LD]);
}

static void half_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor all = ffcl_case_dense(c, IN, d[HALF_B], d[HALF_ROWS], d[HALF_LD]);
    const ffcl_tensor x = ffcl_cols(all, d[HALF_AT], d[HALF_COLS]);
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[HALF_B], d[HALF_COLS], d[HALF_ROWS]);
    ffcl_transpose(c->ctx, &out, &x);
}

static ffcl_cost half_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_transpose_cost(d[HALF_B] * d[HALF_ROWS] * d[HALF_COLS], FFCL_F16);
}

static size_t half_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    enum { MID = FFCL_VAE_MID };
    (void)row;
    to[0] = (ffcl_use){"VAE attention V", {{of->B, of->R * of->R, MID, 3 * MID, 2 * MID}, 0}};
    return 1;
}

/* A copy: exact. */
const ffcl_row ffcl_rows_of_transpose[] = {
    {.name = "transpose", .letters = "rows cols ld at", .fills = FFCL_NOISE, .model = model,
     .awkward = awkward, .operands = operands, .fill = fill, .ref = ref, .skip = skip, .run = run,
     .cost = cost},
    {.name = "transpose_half", .letters = "B rows cols ld at", .dtype = FFCL_F16,
     .fills = FFCL_NOISE, .model = half_model, .awkward = half_awkward, .operands = half_operands,
     .fill = half_fill, .ref = half_ref, .skip = skip, .run = half_run, .cost = half_cost,
     .used = half_used},
    {.name = NULL},
};
