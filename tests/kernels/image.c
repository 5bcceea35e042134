/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, IN, BEFORE };
enum { B, EACH, PLANT };

/* ---- image_bytes; a row's uses: the rule */

static const ffcl_shape bytes_model[] = {{{3 * 256 * 256}, 0}, {{0}, 0}};
static const ffcl_shape bytes_awkward[] = {
    {{600}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1}, 0},
    {{257}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

static void bytes_operands(ffcl_case *c)
{
    const size_t n = c->shape.d[0];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = FFCL_U8, .n = n}, {.role = FFCL_IN, .n = n});
    ffcl_case_axes(c, "e", n, 0, 0, 0);
}

/* Also the borders between bytes, from both sides, and values beyond both ends. */
static void bytes_fill(ffcl_case *c)
{
    const size_t n = c->shape.d[0];
    float *x = ffcl_f32(c, IN);
    ffcl_case_fill(c, IN, n);
    for (size_t i = 0; c->fill == FFCL_FILL_NOISE && i < n; i += 2) {
        float border = (float)((double)(i / 2 % 256) / 127.5 - (i / 512 % 2 ? 1.0 : 128.0 / 127.5));
        x[i] = i % 3 == 0 ? border : nextafterf(border, i % 3 == 1 ? 2.0f : -2.0f);
    }
}

static void bytes_ref(ffcl_case *c)
{
    ffcl_ref_image_bytes(c->want, ffcl_f32(c, IN), c->row->uses, c->shape.d[0]);
}

static void bytes_run(ffcl_case *c)
{
    const ffcl_tensor out = ffcl_case_matrix(c, OUT), x = ffcl_case_matrix(c, IN);
    ffcl_tensor bad = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_I32, 1, 1, 1));
    ffcl_image_bytes(c->ctx, &out, &bad, &x, c->row->uses);
    ffcl_give(c->ctx, &bad);
}

static ffcl_cost bytes_cost(const ffcl_case *c)
{
    return ffcl_image_bytes_cost(c->shape.d[0]);
}

static size_t bytes_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    (void)row;
    to[0] = (ffcl_use){"bytes", {{of->B * 3 * 64 * of->R * of->R}, 0}};
    return 1;
}

/* The bytes that torch gives: exact. */
#define BYTES(row_name, rule, role)                                                              \
    {                                                                                            \
        .name = row_name, .letters = "n", .uses = rule,                                          \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = bytes_model,                     \
        .awkward = bytes_awkward, .operands = bytes_operands, .fill = bytes_fill,                \
        .ref = bytes_ref, .run = bytes_run, .cost = bytes_cost, .used = role,                    \
    }

/* ---- the flags of image_bytes, and of latent_update (a row's uses) where z and F are the same.
 * PLANT: 0 nothing; 1 NaN, 2 infinity, 3 minus infinity at a random place of image B / 2; 4 as 1,
 * at its last element; 5 all three, one in each image after the first; 6 nothing, but the flag of
 * image 0 is up before. */
enum { OF_BYTES, OF_LATENT };

/* Flags before those of the images, which stay as they are. */
enum { FLAGS_AT = 3 };

static const ffcl_shape finite_model[] = {
    {{4, 3 * 256 * 256, 0}, 0},
    {{4, 3 * 256 * 256, 4}, 0},
    {{0}, 0},
};
static const ffcl_shape finite_awkward[] = {
    {{3, 301, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 301, 5}, FFCL_SHAPE_SMALL},
    {{2, 5000, 1}, 0},
    {{2, 5000, 2}, 0},
    {{2, 5000, 3}, 0},
    {{5, 4097, 4}, 0},
    {{1, 1, 4}, 0},
    {{2, 70000, 6}, 0},
    {{0}, 0},
};

static size_t flags_at(const ffcl_case *c)
{
    return c->row->uses == OF_BYTES ? FLAGS_AT : 0;
}

static void finite_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, at = flags_at(c);
    FFCL_OPERANDS(c, {.role = FFCL_INOUT, .dtype = FFCL_I32, .n = at + d[B], .at = at, .rows = 1,
                      .cols = d[B], .ld = d[B]},
                  {.role = FFCL_IN, .n = d[B] * d[EACH]},
                  {.role = FFCL_HOST, .dtype = FFCL_I32, .n = d[B]});
    ffcl_case_axes(c, "b", d[B], 0, 0, 0);
}

