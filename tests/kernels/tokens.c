/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { X, PATCHES, PARAMETER, TABLE, LABELS, SCALARS, POS };
enum { B, T, D, CLASSES, ROWS, KINDS, HAS_POS };

static const ffcl_shape model[] = {
    {{4, 256, 768, 1001, 1, 4, 0}, 0},          /* iMF-B, and pMF-B with positions */
    {{4, 256, 768, 1001, 1, 4, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 3, 8, 5, 1, 2, 1}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 7, 68, 11, 3, 4, 0}, FFCL_SHAPE_FILLS},
    {{5, 1, 4, 2, 1, 1, 1}, 0},
    {{7, 33, 300, 3, 7, 3, 1}, 0},
    {{0}, 0},
};

/* Two tokens of the class, then one, two, .. of each scalar: uneven, as none is assumed. */
static void set_ends(const ffcl_case *c, size_t ends[FFCL_TOKEN_KINDS])
{
    ends[0] = 2;
    for (size_t k = 1; k <= c->shape.d[KINDS]; k++)
        ends[k] = ends[k - 1] + k;
}

static size_t prefix(const ffcl_case *c)
{
    size_t ends[FFCL_TOKEN_KINDS] = {0};
    set_ends(c, ends);
    return ends[c->shape.d[KINDS]];
}

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, n = prefix(c);
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[B] * (n + d[T]) * d[D]},
                  {.role = FFCL_IN, .n = d[B] * d[T] * d[D]}, {.role = FFCL_IN, .n = n * d[D]},
                  {.role = FFCL_IN, .n = d[CLASSES] * d[D]},
                  {.role = FFCL_IN, .dtype = FFCL_I32, .n = d[B]},
                  {.role = FFCL_IN, .n = (d[ROWS] + 1) * d[KINDS] * d[D]},
                  {.role = FFCL_IN, .n = (n + d[T]) * d[D]});
    ffcl_case_axes(c, "b t d", d[B], n + d[T], d[D], 0);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, PATCHES, d[B] * d[T]);
    ffcl_case_noise(c, PARAMETER, 0.0, 1.0);
    ffcl_case_noise(c, TABLE, 0.0, 1.0);
    ffcl_case_noise(c, SCALARS, 0.0, 1.0);
    ffcl_case_noise(c, POS, 0.0, 1.0);
    for (size_t b = 0; b < d[B]; b++)
        ffcl_s32(c, LABELS)[b] = (int32_t)(d[CLASSES] - 1 - b % d[CLASSES]);
    c->scale = 1.0 + ffcl_case_magnitude(c);
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t ends[FFCL_TOKEN_KINDS];
    set_ends(c, ends);
    ffcl_ref_join_tokens(c->want, ffcl_f32(c, PATCHES), ffcl_f32(c, PARAMETER), ffcl_f32(c, TABLE),
                         ffcl_s32(c, LABELS),
                         ffcl_f32(c, SCALARS) + d[KINDS] * d[D],
                         d[HAS_POS] ? ffcl_f32(c, POS) : NULL, ends, d[KINDS], d[ROWS], d[B], d[T],
                         d[D]);
}

static ffcl_tokens_desc describe(const ffcl_case *c, ffcl_tensor *pos)
{
    const size_t *d = c->shape.d, n = prefix(c);
    *pos = ffcl_case_dense(c, POS, 1, n + d[T], d[D]);
    ffcl_tokens_desc desc = {.x = ffcl_case_dense(c, X, d[B], n + d[T], d[D]),
                             .patches = ffcl_case_dense(c, PATCHES, d[B], d[T], d[D]),
                             .parameter = ffcl_case_dense(c, PARAMETER, 1, n, d[D]),
                             .table = ffcl_case_dense(c, TABLE, 1, d[CLASSES], d[D]),
                             .y = ffcl_case_dense(c, LABELS, d[B], 1, 1),
                             .scalars = ffcl_images(ffcl_case_dense(c, SCALARS, d[ROWS] + 1,
                                                                    d[KINDS], d[D]), 1, d[ROWS]),
                             .pos = d[HAS_POS] ? pos : NULL};
    set_ends(c, desc.ends);
    return desc;
}

static void run(ffcl_case *c)
{
    ffcl_tensor pos;
    const ffcl_tokens_desc desc = describe(c, &pos);
    ffcl_join_tokens(c->ctx, &desc);
}

static ffcl_cost cost(const ffcl_case *c)
{
    ffcl_tensor pos;
    const ffcl_tokens_desc desc = describe(c, &pos);
    return ffcl_join_tokens_cost(&desc);
}

/* ---- drop_prefix: x (B, n + T, D) ------------------------------------------------------------ */

enum { PREFIX = 3 };

static const ffcl_shape drop_model[] = {{{4, 256, 768, 20}, 0}, {{0}, 0}};
static const ffcl_shape drop_awkward[] = {
    {{2, 3, 8, 5}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 17, 300, 1}, 0},
    {{5, 1, 4, 7}, 0},
    {{0}, 0},
};

static void drop_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[B] * d[T] * d[D]},
                  {.role = FFCL_IN, .n = d[B] * (d[PREFIX] + d[T]) * d[D]});
    ffcl_case_axes(c, "b t d", d[B], d[T], d[D], 0);
}

static void drop_fill(ffcl_case *c)
{
    ffcl_case_fill(c, 1, c->shape.d[B] * (c->shape.d[PREFIX] + c->shape.d[T]));
}

static void drop_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_drop_prefix(c->want, ffcl_f32(c, 1), d[PREFIX], d[B], d[T], d[D]);
}

static void drop_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor patches = ffcl_case_dense(c, 0, d[B], d[T], d[D]);
    const ffcl_tensor x = ffcl_case_dense(c, 1, d[B], d[PREFIX] + d[T], d[D]);
    ffcl_drop_prefix(c->ctx, &patches, &x);
}

static ffcl_cost drop_cost(const ffcl_case *c)
{
    return ffcl_drop_prefix_cost(c->shape.d[B] * c->shape.d[T] * c->shape.d[D]);
}

/* At most two additions. */
const ffcl_row ffcl_rows_of_tokens[] = {
    {.name = "tokens_join", .letters = "B T D classes rows kinds pos",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = model, .awkward = awkward,
     .operands = operands, .fill = fill, .ref = ref, .rtol = 3e-7f, .atol = 3e-7f, .run = run,
     .cost = cost},
    {.name = "tokens_drop", .letters = "B T D prefix",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = drop_model, .awkward = drop_awkward,
     .operands = drop_operands, .fill = drop_fill, .ref = drop_ref, .run = drop_run,
     .cost = drop_cost},
    {.name = NULL},
};
