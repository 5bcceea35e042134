/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "../ref/ref.h"
#include "registry.h"

enum { OUT, QKV };
enum { B, T, H, DH };

static const ffcl_shape model[] = {
    {{1, 256, 16, 72}, 0},              /* XL/2, 256 x 256 */
    {{1, 256, 1, 512}, 0},              /* the VAE's one head, a quarter of its 32 x 32 */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 17, 2, 72}, FFCL_SHAPE_FILLS},
    {{2, 67, 2, 5}, FFCL_SHAPE_FILLS},
    {{1, 67, 2, 3}, FFCL_SHAPE_SMALL},
    {{3, 1, 2, 32}, 0},
    {{1, 1000, 1, 32}, 0},
    {{2, 33, 3, 64}, 0},
    {{1, 64, 1, 80}, 0},
    {{1, 65, 2, 96}, 0},
    {{2, 19, 1, 512}, 0},
    {{0}, 0},
};

/* Heads of whole quads, up to 96 columns: quads and single columns of a work-item, tiles of 64
 * queries and of 64 keys. */
static const ffcl_shape quads_model[] = {{{1, 256, 16, 72}, 0}, {{0}, 0}};
static const ffcl_shape quads_awkward[] = {
    {{2, 17, 2, 72}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 1, 2, 32}, 0},
    {{2, 129, 2, 4}, FFCL_SHAPE_FILLS},
    {{1, 1000, 1, 28}, 0},
    {{2, 33, 3, 64}, 0},
    {{1, 64, 1, 80}, 0},
    {{1, 65, 2, 96}, 0},
    {{0}, 0},
};

/* As batches of GEMMs, in parts: of heads, and where the scores of one head are many, of
 * queries. */
static const ffcl_shape gemms_model[] = {
    {{1, 256, 16, 72}, 0},
    {{1, 1024, 1, 512}, 0},
    {{0}, 0},
};
static const ffcl_shape gemms_awkward[] = {
    {{2, 17, 2, 72}, FFCL_SHAPE_FILLS},
    {{2, 67, 2, 5}, FFCL_SHAPE_FILLS},
    {{1, 67, 2, 3}, FFCL_SHAPE_SMALL},
    {{3, 1, 2, 32}, 0},
    {{1, 1000, 7, 8}, 0},
    {{1, 2100, 2, 4}, 0},
    {{0}, 0},
};

/* Tiles of the kernel for mma.sync: 64 queries and 64 keys, for heads above 96 columns 16 of
 * each and the columns shared by four warps; heads are padded to a multiple of 16. */
static const ffcl_shape mma_awkward[] = {
    {{2, 5, 2, 8}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 17, 2, 72}, FFCL_SHAPE_FILLS},
    {{1, 65, 2, 128}, FFCL_SHAPE_FILLS},
    {{2, 19, 1, 512}, FFCL_SHAPE_FILLS},
    {{3, 1, 2, 32}, 0},
    {{1, 1, 1, 512}, 0},
    {{1, 16, 2, 8}, 0},
    {{1, 16, 1, 512}, 0},
    {{2, 17, 3, 64}, 0},
    {{1, 64, 1, 80}, 0},
    {{1, 64, 2, 128}, 0},
    {{1, 65, 2, 96}, 0},
    {{2, 65, 2, 72}, 0},
    {{1, 256, 2, 64}, 0},
    {{2, 33, 1, 192}, 0},
    {{1, 127, 1, 320}, 0},
    {{1, 1000, 1, 8}, 0},
    {{1, 1000, 1, 32}, 0},
    {{0}, 0},
};

/* On wgmma: tiles of 64, 128 or 256 queries and of 64 keys; heads of 64 and of 72. */
static const ffcl_shape wgmma_model[] = {
    {{1, 256, 16, 72}, 0},
    {{13, 256, 16, 72}, 0},             /* tiles of 256 queries on 132 units */
    {{0}, 0},
};
static const ffcl_shape wgmma_awkward[] = {
    {{2, 5, 2, 72}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 67, 2, 72}, FFCL_SHAPE_FILLS},
    {{2, 129, 3, 64}, FFCL_SHAPE_FILLS},
    {{3, 1, 2, 64}, 0},
    {{1, 64, 1, 72}, 0},
    {{2, 63, 2, 64}, 0},
    {{1, 1000, 1, 72}, 0},
    {{10, 65, 16, 72}, 0},              /* of 128 on 132 units */
    {{11, 257, 10, 72}, 0},             /* of 256, the last with one */
    {{12, 300, 9, 64}, 0},
    {{0}, 0},
};

/* As GEMMs of half: tokens and columns are multiples of 8, and there are more than 32 of both. */
static const ffcl_shape half_gemms_model[] = {
    {{2, 256, 1, 512}, 0},
    {{1, 1024, 1, 512}, 0},
    {{0}, 0},
};
static const ffcl_shape half_gemms_awkward[] = {
    {{2, 40, 1, 40}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 72, 1, 136}, FFCL_SHAPE_FILLS},
    {{2, 200, 1, 264}, 0},
    {{1, 136, 1, 64}, 0},
    {{5, 64, 1, 96}, 0},
    {{1, 4104, 1, 40}, 0},
    {{0}, 0},
};

/* Scores have deviation 100: softmax picks one key or two.  More would make the result depend on
 * roundings of the scores wherever two keys tie. */
