/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, MOD, WEIGHTS };
enum { B, T, D, LD, SHIFT, SCALE, PARTIAL };

/* What a row computes, as `uses`; STREAM: of a residual's two results the stream is compared. */
enum { RMS = 1, WEIGHT = 2, NO_SHIFT = 4, NO_SCALE = 8, NO_BIAS = 16, STREAM = 32 };

static const double eps = 1e-6;

static int uses(const ffcl_case *c, int what)
{
    return (c->row->uses & what) != 0;
}

/* What the reference computes, of weights and modulations of these operands. */
static void refer(ffcl_case *c, const float *x, size_t mod, size_t weight)
{
    const size_t *d = c->shape.d;
    const int shifts = !uses(c, NO_SHIFT | NO_SCALE);
    ffcl_ref_norm(c->want, x,
                  &(ffcl_ref_norm_desc){
                      .weight = uses(c, WEIGHT) ? ffcl_f32(c, weight) : NULL,
                      .shift = shifts ? ffcl_f32(c, mod) + d[SHIFT] : NULL,
                      .scale = uses(c, NO_SCALE) ? NULL : ffcl_f32(c, mod) + d[SCALE],
                      .mod_ld = d[LD], .B = d[B], .T = d[T], .D = d[D], .rms = uses(c, RMS),
                      .eps = eps});
}

/* Sets what the call norms with. */
static void describe_norm(const ffcl_case *c, ffcl_call *call, size_t mod_operand,
                          size_t weight_operand)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor mod = ffcl_case_dense(c, mod_operand, d[B], 1, d[LD]);
    call->layernorm.norm = uses(c, RMS) ? FFCL_NORM_RMS : FFCL_NORM_LAYER;
    call->layernorm.eps = (float)eps;
    if (!uses(c, NO_SHIFT | NO_SCALE))
        call->layernorm.shift = ffcl_cols(mod, d[SHIFT], d[D]);
    if (!uses(c, NO_SCALE))
        call->layernorm.scale = ffcl_cols(mod, d[SCALE], d[D]);
    if (uses(c, WEIGHT))
        call->layernorm.weight = ffcl_case_dense(c, weight_operand, 1, 1, d[D]);
}

/* The size of a result's terms, relative to which it is rounded: RMS norm subtracts no mean. */
static double norm_scale(const ffcl_case *c)
{
    return uses(c, RMS) ? 1.0 : ffcl_case_norm_scale(c, c->shape.d[D], eps);
}

static const ffcl_shape model[] = {
    {{2, 256, 1152, 6912, 3456, 4608}, 0},
    {{2, 256, 1152, 2304, 0, 1152}, 0},
    {{20, 256, 1152, 6912, 3456, 4608}, 0},     /* four rows a work-group on 132 units */
    {{0}, 0},
};
/* kept takes multiples of 4, up to 4096. */
#define KEPT                                                                                  \
    {{1, 1, 384, 768, 0, 384}, FFCL_SHAPE_FILLS},                                             \
    {{3, 17, 1000, 2001, 1000, 1}, FFCL_SHAPE_FILLS},                                         \
    {{2, 3, 8, 17, 9, 1}, FFCL_SHAPE_SMALL},                                                  \
    {{1, 3, 2048, 4099, 2050, 1}, 0},       /* the longest row of 64 work-items, one beyond */ \
    {{1, 3, 2052, 4104, 0, 2052}, 0},                                                         \
    {{2, 2, 4096, 8192, 4096, 0}, FFCL_SHAPE_FILLS},                                          \
    {{10, 130, 68, 136, 68, 0}, FFCL_SHAPE_FILLS},          /* on 132 units two rows, */      \
    {{41, 52, 68, 140, 70, 1}, FFCL_SHAPE_FILLS},           /* four, */                       \
    {{61, 27, 68, 136, 0, 68}, 0}                           /* and one */

