/* SPDX-License-Identifier: MIT */
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, GAMMA, BETA, SUMS };
enum { B, P, C, G };

/* What rows differ in.  MOMENTS: the mean and squared differences of chunks are given, as a
 * convolution leaves them. */
enum { SILU = 1, MOMENTS = 2 };

static const double eps = 1e-6;

static const ffcl_shape model[] = {
    {{1, 1024, 512, 32}, 0},
    {{1, 4096, 256, 32}, 0},            /* a sixteenth of 256 x 256 */
    {{1, 16384, 128, 32}, 0},           /* a quarter */
    {{0}, 0},
};
static const ffcl_shape kept_model[] = {{{1, 1024, 512, 32}, 0}, {{0}, 0}};

/* kept takes groups of 8, 16, 32 or so channels, up to 16384 values, */
#define KEPT                                                                                   \
    {{2, 70, 24, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},                                     \
    {{3, 17, 264, 33}, 0},                                                                     \
    {{2, 65, 1024, 32}, 0},             /* the widest of all but group */                      \
    {{1, 1, 8, 1}, 0},                                                                         \
    {{2, 2048, 16, 2}, FFCL_SHAPE_FILLS},   /* the largest group, and below one beyond */      \
    {{1, 511, 64, 2}, 0},                                                                      \
    {{1, 200, 320, 5}, 0}
/* fold any of which 64 channels are few, while chunks are not too many, */
#define FOLD                                                                                   \
    {{1, 8325, 8, 2}, FFCL_SHAPE_FILLS},                                                       \
    {{2, 2049, 16, 2}, FFCL_SHAPE_FILLS},                                                      \
    {{2, 70, 120, 5}, FFCL_SHAPE_FILLS},    /* groups across work-groups of 64 channels */     \
    {{1, 70, 240, 3}, 0}
/* wide any width that is a multiple of 8, up to 1024. */
#define WIDE                                                                                   \
    {{2, 1, 96, 32}, 0},                                                                       \
    {{2, 1000, 40, 20}, FFCL_SHAPE_FILLS},                                                     \
    {{1, 64, 8, 8}, 0},                                                                        \
    {{1, 4000, 64, 64}, 0}

static const ffcl_shape kept_awkward[] = {KEPT, {{0}, 0}};
static const ffcl_shape fold_awkward[] = {KEPT, FOLD, {{0}, 0}};
static const ffcl_shape wide_awkward[] = {KEPT, FOLD, WIDE, {{0}, 0}};
static const ffcl_shape awkward[] = {
    KEPT, FOLD, WIDE,
    {{2, 70, 12, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1000, 33, 11}, FFCL_SHAPE_FILLS},
    {{3, 17, 33, 3}, 0},
    {{1, 8325, 4, 2}, FFCL_SHAPE_FILLS},    /* 127 chunks of 66 pixels, the last shorter */
    {{1, 64, 4, 4}, 0},
    {{1, 65, 4, 1}, 0},
    {{1, 1, 4, 4}, 0},
    {{1, 65, 1032, 4}, 0},
    {{0}, 0},
};
static const ffcl_shape moments_model[] = {{{1, 4096, 512, 32}, 0}, {{0}, 0}};
#define MOMENTS_FOLD                                            \
    {{2, 6, 16, 2}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},       \
    {{2, 129, 120, 5}, FFCL_SHAPE_FILLS},                       \
    {{1, 384, 256, 32}, FFCL_SHAPE_FILLS}
#define MOMENTS_WIDE {{1, 390, 128, 128}, 0}, {{1, 1200, 64, 8}, 0}
static const ffcl_shape moments_fold_awkward[] = {MOMENTS_FOLD, {{0}, 0}};
static const ffcl_shape moments_wide_awkward[] = {MOMENTS_FOLD, MOMENTS_WIDE, {{0}, 0}};
static const ffcl_shape moments_awkward[] = {
    MOMENTS_FOLD, MOMENTS_WIDE, {{3, 30, 12, 3}, 0}, {{0}, 0},
};

/* Equal chunks of an image where its moments are given. */
static size_t chunks_of(const size_t *d)
{
    return d[P] % 3 ? 32 : d[P] / 3;
}

/* SUMS from X. */
static void take_moments(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t chunks = chunks_of(d), each = d[P] / chunks, width = d[C] / d[G];
    float *to = ffcl_f32(c, SUMS);
    for (size_t b = 0; b < d[B]; b++)
        for (size_t g = 0; g < d[G]; g++)
            for (size_t i = 0; i < chunks; i++) {
                const float *x = ffcl_f32(c, X) + (b * d[P] + i * each) * d[C] + g * width;
                double mean = 0.0, squares = 0.0;
                for (size_t e = 0; e < each * width; e++)
                    mean += (double)x[e / width * d[C] + e % width] / (double)(each * width);
                for (size_t e = 0; e < each * width; e++) {
                    double diff = (double)x[e / width * d[C] + e % width] - mean;
                    squares += diff * diff;
                }
                *to++ = (float)mean;
                *to++ = (float)squares;
            }
}

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const size_t n = d[B] * d[P] * d[C];
    const ffcl_operand list[] = {
        {.role = FFCL_OUT, .dtype = c->row->dtype, .n = n},
        {.role = FFCL_IN, .dtype = c->row->dtype, .n = n},
        {.role = FFCL_IN, .n = d[C]},
        {.role = FFCL_IN, .n = d[C]},
        {.role = FFCL_IN, .n = d[B] * d[G] * chunks_of(d) * 2},
    };
    ffcl_case_operands(c, list, c->row->uses & MOMENTS ? 5 : 4);
    ffcl_case_axes(c, "b p c", d[B], d[P], d[C], 0);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, X, d[B]);
    ffcl_case_noise(c, GAMMA, 1.0, 0.5);
    ffcl_case_noise(c, BETA, 0.0, 0.5);
    if (c->row->uses & MOMENTS)
        take_moments(c);
    c->scale = ffcl_case_norm_scale(c, d[P] * d[C] / d[G], eps);
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_groupnorm(c->want, ffcl_f32(c, X), ffcl_f32(c, GAMMA), ffcl_f32(c, BETA), d[B], d[P],
                       d[C], d[G], eps, c->row->uses & SILU);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    call->groupnorm = (ffcl_groupnorm_desc){
        .out = ffcl_case_dense(c, OUT, d[B], d[P], d[C]),
        .x = ffcl_case_dense(c, X, d[B], d[P], d[C]),
        .gamma = ffcl_case_dense(c, GAMMA, 1, 1, d[C]),
        .beta = ffcl_case_dense(c, BETA, 1, 1, d[C]), .groups = d[G], .eps = (float)eps,
        .act = c->row->uses & SILU ? FFCL_ACT_SILU : FFCL_ACT_NONE};
    if (c->row->uses & MOMENTS) {
        call->moments = ffcl_case_dense(c, SUMS, d[B], d[G], 2 * chunks_of(d));
        call->groupnorm.moments = &call->moments;
    }
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    const size_t pixels = of->R * of->R;
    size_t n = 0;
    if (!(row->uses & SILU)) {
        to[n++] = (ffcl_use){"VAE attention norm",
                             {{of->B, pixels, FFCL_VAE_MID, FFCL_VAE_GROUPS}, 0}};
        return n;
    }
    for (const ffcl_model_norm *m = ffcl_model_norms; m->role; m++)
        to[n++] = (ffcl_use){m->role, {{of->B, m->scale * m->scale * pixels, m->channels,
                                        FFCL_VAE_GROUPS}, 0}};
    return n;
}

