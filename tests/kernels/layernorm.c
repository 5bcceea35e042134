/* SPDX-License-Identifier: MIT */
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, MOD };
enum { B, T, D, LD, SHIFT, SCALE };
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

/* Sum 1, squares 3, result 5 (subtract, multiply, 1 + scale, multiply, add). */
static double flops(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return 9.0 * (double)d[B] * (double)d[T] * (double)d[D];
}

static double bytes(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    double each = 4.0 + (double)ffcl_case_bytes(c, OUT);
    return (double)d[B] * (double)d[D] * (each * (double)d[T] + 8.0);
}

/* Mean and deviation carry a few float roundings of sums of D terms, shrunk by the tree sum; the
 * part that cancels is in the scale.  Half storage adds half a unit in its last place, 2^-11. */
#define LAYERNORM(row_name, store, relative)                                                    \
    {                                                                                           \
        .name = row_name, .letters = "B T D ld shift scale", .variant = store,                  \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,            \
        .model = model, .awkward = awkward, .setup = setup, .ref = ref, .run = run,             \
        .rtol = relative, .atol = 3e-6f, .flops = flops, .bytes = bytes,                        \
    }

const ffcl_op_test ffcl_test_layernorm_modulate =
    LAYERNORM("layernorm_modulate", FFCL_STORE_FLOAT, 1e-5f);
const ffcl_op_test ffcl_test_layernorm_modulate_group =
    LAYERNORM("layernorm_modulate_group", FFCL_STORE_FLOAT | AS_GPU, 1e-5f);
const ffcl_op_test ffcl_test_layernorm_modulate_group_half =
    LAYERNORM("layernorm_modulate_group_half", FFCL_STORE_HALF | AS_GPU, 5e-4f);
const ffcl_op_test ffcl_test_layernorm_modulate_half =
    LAYERNORM("layernorm_modulate_half", FFCL_STORE_HALF, 5e-4f);