static const ffcl_shape kept_awkward[] = {KEPT, {{0}, 0}};
static const ffcl_shape awkward[] = {
    KEPT,
    {{2, 3, 65, 140, 66, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1000, 33, 66, 33, 0}, 0},
    {{5, 7, 5, 11, 1, 6}, 0},
    {{7, 1, 257, 600, 300, 11}, 0},
    {{5, 7, 7, 14, 7, 0}, FFCL_SHAPE_FILLS},
    {{2, 2, 4100, 8200, 0, 4100}, FFCL_SHAPE_FILLS},
    {{1, 3, 5000, 10001, 1, 5001}, 0},
    {{0}, 0},
};

/* Of the rows that compute another norm by the same kernels: what differs is in the columns. */
static const ffcl_shape other_model[] = {{{2, 256, 1152, 6912, 3456, 4608}, 0}, {{0}, 0}};
static const ffcl_shape other_kept[] = {
    {{3, 17, 1000, 2001, 1000, 1}, FFCL_SHAPE_FILLS},
    {{2, 3, 8, 17, 9, 1}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{41, 52, 68, 140, 70, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape other_awkward[] = {
    {{3, 17, 1000, 2001, 1000, 1}, FFCL_SHAPE_FILLS},
    {{2, 3, 65, 140, 66, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{5, 7, 5, 11, 1, 6}, 0},
    {{0}, 0},
};

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[D];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = n}, {.role = FFCL_IN, .n = n},
                  {.role = FFCL_IN, .n = d[B] * d[LD]}, {.role = FFCL_IN, .n = d[D]});
    ffcl_case_axes(c, "b t d", d[B], d[T], d[D], 0);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, X, d[B] * d[T]);
    ffcl_case_noise(c, MOD, 0.0, 0.5);
    ffcl_case_noise(c, WEIGHTS, 1.0, 0.5);
    c->scale = norm_scale(c);
}

static void ref(ffcl_case *c)
{
    refer(c, ffcl_f32(c, X), MOD, WEIGHTS);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    call->layernorm = (ffcl_layernorm_desc){.out = ffcl_case_dense(c, OUT, d[B], d[T], d[D]),
                                            .x = ffcl_case_dense(c, X, d[B], d[T], d[D])};
    describe_norm(c, call, MOD, WEIGHTS);
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    enum { WIDTH = FFCL_XL_WIDTH };
    (void)row;
    to[0] = (ffcl_use){"norm", {{of->B, ffcl_xl_tokens(of), WIDTH, 6 * WIDTH, 3 * WIDTH,
                                 4 * WIDTH}, 0}};
    return 1;
}

/* Mean and deviation carry a few float roundings of sums of D terms, shrunk by the tree sum; the
 * part that cancels is in the scale.  Half storage adds half a unit in its last place, 2^-11. */
#define ROW(row_name, what, by, type, usual, ragged, relative, use)                          \
    {                                                                                        \
        .name = row_name, .letters = "B T D ld shift scale", .dtype = type, .uses = (what),  \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,         \
        .model = usual, .awkward = ragged, .operands = operands, .fill = fill, .ref = ref,   \
        .rtol = relative, .atol = 3e-6f, .describe = describe, .op = FFCL_OP_LAYERNORM,      \
        .variant = by, .used = use,                                                          \
    }
#define LAYERNORM(row_name, by, type, ragged, relative) \
    ROW(row_name, 0, by, type, model, ragged, relative, used)
#define NORM(row_name, what, by, type, ragged, relative) \
    ROW(row_name, what, by, type, other_model, ragged, relative, NULL)
/* RMS norm with weight, modulated (LightningDiT) and alone (iMF). */
#define RMS_MOD (RMS | WEIGHT)
#define RMS_ALONE (RMS | WEIGHT | NO_SCALE)

/* ---- of a residual stream that a GEMM left in partial sums ----------------------------------- */

