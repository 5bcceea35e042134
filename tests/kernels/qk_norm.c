/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "../ref/ref.h"
#include "registry.h"

enum { QKV, WEIGHT, BIAS, ROPE };
enum { B, T, H, DH };

/* What a row does, as `uses`: the norm's number in the kernel, and TURNS. */
enum { NONE = 0, RMS = 1, LAYER = 2, TURNS = 4 };

static const double eps = 1e-5;

static const ffcl_shape model[] = {
    {{2, 256, 16, 72}, 0},              /* XL/1 of VA-VAE latents */
    {{1, 276, 12, 64}, 0},              /* iMF-B */
    {{0}, 0},
};
/* Heads whose pairs lie in vectors of 16, 8 and 4, or are turned one by one; more and fewer heads
 * than a work-group has. */
static const ffcl_shape awkward[] = {
    {{2, 3, 2, 16}, FFCL_SHAPE_FILLS},
    {{3, 17, 3, 24}, FFCL_SHAPE_FILLS},
    {{2, 2, 2, 8}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 5, 5, 12}, FFCL_SHAPE_FILLS},
    {{1, 7, 3, 6}, FFCL_SHAPE_FILLS},
    {{5, 1, 1, 2}, 0},
    {{1, 67, 1, 128}, 0},
    {{2, 9, 7, 40}, 0},
    {{1, 3, 2, 512}, 0},
    {{0}, 0},
};
/* Without a rotation heads may have an odd number of columns. */
static const ffcl_shape odd[] = {
    {{2, 3, 2, 16}, FFCL_SHAPE_FILLS},
    {{3, 17, 3, 24}, FFCL_SHAPE_FILLS},
    {{2, 2, 2, 8}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 9, 3, 5}, FFCL_SHAPE_FILLS},
    {{1, 67, 2, 67}, 0},
    {{1, 3, 1, 1}, 0},
    {{2, 5, 2, 96}, 0},
    {{0}, 0},
};

static int turns(const ffcl_case *c)
{
    return (c->row->uses & TURNS) != 0;
}

static int norm(const ffcl_case *c)
{
    return c->row->uses & (RMS | LAYER);
}

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, {.role = FFCL_INOUT, .dtype = c->row->dtype,
                      .n = d[B] * d[T] * 3 * d[H] * d[DH]},
                  {.role = FFCL_IN, .n = 2 * d[DH]}, {.role = FFCL_IN, .n = 2 * d[DH]},
                  {.role = FFCL_IN, .n = d[T] * d[DH]});
    ffcl_case_axes(c, "b t h d", d[B], d[T], 3 * d[H], d[DH]);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, QKV, d[B] * d[T] * 3 * d[H]);
    ffcl_case_noise(c, WEIGHT, 1.0, 0.5);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    for (size_t e = 0; e < d[T] * d[DH]; e += 2) {
        const double angle = 3.0 * ffcl_case_normal(c);
        ffcl_f32(c, ROPE)[e] = (float)cos(angle);
        if (e + 1 < d[T] * d[DH])
            ffcl_f32(c, ROPE)[e + 1] = (float)sin(angle);
    }
    /* A turned pair may cancel, so its terms' size counts. */
    c->scale = norm(c) == LAYER ? 4.0 * ffcl_case_norm_scale(c, d[DH], eps)
               : norm(c)        ? 4.0
                                : ffcl_case_magnitude(c);
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_qk_norm(c->want, ffcl_f32(c, QKV), ffcl_f32(c, WEIGHT), ffcl_f32(c, BIAS),
                     turns(c) ? ffcl_f32(c, ROPE) : NULL, d[B], d[T], d[H], d[DH], norm(c), eps);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    call->qk_norm = (ffcl_qk_norm_desc){
        .qkv = ffcl_case_dense(c, QKV, d[B], d[T], 3 * d[H] * d[DH]), .heads = d[H],
        .norm = norm(c) == LAYER ? FFCL_NORM_LAYER : norm(c) ? FFCL_NORM_RMS : FFCL_NORM_NONE,
        .eps = (float)eps};
    if (norm(c))
        call->qk_norm.weight = ffcl_case_dense(c, WEIGHT, 1, 2, d[DH]);
    if (norm(c) == LAYER)
        call->qk_norm.bias = ffcl_case_dense(c, BIAS, 1, 2, d[DH]);
    if (turns(c))
        call->qk_norm.rope = ffcl_case_dense(c, ROPE, 1, d[T], d[DH]);
}

/* Of the rows in half and of those that leave something out. */
static const ffcl_shape few[] = {
    {{2, 3, 2, 16}, FFCL_SHAPE_FILLS},
    {{3, 17, 3, 24}, FFCL_SHAPE_FILLS},
    {{2, 2, 2, 8}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 7, 3, 6}, 0},
    {{0}, 0},
};

/* As in layernorm.c; half storage adds half a unit in its last place, also where a head is
 * constant and its norm is of rounding alone. */
#define QK_NORM(row_name, what, by, type, ragged, relative)                                    \
    {                                                                                          \
        .name = row_name, .letters = "B T H Dh", .dtype = type, .uses = (what),                \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,           \
        .model = model, .awkward = ragged, .operands = operands, .fill = fill, .ref = ref,     \
        .rtol = relative, .atol = 1e-6f, .describe = describe, .op = FFCL_OP_QK_NORM,          \
        .variant = by,                                                                         \
    }

const ffcl_row ffcl_rows_of_qk_norm[] = {
    QK_NORM("qk_rms_rope", RMS | TURNS, "row", FFCL_F32, awkward, 1e-5f),
    QK_NORM("qk_layer_rope", LAYER | TURNS, "row", FFCL_F32, awkward, 1e-5f),
    QK_NORM("qk_rope", NONE | TURNS, "row", FFCL_F32, few, 1e-6f),
    QK_NORM("qk_rms", RMS, "row", FFCL_F32, odd, 1e-5f),
    QK_NORM("qk_layer", LAYER, "row", FFCL_F32, odd, 1e-5f),
    QK_NORM("qk_rms_rope_group", RMS | TURNS, "group", FFCL_F32, awkward, 1e-5f),
    QK_NORM("qk_layer_rope_group", LAYER | TURNS, "group", FFCL_F32, awkward, 1e-5f),
    QK_NORM("qk_rope_group", NONE | TURNS, "group", FFCL_F32, few, 1e-6f),
    QK_NORM("qk_rms_group", RMS, "group", FFCL_F32, odd, 1e-5f),
    QK_NORM("qk_layer_group", LAYER, "group", FFCL_F32, odd, 1e-5f),
    QK_NORM("qk_rms_rope_half", RMS | TURNS, "row", FFCL_F16, few, 5e-4f),
    QK_NORM("qk_rope_half", NONE | TURNS, "row", FFCL_F16, few, 5e-4f),
    QK_NORM("qk_layer_half", LAYER, "row", FFCL_F16, odd, 5e-4f),
    QK_NORM("qk_rms_rope_group_half", RMS | TURNS, "group", FFCL_F16, few, 5e-4f),
    QK_NORM("qk_rope_group_half", NONE | TURNS, "group", FFCL_F16, few, 5e-4f),
    QK_NORM("qk_layer_group_half", LAYER, "group", FFCL_F16, odd, 5e-4f),
    {.name = NULL},
};
