/* SPDX-License-Identifier: MIT */
#include <math.h>

#include "ops/ops.h"
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

/* Scores have deviation 100: softmax picks one key or two.  More would make the result depend on
 * roundings of the scores wherever two keys tie. */
static const double large = 10.0;

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[H] * d[DH];
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .n = n}, {.role = FFCL_IN, .n = 3 * n});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b t h d", d[B], d[T], d[H], d[DH]);
    if (c->fill == FFCL_FILL_LARGE)
        ffcl_case_noise(c, QKV, 0.0, large);
    else
        ffcl_case_fill(c, QKV, d[B] * d[T]);
    /* A score is off by its own rounding, and a weight by as much relative to itself; the result
     * by that times v.  Magnitudes: v, then q k; constant rows add up to sqrt(Dh) times that. */
    double x = c->fill == FFCL_FILL_LARGE ? 1.5 * large : 2.0;
    c->scale = x * (1.0 + x * x * (c->fill == FFCL_FILL_CONSTANT ? sqrt((double)d[DH]) : 1.0));
    return 0;
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_attention(c->want, ffcl_f32(c, QKV), d[B], d[T], d[H], d[DH]);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_attention(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, QKV), d[B], d[T], d[H], d[DH],
                          FFCL_STORE_FLOAT, (ffcl_attention_variant)c->op->variant);
}

static const char *skip(const ffcl_case *c)
{
    const ffcl_caps *caps = &c->ctx->device.caps;
    if (caps->local_bytes < 32768)
        return "needs 32 KB of local memory";
    return caps->max_work_group < 128 ? "needs work-groups of 128" : NULL;
}

/* Two products of T x T x Dh a head; softmax not counted, as is usual. */
static double flops(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return 4.0 * (double)d[B] * (double)d[H] * (double)d[T] * (double)d[T] * (double)d[DH];
}

static double bytes(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return 16.0 * (double)d[B] * (double)d[T] * (double)d[H] * (double)d[DH];
}

/* Sums of T weighted values, each weight an exp of 3 units in the last place. */
#define ATTENTION(kernel_name, kind, why_not)                                                   \
    {                                                                                           \
        .name = kernel_name, .letters = "B T H Dh", .variant = kind,                            \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = model,          \
        .awkward = awkward, .setup = setup, .ref = ref, .run = run, .skip = why_not,            \
        .rtol = 1e-5f, .atol = 4e-7f, .flops = flops, .bytes = bytes,                           \
    }

const ffcl_op_test ffcl_test_attn_row = ATTENTION("attn_f32_row", FFCL_ATTENTION_ROW, NULL);
const ffcl_op_test ffcl_test_attn_tiled = ATTENTION("attn_f32_tiled", FFCL_ATTENTION_TILED, skip);
