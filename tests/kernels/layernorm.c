/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, MOD };
enum { B, T, D, LD, SHIFT, SCALE, PARTS };
/* Beside the storage in a row's variant: the kernels of work-groups, on CPUs as well. */
enum { AS_GPU = 16 };

static const double eps = 1e-6;

static const ffcl_shape model[] = {
    {{2, 256, 1152, 6912, 3456, 4608}, 0},
    {{2, 256, 1152, 2304, 0, 1152}, 0},
    {{20, 256, 1152, 6912, 3456, 4608}, 0},     /* four rows a work-group on 132 units */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 3, 65, 140, 66, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 17, 1000, 2001, 1000, 1}, FFCL_SHAPE_FILLS},
    {{1, 1, 384, 768, 0, 384}, FFCL_SHAPE_FILLS},
    {{1, 1000, 33, 66, 33, 0}, 0},
    {{5, 7, 5, 11, 1, 6}, 0},
    {{7, 1, 257, 600, 300, 11}, 0},
    {{5, 7, 7, 14, 7, 0}, FFCL_SHAPE_FILLS},
    {{2, 3, 8, 17, 9, 1}, FFCL_SHAPE_SMALL},
    {{1, 3, 2048, 4099, 2050, 1}, 0},       /* the longest row of 64 items, one beyond */
    {{1, 3, 2052, 4104, 0, 2052}, 0},
    {{2, 2, 4096, 8192, 4096, 0}, FFCL_SHAPE_FILLS},        /* the longest kept in registers */
    {{2, 2, 4100, 8200, 0, 4100}, FFCL_SHAPE_FILLS},
    {{1, 3, 5000, 10001, 1, 5001}, 0},
    {{10, 130, 68, 136, 68, 0}, FFCL_SHAPE_FILLS},          /* on 132 units two rows, */
    {{41, 52, 68, 140, 70, 1}, FFCL_SHAPE_FILLS},           /* four, */
    {{61, 27, 68, 136, 0, 68}, 0},                          /* and one */
    {{0}, 0},
};

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[D];
    ffcl_type out = (c->op->variant & ~AS_GPU) == FFCL_STORE_HALF ? FFCL_F16 : FFCL_F32;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = out, .n = n}, {.role = FFCL_IN, .n = n},
                          {.role = FFCL_IN, .n = d[B] * d[LD]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b t d", d[B], d[T], d[D], 0);
    ffcl_case_fill(c, X, d[B] * d[T]);
    ffcl_case_noise(c, MOD, 0.0, 0.5);
    c->scale = ffcl_case_norm_scale(c, d[D], eps);
    return 0;
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_layernorm_modulate(c->want, ffcl_f32(c, X), ffcl_f32(c, MOD), d[LD], d[SHIFT],
                                d[SCALE], d[B], d[T], d[D], eps);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_modulation mod = {ffcl_mem(c, MOD), d[LD], d[SHIFT], d[SCALE]};
    cl_device_type *type = &c->ctx->device.caps.type, was = *type;
    if (c->op->variant & AS_GPU)
        *type = CL_DEVICE_TYPE_GPU;
    int rc = ffcl_layernorm_modulate(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), &mod, d[B], d[T],
                                     d[D], (float)eps, (ffcl_store)(c->op->variant & ~AS_GPU));
    *type = was;
    return rc;
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_layernorm_cost(d[B], d[T], d[D], (ffcl_store)(c->op->variant & ~AS_GPU));
}

/* Mean and deviation carry a few float roundings of sums of D terms, shrunk by the tree sum; the
 * part that cancels is in the scale.  Half storage adds half a unit in its last place, 2^-11. */
#define LAYERNORM(row_name, store, relative)                                         \
    {                                                                                \
        .name = row_name, .letters = "B T D ld shift scale", .variant = store,       \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT, \
        .model = model, .awkward = awkward, .setup = setup, .ref = ref, .run = run,  \
        .rtol = relative, .atol = 3e-6f, .cost = cost,                               \
    }

const ffcl_op_test ffcl_test_layernorm_modulate =
    LAYERNORM("layernorm_modulate", FFCL_STORE_FLOAT, 1e-5f);
const ffcl_op_test ffcl_test_layernorm_modulate_group =
    LAYERNORM("layernorm_modulate_group", FFCL_STORE_FLOAT | AS_GPU, 1e-5f);
const ffcl_op_test ffcl_test_layernorm_modulate_group_half =
    LAYERNORM("layernorm_modulate_group_half", FFCL_STORE_HALF | AS_GPU, 5e-4f);
const ffcl_op_test ffcl_test_layernorm_modulate_half =
    LAYERNORM("layernorm_modulate_half", FFCL_STORE_HALF, 5e-4f);

/* ---- of a residual stream that a product left in parts -------------------------------------- */

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