/* As for layer norm; the mean is combined from up to 128 chunks. */
#define NORM(row_name, by, what, type, shapes, ragged, role, relative)                        \
    {                                                                                         \
        .name = row_name, .letters = "B P C G", .dtype = type, .uses = what,                  \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,          \
        .model = shapes, .awkward = ragged, .operands = operands, .fill = fill, .ref = ref,   \
        .rtol = relative, .atol = 3e-6f, .describe = describe, .op = FFCL_OP_GROUPNORM,       \
        .variant = by, .used = role,                                                          \
    }
#define FLOAT(name, by, what, shapes, ragged) \
    NORM(name, by, what, FFCL_F32, shapes, ragged, used, 1e-5f)
#define HALF(name, by, what, shapes, ragged) \
    NORM(name, by, what, FFCL_F16, shapes, ragged, used, 5e-4f)
#define FLOAT_MOMENTS(name, by, ragged) \
    NORM(name, by, MOMENTS | SILU, FFCL_F32, moments_model, ragged, NULL, 1e-5f)
#define HALF_MOMENTS(name, by, ragged) \
    NORM(name, by, MOMENTS, FFCL_F16, moments_model, ragged, NULL, 5e-4f)

const ffcl_row ffcl_rows_of_groupnorm[] = {
    FLOAT("groupnorm", "row", 0, model, awkward),
    FLOAT("groupnorm_silu", "row", SILU, model, awkward),
    FLOAT_MOMENTS("groupnorm_moments", "row", moments_awkward),
    FLOAT("groupnorm_group", "group", 0, model, awkward),
    FLOAT("groupnorm_silu_group", "group", SILU, model, awkward),
    FLOAT_MOMENTS("groupnorm_moments_group", "group", moments_awkward),
    FLOAT("groupnorm_wide", "wide", 0, model, wide_awkward),
    FLOAT("groupnorm_silu_wide", "wide", SILU, model, wide_awkward),
    FLOAT_MOMENTS("groupnorm_moments_wide", "wide", moments_wide_awkward),
    FLOAT("groupnorm_fold", "fold", 0, model, fold_awkward),
    FLOAT("groupnorm_silu_fold", "fold", SILU, model, fold_awkward),
    FLOAT_MOMENTS("groupnorm_moments_fold", "fold", moments_fold_awkward),
    FLOAT("groupnorm_kept", "kept", 0, kept_model, kept_awkward),
    FLOAT("groupnorm_silu_kept", "kept", SILU, kept_model, kept_awkward),
    HALF("groupnorm_half", "row", 0, model, awkward),
    HALF("groupnorm_silu_half", "row", SILU, model, awkward),
    HALF_MOMENTS("groupnorm_moments_half", "row", moments_awkward),
    HALF("groupnorm_group_half", "group", 0, model, awkward),
    HALF("groupnorm_silu_group_half", "group", SILU, model, awkward),
    HALF_MOMENTS("groupnorm_moments_group_half", "group", moments_awkward),
    HALF("groupnorm_wide_half", "wide", 0, model, wide_awkward),
    HALF("groupnorm_silu_wide_half", "wide", SILU, model, wide_awkward),
    HALF_MOMENTS("groupnorm_moments_wide_half", "wide", moments_wide_awkward),
    HALF("groupnorm_fold_half", "fold", 0, model, fold_awkward),
    HALF("groupnorm_silu_fold_half", "fold", SILU, model, fold_awkward),
    HALF_MOMENTS("groupnorm_moments_fold_half", "fold", moments_fold_awkward),
    HALF("groupnorm_kept_half", "kept", 0, kept_model, kept_awkward),
    HALF("groupnorm_silu_kept_half", "kept", SILU, kept_model, kept_awkward),
    {.name = NULL},
};
