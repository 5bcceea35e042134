/* SPDX-License-Identifier: MIT
 * Latents into tokens, and the GEMM that writes tokens as a latent. */
#include <math.h>

#include "../ref/ref.h"
#include "ops/cost.h"
#include "registry.h"

enum { OUT, IN, WEIGHT, BIAS, POS };
enum { B, C, COUT, R, P, D };
enum { WITH_POS = 1 };              /* a row's uses */

static const ffcl_shape model[] = {
    {{2, 4, 4, 32, 2, 1152}, 0},
    {{1, 4, 8, 32, 2, 1152}, 0},
    {{2, 4, 4, 64, 4, 768}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 3, 5, 6, 3, 20}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 1, 1, 4}, FFCL_SHAPE_FILLS},
    {{3, 4, 4, 10, 2, 260}, 0},
    {{2, 12, 33, 35, 5, 132}, 0},
    {{1, 4, 8, 8, 8, 64}, 0},
    {{3, 3, 4, 6, 2, 48}, FFCL_SHAPE_FILLS},    /* whole vectors of 16 columns */
    {{1, 2, 48, 5, 1, 16}, 0},
    {{0}, 0},
};

static size_t side(const size_t *d)
{
    return d[R] / d[P];
}

static size_t tokens(const size_t *d)
{
    return side(d) * side(d);
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    to[0] = (ffcl_use){row->describe ? "final" : "patches",
                       {{of->B, FFCL_XL_CHANNELS, FFCL_XL_CHANNELS, of->R, FFCL_XL_PATCH,
                         FFCL_XL_WIDTH}, 0}};
    return 1;
}

/* ---- patch_embed */

static void embed_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t K = d[C] * d[P] * d[P], T = tokens(d);
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[B] * T * d[D]},
                  {.role = FFCL_IN, .n = d[B] * d[C] * d[R] * d[R]},
                  {.role = FFCL_IN, .n = K * d[D]}, {.role = FFCL_IN, .n = d[D]},
                  {.role = FFCL_IN, .n = T * d[D]});
    ffcl_case_axes(c, "b t d", d[B], T, d[D], 0);
}

static void embed_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d, K = d[C] * d[P] * d[P];
    ffcl_case_fill(c, IN, d[B]);
    ffcl_case_noise(c, WEIGHT, 0.0, 1.0 / sqrt((double)K));
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, POS, 0.0, 1.0);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt((double)K);
}

static void embed_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_patch_embed(c->want, ffcl_f32(c, IN), ffcl_f32(c, WEIGHT), ffcl_f32(c, BIAS),
                         c->row->uses & WITH_POS ? ffcl_f32(c, POS) : NULL, d[B], d[C], d[R],
                         d[P], d[D]);
}

static ffcl_tensor latent_of(const ffcl_case *c, size_t i)
{
    const size_t *d = c->shape.d;
    ffcl_tensor t = ffcl_case_dense(c, i, d[B], d[C], d[R] * d[R]);
    t.width = d[R];
    return t;
}

static void embed_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor x = ffcl_case_dense(c, OUT, d[B], tokens(d), d[D]), z = latent_of(c, IN);
    const ffcl_tensor w = ffcl_case_dense(c, WEIGHT, 1, d[C] * d[P] * d[P], d[D]);
    const ffcl_tensor bias = ffcl_case_dense(c, BIAS, 1, 1, d[D]);
    const ffcl_tensor pos = ffcl_case_dense(c, POS, 1, tokens(d), d[D]);
    ffcl_patch_embed(c->ctx, &x, &z, &w, &bias, c->row->uses & WITH_POS ? &pos : NULL, d[P]);
}

static ffcl_cost embed_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor x = ffcl_case_dense(c, OUT, d[B], tokens(d), d[D]), z = latent_of(c, IN);
    const ffcl_tensor pos = ffcl_case_dense(c, POS, 1, tokens(d), d[D]);
    return ffcl_patch_embed_cost(&x, &z, c->row->uses & WITH_POS ? &pos : NULL, d[P]);
}

/* ---- the GEMM that writes a latent */

static void unpatch_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t N = d[P] * d[P] * d[COUT];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .n = d[B] * d[C] * d[R] * d[R]},
                  {.role = FFCL_IN, .n = d[B] * tokens(d) * d[D]},
                  {.role = FFCL_IN, .n = d[D] * N}, {.role = FFCL_IN, .n = N});
    ffcl_case_axes(c, "b c y x", d[B], d[C], d[R], d[R]);
}

static void unpatch_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, IN, d[B]);
    ffcl_case_noise(c, WEIGHT, 0.0, 1.0 / sqrt((double)d[D]));
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt((double)d[D]);
}

static void unpatch_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_unpatch(c->want, ffcl_f32(c, IN), ffcl_f32(c, WEIGHT), ffcl_f32(c, BIAS), d[B], d[C],
                     d[COUT], d[R], d[P], d[D]);
}

static void unpatch_describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d, N = d[P] * d[P] * d[COUT];
    call->bias = ffcl_case_dense(c, BIAS, 1, 1, N);
    call->unpatch = (ffcl_unpatch){d[C], d[COUT], d[R], d[P]};
    call->gemm = (ffcl_matmul){
        .out = latent_of(c, OUT), .a = ffcl_case_dense(c, IN, d[B], tokens(d), d[D]),
        .w = ffcl_case_dense(c, WEIGHT, 1, d[D], N), .bias = &call->bias, .skinny = 1,
        .unpatch = &call->unpatch};
}

/* Both are sums as gemm's. */
#define SUMS(row_name)                                                                            \
    .name = row_name, .letters = "B C Cout R p D",                                                \
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = model,                \
    .awkward = awkward, .rtol = 1e-5f, .atol = 6e-7f
#define EMBED(row_name, what, role)                                                               \
    {                                                                                             \
        SUMS(row_name), .uses = what, .operands = embed_operands, .fill = embed_fill,             \
        .ref = embed_ref, .run = embed_run, .cost = embed_cost, .used = role,                     \
    }
/* columns: divided as for so many compute units. */
#define UNPATCH(row_name, by, columns, role)                                                      \
    {                                                                                             \
        SUMS(row_name), .units = columns, .operands = unpatch_operands, .fill = unpatch_fill,     \
        .ref = unpatch_ref, .describe = unpatch_describe, .op = FFCL_OP_GEMM,                     \
        .variant = by, .used = role,                                                              \
    }

const ffcl_row ffcl_rows_of_patches[] = {
    EMBED("patch_embed", 0, NULL),
    EMBED("patch_embed_pos", WITH_POS, used),
    UNPATCH("skinny_unpatch", "skinny", 0, used),
    UNPATCH("skinny_unpatch_many", "skinny", 132, NULL),
    UNPATCH("unpatch_row", "unpatch-row", 0, used),
    {.name = NULL},
};