/* Tensors of these rows, and their variants: what of the kernel's two results is compared. */
enum { ADD = 1, PART = 3, BIAS };
enum { NORM, NORM_HALF, STREAM };

/* The gate's columns are the last D of a row of mod. */
static size_t gate_at(const size_t *d)
{
    return d[LD] - d[D];
}

static int residual_setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[T] * d[D];
    ffcl_type out = c->op->variant == NORM_HALF ? FFCL_F16 : FFCL_F32;
    int rc = FFCL_TENSORS(c, {.role = FFCL_OUT, .type = out, .n = n}, {.role = FFCL_IN, .n = n},
                          {.role = FFCL_IN, .n = d[B] * d[LD]},
                          {.role = FFCL_IN, .n = d[PARTS] * n}, {.role = FFCL_IN, .n = d[D]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "b t d", d[B], d[T], d[D], 0);
    ffcl_case_fill(c, ADD, d[B] * d[T]);
    ffcl_case_fill(c, PART, d[PARTS] * d[B] * d[T]);
    ffcl_case_noise(c, MOD, 0.0, 0.5);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    /* A term of x is rounded at the size of the largest, and a norm makes that relative. */
    c->scale = 1.0 + ffcl_case_magnitude(c) * (double)d[PARTS];
    if (c->op->variant != STREAM)
        c->scale = ffcl_case_norm_scale(c, d[D], eps);
    return 0;
}

static void residual_ref(ffcl_case *c)
{
    const size_t *d = c->shape.d, rows = d[B] * d[T];
    ffcl_ref_residual(c->want, ffcl_f32(c, ADD), ffcl_f32(c, PART), d[PARTS], ffcl_f32(c, BIAS),
                      ffcl_f32(c, MOD) + gate_at(d), d[LD], d[T], rows, d[D]);
    float *x = c->op->variant == STREAM ? NULL : malloc(rows * d[D] * sizeof *x);
    for (size_t e = 0; x && e < rows * d[D]; e++)
        x[e] = (float)c->want[e];
    if (x)
        ffcl_ref_layernorm_modulate(c->want, x, ffcl_f32(c, MOD), d[LD], d[SHIFT], d[SCALE], d[B],
                                    d[T], d[D], eps);
    free(x);
}

/* The result that is not compared goes to scratch memory. */
static int residual_run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const int stream = c->op->variant == STREAM;
    const ffcl_modulation mod = {ffcl_mem(c, MOD), d[LD], d[SHIFT], d[SCALE]};
    const ffcl_residual residual = {ffcl_mem(c, PART), d[PARTS], ffcl_mem(c, BIAS),
                                    ffcl_mem(c, ADD), ffcl_mem(c, MOD), d[LD], gate_at(d)};
    ffcl_buf other = {0};
    int rc = ffcl_take(c->ctx, &other, d[B] * d[T] * d[D]);
    if (rc == 0)
        rc = ffcl_layernorm_residual(c->ctx, stream ? other.mem : ffcl_mem(c, OUT),
                                     stream ? ffcl_mem(c, OUT) : other.mem, &residual, &mod, d[B],
                                     d[T], d[D], (float)eps,
                                     c->op->variant == NORM_HALF ? FFCL_STORE_HALF
                                                                 : FFCL_STORE_FLOAT);
    ffcl_give(c->ctx, &other);
    return rc;
}

static const char *residual_skip(const ffcl_case *c)
{
    return ffcl_layernorm_residual_fits(c->ctx, c->shape.d[D])
               ? NULL : "the device's work-groups have fewer than 256 items";
}

static ffcl_cost residual_cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_layernorm_residual_cost(d[PARTS], d[B], d[T], d[D],
                                        c->op->variant == NORM_HALF ? FFCL_STORE_HALF
                                                                    : FFCL_STORE_FLOAT);
}

/* Data of a large offset is left out: a sum of parts of it cancels in the norm by their number. */
#define RESIDUAL(row_name, what, relative, absolute)                                            \
    {                                                                                           \
        .name = row_name, .letters = "B T D ld shift scale parts", .variant = (what),           \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE, .model = residual_model,                 \
        .awkward = residual_awkward, .setup = residual_setup, .ref = residual_ref,              \
        .run = residual_run, .skip = residual_skip, .rtol = relative, .atol = absolute,         \
        .cost = residual_cost,                                                                  \
    }

const ffcl_op_test ffcl_test_layernorm_residual =
    RESIDUAL("layernorm_residual", NORM, 1e-5f, 6e-6f);
const ffcl_op_test ffcl_test_layernorm_residual_half =
    RESIDUAL("layernorm_residual_half", NORM_HALF, 5e-4f, 6e-6f);
const ffcl_op_test ffcl_test_layernorm_residual_stream =
    RESIDUAL("layernorm_residual_stream", STREAM, 1e-6f, 5e-7f);