static const double large = 10.0;

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[H] * d[DH];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = n},
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = 3 * n});
    ffcl_case_axes(c, "b t h d", d[B], d[T], d[H], d[DH]);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    if (c->fill == FFCL_FILL_LARGE)
        ffcl_case_noise(c, QKV, 0.0, large);
    else
        ffcl_case_fill(c, QKV, d[B] * d[T]);
    /* A score is off by its own rounding, and a weight by as much relative to itself; the result
     * by that times v.  Magnitudes: v, then q k; constant rows add up to sqrt(Dh) times that. */
    double size = c->fill == FFCL_FILL_LARGE ? 1.5 * large : 2.0;
    c->scale = size * (1.0 + size * size * (c->fill == FFCL_FILL_CONSTANT ? sqrt((double)d[DH])
                                                                          : 1.0));
    /* A tensor core's second GEMM takes its weights as half: each is off by 2^-11 of
     * itself, or where it is below the normal halves by 2^-25 of the largest weight; the sum
     * that divides is of weights before the rounding.  So the result is off by at most that much
     * of the values, of which the weighted mean is below twice the deviation.  In the first
     * GEMM tensor cores cut off where float32 rounds: four times the allowance for scores. */
    if (c->row->unit != FFCL_UNIT_NONE) {
        double weights = 1.0 / 2048.0 + (double)d[T] / 33554432.0;
        c->scale = 4.0 * c->scale + size * weights / (double)c->row->atol;
    }
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_attention(c->want, ffcl_f32(c, QKV), d[B], d[T], d[H], d[DH]);
}

static double at(const ffcl_case *c, size_t index)
{
    const size_t *d = c->shape.d;
    return ffcl_ref_attention_at(ffcl_f32(c, QKV), d[T], d[H], d[DH], index);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d, width = d[H] * d[DH];
    call->attention = (ffcl_attention_desc){ffcl_case_dense(c, OUT, d[B], d[T], width),
                                            ffcl_case_dense(c, QKV, d[B], d[T], 3 * width), d[H]};
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    to[0] = (ffcl_use){"attention", {{of->B, ffcl_xl_tokens(of), FFCL_XL_HEADS,
                                      FFCL_XL_WIDTH / FFCL_XL_HEADS}, 0}};
    to[1] = (ffcl_use){"VAE attention", {{of->B, of->R * of->R, 1, FFCL_VAE_MID}, 0}};
    return row->awkward == quads_awkward ? 1 : 2;       /* the VAE's head is wider */
}

/* Sums of T weighted values, each weight an exp of 3 units in the last place.  A half result is
 * rounded by up to 2^-11 of itself. */
/* lanes: a GPU of Intel that has so few of them. */
#define ATTENTION(row_name, by, type, may_use, lanes, shapes, ragged, relative)               \
    {                                                                                         \
        .name = row_name, .letters = "B T H Dh", .dtype = type,                               \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,       \
        .awkward = ragged, .operands = operands, .fill = fill, .ref = ref, .at = at,          \
        .rtol = relative, .atol = 4e-7f, .skip = ffcl_case_needs_unit, .describe = describe,  \
        .op = FFCL_OP_ATTENTION, .variant = by, .unit = may_use, .few_lanes = lanes,          \
        .used = used,                                                                         \
    }
#define FLOAT(name, by, shapes, ragged) \
    ATTENTION(name, by, FFCL_F32, FFCL_UNIT_NONE, 0, shapes, ragged, 1e-5f)
#define HALF(name, by, unit, shapes, ragged) \
    ATTENTION(name, by, FFCL_F16, unit, 0, shapes, ragged, 5e-4f)
#define FEW_LANES(name, type, relative) \
    ATTENTION(name, "tiled", type, FFCL_UNIT_NONE, 8, model, awkward, relative)

const ffcl_row ffcl_rows_of_attention[] = {
    FLOAT("attn_f32_row", "row", model, awkward),
    FLOAT("attn_tiled", "tiled", model, awkward),
    FEW_LANES("attn_tiled_few_lanes", FFCL_F32, 1e-5f),
    FLOAT("attn_quads", "quads", quads_model, quads_awkward),
    HALF("attn_tiled_half", "tiled", FFCL_UNIT_NONE, model, awkward),
    FEW_LANES("attn_tiled_half_few_lanes", FFCL_F16, 5e-4f),
    HALF("attn_quads_half", "quads", FFCL_UNIT_NONE, quads_model, quads_awkward),
    FLOAT("attn_f32_batched", "gemms", gemms_model, gemms_awkward),
    HALF("attn_half_batched", "gemms", FFCL_UNIT_NONE, gemms_model, gemms_awkward),
    HALF("attn_half_copied", "gemms-copied", FFCL_UNIT_NONE, gemms_model, gemms_awkward),
    HALF("attn_row_half", "row", FFCL_UNIT_NONE, model, awkward),
    HALF("mma_attention", "mma", FFCL_UNIT_MMA, model, mma_awkward),
    HALF("mma_attention_gemms", "gemms-half", FFCL_UNIT_MMA, half_gemms_model, half_gemms_awkward),
    HALF("wgmma_attention", "wgmma", FFCL_UNIT_WGMMA, wgmma_model, wgmma_awkward),
    HALF("wgmma_attention_gemms", "gemms-half", FFCL_UNIT_WGMMA, half_gemms_model,
         half_gemms_awkward),
    {.name = NULL},
};
