/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, X };
enum { B, T, F, WIDE, LD };

static const ffcl_shape model[] = {
    {{2, 256, 3072, 3072, 6144}, 0},            /* XL/1 of VA-VAE latents */
    {{1, 276, 2730, 2736, 5464}, 0},            /* iMF-L in half */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 3, 16, 16, 32}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 17, 170, 176, 344}, FFCL_SHAPE_FILLS},
    {{3, 7, 24, 32, 64}, FFCL_SHAPE_FILLS},
    {{1, 5, 170, 170, 340}, 0},
    {{1, 1, 1, 1, 2}, 0},
    {{7, 3, 520, 520, 1040}, 0},
    {{0}, 0},
};

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = d[B] * d[T] * d[WIDE]},
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = d[B] * d[T] * d[LD]});
    ffcl_case_axes(c, "b t f", d[B], d[T], d[WIDE], 0);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, X, d[B] * d[T]);
    /* A product of two halves of large data would exceed a half. */
    for (size_t e = 0; c->row->dtype == FFCL_F16 && c->fill == FFCL_FILL_LARGE &&
                       e < d[B] * d[T] * d[LD]; e++)
        if (e % d[LD] >= d[F])
            ffcl_f32(c, X)[e] = (float)(int)(e % 8) - 3.5f;
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_swiglu(c->want, ffcl_f32(c, X), d[B] * d[T], d[F], d[LD], d[WIDE]);
}

static void run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[B], d[T], d[WIDE]);
    const ffcl_tensor x = ffcl_case_dense(c, X, d[B], d[T], d[LD]);
    ffcl_swiglu(c->ctx, &out, &x, d[F]);
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor out = ffcl_case_dense(c, OUT, d[B], d[T], d[WIDE]);
    return ffcl_swiglu_cost(&out, d[F]);
}

/* exp has 3 units in the last place, division 2.5; atol covers results that a device may flush to
 * zero, as half the small ones. */
#define SWIGLU(row_name, type, relative, absolute)                                              \
    {                                                                                           \
        .name = row_name, .letters = "B T F wide ld", .dtype = type,                            \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = model, .awkward = awkward,      \
        .operands = operands, .fill = fill, .ref = ref, .rtol = relative, .atol = absolute,     \
        .run = run, .cost = cost,                                                               \
    }

const ffcl_row ffcl_rows_of_swiglu[] = {
    SWIGLU("swiglu", FFCL_F32, 1e-6f, 1e-30f),
    SWIGLU("swiglu_half", FFCL_F16, 5e-4f, 6e-8f),
    {.name = NULL},
};