static const ffcl_shape residual_model[] = {
    {{1, 256, 1152, 6912, 3456, 4608, 8}, 0},
    {{2, 256, 1152, 2304, 0, 1152, 4}, 0},
    {{0}, 0},
};
static const ffcl_shape residual_awkward[] = {
    {{2, 3, 68, 140, 72, 0, 2}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 17, 1000, 3004, 1000, 4, 3}, FFCL_SHAPE_FILLS},
    {{5, 7, 4, 12, 4, 8, 1}, 0},
    {{1, 3, 8192, 24576, 8192, 0, 2}, FFCL_SHAPE_FILLS},    /* the longest */
    {{61, 28, 68, 204, 0, 68, 2}, 0},                       /* several rows a work-group */
    {{0}, 0},
};

/* Operands of these rows. */
enum { ADD = 1, SUMS = 3, BIAS, NORM_WEIGHT };

/* The gate's columns are the last D of a row of mod. */
static size_t gate_at(const size_t *d)
{
    return d[LD] - d[D];
}

static void residual_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[D];
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = n}, {.role = FFCL_IN, .n = n},
                  {.role = FFCL_IN, .n = d[B] * d[LD]},
                  {.role = FFCL_IN, .n = d[PARTIAL] * n}, {.role = FFCL_IN, .n = d[D]},
                  {.role = FFCL_IN, .n = d[D]});
    ffcl_case_axes(c, "b t d", d[B], d[T], d[D], 0);
}

static void residual_fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_case_fill(c, ADD, d[B] * d[T]);
    ffcl_case_fill(c, SUMS, d[PARTIAL] * d[B] * d[T]);
    ffcl_case_noise(c, MOD, 0.0, 0.5);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, NORM_WEIGHT, 1.0, 0.5);
    /* A term of x is rounded at the size of the largest, and a norm makes that relative. */
    c->scale = 1.0 + ffcl_case_magnitude(c) * (double)d[PARTIAL];
    if (!uses(c, STREAM))
        c->scale = ffcl_case_norm_scale(c, d[D], eps);
}

static void residual_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d, rows = d[B] * d[T];
    ffcl_ref_residual(c->want, ffcl_f32(c, ADD), ffcl_f32(c, SUMS), d[PARTIAL],
                      uses(c, NO_BIAS) ? NULL : ffcl_f32(c, BIAS), ffcl_f32(c, MOD) + gate_at(d),
                      d[LD], d[T], rows, d[D]);
    float *x = uses(c, STREAM) ? NULL : malloc(rows * d[D] * sizeof *x);
    for (size_t e = 0; x && e < rows * d[D]; e++)
        x[e] = (float)c->want[e];
    if (x)
        refer(c, x, MOD, NORM_WEIGHT);
    free(x);
}

/* The result that is not compared has no buffer yet. */
static void residual_describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor mod = ffcl_case_dense(c, MOD, d[B], 1, d[LD]);
    const ffcl_tensor result = ffcl_case_dense(c, OUT, d[B], d[T], d[D]);
    const ffcl_tensor other = ffcl_tensor_of(FFCL_F32, d[B], d[T], d[D]);
    const int stream = uses(c, STREAM);
    call->residual = (ffcl_residual){
        .partial = ffcl_case_dense(c, SUMS, d[PARTIAL], d[B] * d[T], d[D]),
        .bias = ffcl_case_dense(c, BIAS, 1, 1, uses(c, NO_BIAS) ? 0 : d[D]),
        .add = ffcl_case_dense(c, ADD, d[B], d[T], d[D]),
        .gate = ffcl_cols(mod, gate_at(d), d[D])};
    call->layernorm = (ffcl_layernorm_desc){
        .out = stream ? other : result, .x = stream ? result : other,
        .residual = &call->residual};
    describe_norm(c, call, MOD, NORM_WEIGHT);
}

/* The result that is not compared goes to scratch memory. */
static void residual_run(ffcl_case *c)
{
    ffcl_call call;
    residual_describe(c, &call);
    ffcl_tensor *other = uses(c, STREAM) ? &call.layernorm.out : &call.layernorm.x;
    *other = ffcl_take(c->ctx, *other);
    ffcl_case_call(c, &call);
    ffcl_give(c->ctx, other);
}

