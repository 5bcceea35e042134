/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, QKV };
enum { B, T, H, DH };
/* A row's variant: the kernel, and this where qkv and the result are half. */
enum { HALF = 16 };

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

/* In parts: of heads, and where the scores of one head are many, of queries. */
static const ffcl_shape batched_model[] = {
    {{1, 256, 16, 72}, 0},
    {{1, 1024, 1, 512}, 0},
    {{0}, 0},
};
static const ffcl_shape batched_awkward[] = {
    {{2, 17, 2, 72}, FFCL_SHAPE_FILLS},
    {{2, 67, 2, 5}, FFCL_SHAPE_FILLS},
    {{1, 67, 2, 3}, FFCL_SHAPE_SMALL},
    {{3, 1, 2, 32}, 0},
    {{1, 1000, 7, 8}, 0},
    {{1, 2100, 2, 4}, 0},
    {{0}, 0},
};

/* Tiles of the matrix engine's kernel: 64 queries and 64 keys, for heads above 96 columns 16 of
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

/* As products: tokens and columns are multiples of 8, and there are more than 32 of both. */
static const ffcl_shape products_model[] = {
    {{2, 256, 1, 512}, 0},
    {{1, 1024, 1, 512}, 0},
    {{0}, 0},
};
static const ffcl_shape products_awkward[] = {
    {{2, 40, 1, 40}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 72, 1, 136}, FFCL_SHAPE_FILLS},
    {{2, 200, 1, 264}, 0},
    {{1, 136, 1, 64}, 0},
    {{5, 64, 1, 96}, 0},
    {{1, 4104, 1, 40}, 0},
    {{0}, 0},
};

static int kernel_of(const ffcl_case *c)
{
    return c->op->variant & ~HALF;
}

/* Scores have deviation 100: softmax picks one key or two.  More would make the result depend on
 * roundings of the scores wherever two keys tie. */
static const double large = 10.0;

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[H] * d[DH];
    ffcl_type x = c->op->variant & HALF ? FFCL_F16 : FFCL_F32;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = x, .n = n},
                          {.role = FFCL_IN, .type = x, .n = 3 * n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b t h d", d[B], d[T], d[H], d[DH]);
    if (c->fill == FFCL_FILL_LARGE)
        ffcl_case_noise(c, QKV, 0.0, large);
    else
        ffcl_case_fill(c, QKV, d[B] * d[T]);
    /* A score is off by its own rounding, and a weight by as much relative to itself; the result
     * by that times v.  Magnitudes: v, then q k; constant rows add up to sqrt(Dh) times that. */
    double size = c->fill == FFCL_FILL_LARGE ? 1.5 * large : 2.0;
    c->scale = size * (1.0 + size * size * (c->fill == FFCL_FILL_CONSTANT ? sqrt((double)d[DH])
                                                                          : 1.0));
    /* The matrix engine's second product takes its weights as half: each is off by 2^-11 of
     * itself, or where it is below the normal halves by 2^-25 of the largest weight; the sum
     * that divides is of weights before the rounding.  So the result is off by at most that much
     * of the values, of which the weighted mean is below twice the deviation.  In the first
     * product the engine cuts off where float32 rounds: four times the allowance for scores. */
    if (kernel_of(c) >= FFCL_ATTENTION_MMA) {
        double weights = 1.0 / 2048.0 + (double)d[T] / 33554432.0;
        c->scale = 4.0 * c->scale + size * weights / (double)c->op->atol;
    }
    return 0;
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

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int kind = kernel_of(c);
    ffcl_engine_level level = kind == FFCL_ATTENTION_MMA  ? FFCL_ENGINE_MMA
                              : kind > FFCL_ATTENTION_MMA ? FFCL_ENGINE_WGMMA
                                                          : FFCL_ENGINE_NONE;
    ffcl_engine_use was = ffcl_case_engine(c, (ffcl_engine_use){level, 0});
    int rc = ffcl_attention(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, QKV), d[B], d[T], d[H], d[DH],
                            c->op->variant & HALF ? FFCL_STORE_HALF : FFCL_STORE_FLOAT,
                            (ffcl_attention_variant)kind);
    ffcl_case_engine(c, was);
    return rc;
}

static const char *skip_mma(const ffcl_case *c)
{
    ffcl_ctx with = {.matrix_engine = FFCL_ENGINE_MMA};
    const char *reason = ffcl_case_no_engine(c, FFCL_ENGINE_MMA);
    if (!reason && !ffcl_attention_mma_fits(&with, c->shape.d[DH]))
        reason = "the matrix engine takes no such heads";
    return reason;
}

static const char *skip_wgmma(const ffcl_case *c)
{
    return ffcl_case_no_engine(c, FFCL_ENGINE_WGMMA);
}

static const char *skip(const ffcl_case *c)
{
    const ffcl_caps *caps = &c->ctx->device.caps;
    if (caps->local_bytes < 32768)
        return "needs 32 KB of local memory";
    return caps->max_work_group < 128 ? "needs work-groups of 128" : NULL;
}

static const char *skip_batched(const ffcl_case *c)
{
    return ffcl_attention_batched_fits(c->ctx) ? NULL
                                               : "no back end with batches of float32 products";
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_attention_cost(d[B], d[T], d[H], d[DH], c->op->variant & HALF ? FFCL_STORE_HALF
                                                                               : FFCL_STORE_FLOAT);
}

/* Sums of T weighted values, each weight an exp of 3 units in the last place.  A half result is
 * rounded by up to 2^-11 of itself. */
#define ATTENTION(kernel_name, kind, shapes, ragged, why_not, relative)                       \
    {                                                                                         \
        .name = kernel_name, .letters = "B T H Dh", .variant = kind,                          \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,       \
        .awkward = ragged, .setup = setup, .ref = ref, .at = at, .run = run, .skip = why_not, \
        .rtol = relative, .atol = 4e-7f, .cost = cost,                                        \
    }

const ffcl_op_test ffcl_test_attn_row =
    ATTENTION("attn_f32_row", FFCL_ATTENTION_ROW, model, awkward, NULL, 1e-5f);
const ffcl_op_test ffcl_test_attn_row_half =
    ATTENTION("attn_row_half", FFCL_ATTENTION_ROW | HALF, model, awkward, NULL, 5e-4f);
const ffcl_op_test ffcl_test_attn_tiled =
    ATTENTION("attn_f32_tiled", FFCL_ATTENTION_TILED, model, awkward, skip, 1e-5f);
const ffcl_op_test ffcl_test_attn_batched =
    ATTENTION("attn_f32_batched", FFCL_ATTENTION_BATCHED, batched_model, batched_awkward,
              skip_batched, 1e-5f);
const ffcl_op_test ffcl_test_mma_attention =
    ATTENTION("mma_attention", FFCL_ATTENTION_MMA | HALF, model, mma_awkward, skip_mma, 5e-4f);
const ffcl_op_test ffcl_test_wgmma_attention =
    ATTENTION("wgmma_attention", FFCL_ATTENTION_WGMMA | HALF, wgmma_model, wgmma_awkward,
              skip_wgmma, 5e-4f);
const ffcl_op_test ffcl_test_wgmma_attention_products =
    ATTENTION("wgmma_attention_products", FFCL_ATTENTION_PRODUCTS | HALF, products_model,
              products_awkward, skip_wgmma, 5e-4f);
