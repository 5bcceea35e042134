/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN, BEFORE };
enum { B, EACH, PLANT };

/* ---- image_bytes */

static const ffcl_shape bytes_model[] = {{{3 * 256 * 256}, 0}, {{0}, 0}};
static const ffcl_shape bytes_awkward[] = {
    {{600}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1}, 0},
    {{257}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

/* Also the borders between bytes, from both sides, and values beyond both ends. */
static int bytes_setup(ffcl_case *c)
{
    size_t n = c->shape.d[0];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = FFCL_U8, .n = n},
                          {.role = FFCL_IN, .n = n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "e", n, 0, 0, 0);
    ffcl_case_fill(c, IN, n);
    float *x = ffcl_f32(c, IN);
    if (c->fill != FFCL_FILL_NOISE)
        return 0;
    for (size_t i = 0; i < n; i += 2) {
        float border = (float)((double)(i / 2 % 256) / 127.5 - (i / 512 % 2 ? 1.0 : 128.0 / 127.5));
        x[i] = i % 3 == 0 ? border : nextafterf(border, i % 3 == 1 ? 2.0f : -2.0f);
    }
    return 0;
}

static void bytes_ref(ffcl_case *c)
{
    ffcl_ref_image_bytes(c->want, ffcl_f32(c, IN), c->op->variant, c->shape.d[0]);
}

static int bytes_run(ffcl_case *c)
{
    ffcl_buf flags = {0};
    int rc = ffcl_take(c->ctx, &flags, 1);
    if (rc == 0)
        rc = ffcl_image_bytes(c->ctx, ffcl_mem(c, OUT), flags.mem, 0, ffcl_mem(c, IN),
                              c->op->variant, 1, c->shape.d[0]);
    ffcl_give(c->ctx, &flags);
    return rc;
}

static ffcl_cost bytes_cost(const ffcl_case *c)
{
    return ffcl_image_bytes_cost(c->shape.d[0]);
}

/* The bytes that torch gives: exact. */
const ffcl_op_test ffcl_test_image_bytes_sit = {
    .name = "image_bytes_sit", .letters = "n", .variant = 0,
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = bytes_model, .awkward = bytes_awkward,
    .setup = bytes_setup, .ref = bytes_ref, .run = bytes_run, .cost = bytes_cost,
};
const ffcl_op_test ffcl_test_image_bytes_repa = {
    .name = "image_bytes_repa", .letters = "n", .variant = 1,
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = bytes_model, .awkward = bytes_awkward,
    .setup = bytes_setup, .ref = bytes_ref, .run = bytes_run, .cost = bytes_cost,
};

/* ---- the flags of image_bytes, and of latent_update (a row's variant) where z and F are the same.
 * PLANT: 0 nothing; 1 NaN, 2 infinity, 3 minus infinity at a random place of picture B / 2; 4 as 1,
 * at its last element; 5 all three, one in each picture after the first; 6 nothing, but the flag of
 * picture 0 is up before. */
enum { OF_BYTES, OF_LATENT };

/* Flags before those of the pictures, which stay as they are. */
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

static int finite_setup(ffcl_case *c)
{
    static const float values[] = {NAN, INFINITY, -INFINITY};
    const size_t *d = c->shape.d;
    const size_t at = c->op->variant == OF_BYTES ? FLAGS_AT : 0;
    int rc = FFCL_TENSORS(c, {.role = FFCL_INOUT, .type = FFCL_S32, .n = at + d[B], .at = at,
                              .rows = 1, .cols = d[B], .ld = d[B]},
                          {.role = FFCL_IN, .n = d[B] * d[EACH]},
                          {.role = FFCL_HOST, .type = FFCL_S32, .n = d[B]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b", d[B], 0, 0, 0);
    ffcl_case_fill(c, IN, d[B]);
    for (size_t b = 0; b < d[B]; b++)
        ffcl_s32(c, OUT)[at + b] = ffcl_s32(c, BEFORE)[b] = d[PLANT] == 6 && b == 0;
    float *one = ffcl_f32(c, IN) + d[B] / 2 * d[EACH];
    size_t place = ffcl_case_below(c, d[EACH]);
    if (d[PLANT] >= 1 && d[PLANT] <= 3)
        one[place] = values[d[PLANT] - 1];
    if (d[PLANT] == 4)
        one[d[EACH] - 1] = NAN;
    for (size_t b = 1; d[PLANT] == 5 && b < d[B]; b++)
        ffcl_f32(c, IN)[b * d[EACH] + ffcl_case_below(c, d[EACH])] = values[b % 3];
    return 0;
}

static void finite_ref(ffcl_case *c)
{
    ffcl_ref_image_finite(c->want, ffcl_s32(c, BEFORE), ffcl_f32(c, IN), c->shape.d[B],
                          c->shape.d[EACH]);
}

static int finite_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_buf other = {0};
    int rc = ffcl_take(c->ctx, &other, d[B] * d[EACH]);
    if (rc == 0 && c->op->variant == OF_LATENT)
        rc = ffcl_latent_update(c->ctx, other.mem, ffcl_mem(c, OUT), ffcl_mem(c, IN),
                                ffcl_mem(c, IN), 1.0f, d[B], d[EACH]);
    else if (rc == 0)
        rc = ffcl_image_bytes(c->ctx, other.mem, ffcl_mem(c, OUT), FLAGS_AT, ffcl_mem(c, IN), 0,
                              d[B], d[EACH]);
    ffcl_give(c->ctx, &other);
    return rc;
}

static ffcl_cost finite_cost(const ffcl_case *c)
{
    const size_t n = c->shape.d[B] * c->shape.d[EACH];
    return c->op->variant == OF_LATENT ? ffcl_latent_update_cost(n) : ffcl_image_bytes_cost(n);
}

/* Flags: exact. */
#define FINITE(row_name, of)                                                                     \
    {                                                                                            \
        .name = row_name, .letters = "B each plant", .variant = of,                              \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = finite_model,                    \
        .awkward = finite_awkward, .setup = finite_setup, .ref = finite_ref, .run = finite_run,  \
        .cost = finite_cost,                                                                     \
    }

const ffcl_op_test ffcl_test_image_finite = FINITE("image_finite", OF_BYTES);
const ffcl_op_test ffcl_test_latent_finite = FINITE("latent_finite", OF_LATENT);