/* Data of a large offset is left out: a sum of parts of it cancels in the norm by their number. */
#define RESIDUAL(row_name, what, type, relative, absolute)                                      \
    {                                                                                           \
        .name = row_name, .letters = "B T D ld shift scale parts", .dtype = type,               \
        .uses = (what), .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = residual_model, \
        .awkward = residual_awkward, .operands = residual_operands, .fill = residual_fill,      \
        .ref = residual_ref, .rtol = relative, .atol = absolute,                                \
        .describe = residual_describe, .op = FFCL_OP_LAYERNORM, .variant = "kept",              \
        .run = residual_run,                                                                    \
    }

const ffcl_row ffcl_rows_of_layernorm[] = {
    LAYERNORM("layernorm_modulate", "row", FFCL_F32, awkward, 1e-5f),
    NORM("rmsnorm_modulate", RMS_MOD, "row", FFCL_F32, other_awkward, 1e-5f),
    NORM("rmsnorm", RMS_ALONE, "row", FFCL_F32, other_awkward, 1e-5f),
    NORM("layernorm_scale", NO_SHIFT, "row", FFCL_F32, other_awkward, 1e-5f),
    RESIDUAL("layernorm_residual", 0, FFCL_F32, 1e-5f, 6e-6f),
    RESIDUAL("layernorm_residual_stream", STREAM, FFCL_F32, 1e-6f, 5e-7f),
    RESIDUAL("rmsnorm_residual", RMS_ALONE | NO_BIAS, FFCL_F32, 1e-5f, 6e-6f),
    RESIDUAL("rmsnorm_residual_stream", RMS_MOD | STREAM | NO_BIAS, FFCL_F32, 1e-6f, 5e-7f),
    LAYERNORM("layernorm_modulate_group", "group", FFCL_F32, awkward, 1e-5f),
    NORM("rmsnorm_modulate_group", RMS_MOD, "group", FFCL_F32, other_awkward, 1e-5f),
    NORM("rmsnorm_group", RMS_ALONE, "group", FFCL_F32, other_awkward, 1e-5f),
    NORM("layernorm_scale_group", NO_SHIFT, "group", FFCL_F32, other_awkward, 1e-5f),
    LAYERNORM("layernorm_modulate_kept", "kept", FFCL_F32, kept_awkward, 1e-5f),
    NORM("rmsnorm_modulate_kept", RMS_MOD, "kept", FFCL_F32, other_kept, 1e-5f),
    NORM("rmsnorm_kept", RMS_ALONE, "kept", FFCL_F32, other_kept, 1e-5f),
    NORM("layernorm_scale_kept", NO_SHIFT, "kept", FFCL_F32, other_kept, 1e-5f),
    LAYERNORM("layernorm_modulate_half", "row", FFCL_F16, awkward, 5e-4f),
    NORM("rmsnorm_modulate_half", RMS_MOD | NO_SHIFT, "row", FFCL_F16, other_awkward, 5e-4f),
    NORM("rmsnorm_half", RMS_ALONE, "row", FFCL_F16, other_awkward, 5e-4f),
    RESIDUAL("layernorm_residual_half", 0, FFCL_F16, 5e-4f, 6e-6f),
    RESIDUAL("rmsnorm_residual_half", RMS_MOD | NO_BIAS, FFCL_F16, 5e-4f, 6e-6f),
    LAYERNORM("layernorm_modulate_group_half", "group", FFCL_F16, awkward, 5e-4f),
    NORM("rmsnorm_group_half", RMS_ALONE, "group", FFCL_F16, other_awkward, 5e-4f),
    LAYERNORM("layernorm_modulate_kept_half", "kept", FFCL_F16, kept_awkward, 5e-4f),
    NORM("rmsnorm_modulate_kept_half", RMS_MOD | NO_SHIFT, "kept", FFCL_F16, other_kept, 5e-4f),
    NORM("rmsnorm_kept_half", RMS_ALONE, "kept", FFCL_F16, other_kept, 5e-4f),
    {.name = NULL},
};