static void finite_fill(ffcl_case *c)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, IN, d[B]);
    for (size_t b = 0; b < d[B]; b++)
        ffcl_s32(c, OUT)[flags_at(c) + b] = ffcl_s32(c, BEFORE)[b] = d[PLANT] == 6 && b == 0;
    float *one = ffcl_f32(c, IN) + d[B] / 2 * d[EACH];
    size_t place = ffcl_case_below(c, d[EACH]);
    if (d[PLANT] >= 1 && d[PLANT] <= 3)
        one[place] = values[d[PLANT] - 1];
    if (d[PLANT] == 4)
        one[d[EACH] - 1] = NAN;
    for (size_t b = 1; d[PLANT] == 5 && b < d[B]; b++)
        ffcl_f32(c, IN)[b * d[EACH] + ffcl_case_below(c, d[EACH])] = values[b % 3];
}

static void finite_ref(ffcl_case *c)
{
    ffcl_ref_image_finite(c->want, ffcl_s32(c, BEFORE), ffcl_f32(c, IN), c->shape.d[B],
                          c->shape.d[EACH]);
}

static void finite_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor x = ffcl_case_dense(c, IN, d[B], 1, d[EACH]);
    ffcl_tensor bad = ffcl_case_dense(c, OUT, d[B], 1, 1);
    ffcl_tensor other = ffcl_take(c->ctx, ffcl_tensor_of(FFCL_F32, d[B], 1, d[EACH]));
    bad.at = flags_at(c);
    if (c->row->uses == OF_LATENT)
        ffcl_latent_update(c->ctx, &(ffcl_latent_update_desc){
            .out = other, .bad = bad, .x = x, .F = &x, .cx = 1.0f, .cF = 1.0f});
    else
        ffcl_image_bytes(c->ctx, &other, &bad, &x, 0);
    ffcl_give(c->ctx, &other);
}

static ffcl_cost finite_cost(const ffcl_case *c)
{
    const size_t n = c->shape.d[B] * c->shape.d[EACH];
    return c->row->uses == OF_LATENT ? ffcl_latent_update_cost(n, 1) : ffcl_image_bytes_cost(n);
}

static size_t finite_used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    (void)row;
    to[0] = (ffcl_use){"check", {{of->B, 3 * 64 * of->R * of->R, 0}, 0}};
    return 1;
}

/* Flags: exact. */
#define FINITE(row_name, of, role)                                                               \
    {                                                                                            \
        .name = row_name, .letters = "B each plant", .uses = of,                                 \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = finite_model,                    \
        .awkward = finite_awkward, .operands = finite_operands, .fill = finite_fill,             \
        .ref = finite_ref, .run = finite_run, .cost = finite_cost, .used = role,                 \
    }

/* ---- image_channels_last: image `from` on of a tensor, as batches of it are turned ----------- */

enum { LAST_B, LAST_C, LAST_P, LAST_FROM };

static const ffcl_shape last_model[] = {{{2, 3, 256 * 256, 0}, 0}, {{0}, 0}};
static const ffcl_shape last_awkward[] = {
    {{2, 3, 25, 1}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 3, 1031, 0}, 0},
    {{1, 5, 1, 2}, 0},
    {{0}, 0},
};

static void last_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d, each = d[LAST_C] * d[LAST_P];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[LAST_B] * each},
                  {.role = FFCL_IN, .n = (d[LAST_FROM] + d[LAST_B]) * each});
    ffcl_case_axes(c, "b p c", d[LAST_B], d[LAST_P], d[LAST_C], 0);
}

static void last_fill(ffcl_case *c)
{
    ffcl_case_fill(c, IN, 1);
}

static void last_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_image_channels_last(c->want, ffcl_f32(c, IN) + d[LAST_FROM] * d[LAST_C] * d[LAST_P],
                                 d[LAST_B], d[LAST_C], d[LAST_P]);
}

static void last_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[LAST_B], d[LAST_P], d[LAST_C]);
    const ffcl_tensor all = ffcl_case_dense(c, IN, d[LAST_FROM] + d[LAST_B], d[LAST_C], d[LAST_P]);
    const ffcl_tensor x = ffcl_images(all, d[LAST_FROM], d[LAST_B]);
    ffcl_image_channels_last(c->ctx, &out, &x);
}

static ffcl_cost last_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_image_channels_last_cost(d[LAST_B] * d[LAST_C] * d[LAST_P]);
}

const ffcl_row ffcl_rows_of_image[] = {
    BYTES("image_bytes_sit", 0, bytes_used),
    BYTES("image_bytes_repa", 1, NULL),
    BYTES("image_bytes_round", 2, NULL),
    {.name = "image_channels_last", .letters = "B C P from",
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = last_model, .awkward = last_awkward,
     .operands = last_operands, .fill = last_fill, .ref = last_ref, .run = last_run,
     .cost = last_cost},
    FINITE("image_finite", OF_BYTES, finite_used),
    FINITE("latent_finite", OF_LATENT, NULL),
    {.name = NULL},
};
