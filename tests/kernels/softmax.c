/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, IN };
enum { ROWS, N };

static const double scale = 0.25;

static const ffcl_shape model[] = {
    {{64, 1024}, 0},            /* scores of the VAE at 256 x 256, */
    {{16, 4096}, 0},            /* and at 512 x 512 */
    {{0}, 0},
};
static const ffcl_shape row_awkward[] = {
    {{3, 4}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{5, 67}, FFCL_SHAPE_FILLS},
    {{1, 1}, 0},
    {{19, 17}, FFCL_SHAPE_FILLS},
    {{2, 4100}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{3, 4}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{5, 68}, FFCL_SHAPE_FILLS},
    {{7, 256}, 0},
    {{2, 260}, FFCL_SHAPE_FILLS},
    {{3, 4100}, FFCL_SHAPE_FILLS},      /* one beyond what 64 work-items keep */
    {{2, 16384}, 0},
    {{0}, 0},
};

/* float32 in place: the rows are filled in where the result comes. */
static size_t input(const ffcl_case *c)
{
    return c->row->dtype == FFCL_F16 ? IN : OUT;
}

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_operand list[] = {
        {.role = input(c) == IN ? FFCL_OUT : FFCL_INOUT, .dtype = c->row->dtype,
         .n = d[ROWS] * d[N]},
        {.role = FFCL_IN, .n = d[ROWS] * d[N]}};
    ffcl_case_operands(c, list, input(c) + 1);
    ffcl_case_axes(c, "r n", d[ROWS], d[N], 0, 0);
}

static void fill(ffcl_case *c)
{
    ffcl_case_fill(c, input(c), c->shape.d[ROWS]);
}

static void ref(ffcl_case *c)
{
    ffcl_ref_softmax(c->want, ffcl_f32(c, input(c)), scale, c->shape.d[ROWS], c->shape.d[N]);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    call->softmax = (ffcl_softmax_desc){ffcl_case_dense(c, OUT, 1, d[ROWS], d[N]),
                                        ffcl_case_dense(c, input(c), 1, d[ROWS], d[N]), scale};
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    const size_t P = of->R * of->R;
    if (row->dtype != FFCL_F16)
        return 0;
    to[0] = (ffcl_use){"VAE attention weights", {{of->B * P, P}, 0}};
    return 1;
}

/* A score's rounding, 2^-24 of up to 0.25 * 4000 with large data, is the weight's relative error;
 * the half result adds 2^-11 of itself, or 2^-25 where it is below the normal halves.  Without the
 * half the sum of up to thousands of weights rounds, too. */
#define SOFTMAX(row_name, by, type, ragged, relative)                                            \
    {                                                                                            \
        .name = row_name, .letters = "rows n", .dtype = type,                                    \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,             \
        .model = model, .awkward = ragged, .operands = operands, .fill = fill, .ref = ref,       \
        .rtol = relative, .atol = 3e-8f, .describe = describe, .op = FFCL_OP_SOFTMAX,            \
        .variant = by, .used = used,                                                             \
    }

const ffcl_row ffcl_rows_of_softmax[] = {
    SOFTMAX("softmax_in_place", "row", FFCL_F32, row_awkward, 1e-4f),
    SOFTMAX("softmax_in_place_group", "group", FFCL_F32, awkward, 1e-4f),
    SOFTMAX("softmax", "group", FFCL_F16, awkward, 6e-4f),
    {.name = NULL},
};
