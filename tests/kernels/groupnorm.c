/* SPDX-License-Identifier: MIT */
#include "ops/cost.h"
#include "ops/ops.h"
#include "../ref/ref.h"
#include "registry.h"

enum { OUT, X, GAMMA, BETA, SUMS };
enum { B, P, C, G };

/* A row's variant.  MOMENTS: the mean and squared differences of chunks are given, as a convolution
 * leaves them.  AS_GPU: by the kernels of other devices than CPUs. */
enum { WITH_SILU = 1, HALF = 2, MOMENTS = 4, AS_GPU = 8 };

static const double eps = 1e-6;

static const ffcl_shape model[] = {
    {{1, 1024, 512, 32}, 0},
    {{1, 4096, 256, 32}, 0},            /* a sixteenth of 256 x 256 */
    {{1, 16384, 128, 32}, 0},           /* a quarter */
    {{0}, 0},
};
/* Not on a CPU, widths C that are a multiple of 8, up to 1024, run the kernels called wide; groups
 * of 8, 16, 32 or so channels, up to 16384 values, the one that keeps them. */
static const ffcl_shape awkward[] = {
    {{2, 70, 12, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1000, 33, 11}, FFCL_SHAPE_FILLS},
    {{3, 17, 33, 3}, 0},
    {{1, 8325, 4, 2}, FFCL_SHAPE_FILLS},    /* 127 chunks of 66 pixels, the last shorter */
    {{1, 64, 4, 4}, 0},
    {{1, 65, 4, 1}, 0},
    {{2, 1, 96, 32}, 0},
    {{1, 1, 4, 4}, 0},
    {{2, 70, 24, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1000, 40, 20}, FFCL_SHAPE_FILLS},
    {{1, 8325, 8, 2}, FFCL_SHAPE_FILLS},
    {{3, 17, 264, 33}, 0},
    {{2, 65, 1024, 32}, 0},             /* the widest, and one beyond */
    {{1, 65, 1032, 4}, 0},
    {{1, 64, 8, 8}, 0},
    {{1, 1, 8, 1}, 0},
    {{1, 4000, 64, 64}, 0},             /* chunks too many for the last step */
    {{2, 2048, 16, 2}, FFCL_SHAPE_FILLS},   /* the largest group that is kept, and one beyond */
    {{2, 2049, 16, 2}, FFCL_SHAPE_FILLS},
    {{1, 511, 64, 2}, 0},
    {{2, 70, 120, 5}, FFCL_SHAPE_FILLS},    /* groups across work-groups of 64 channels */
    {{1, 70, 240, 3}, 0},
    {{1, 200, 320, 5}, 0},
    {{0}, 0},
};
static const ffcl_shape moments_model[] = {{{1, 4096, 512, 32}, 0}, {{0}, 0}};
static const ffcl_shape moments_awkward[] = {
    {{2, 6, 16, 2}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 129, 120, 5}, FFCL_SHAPE_FILLS},
    {{1, 384, 256, 32}, FFCL_SHAPE_FILLS},
    {{3, 30, 12, 3}, 0},
    {{1, 390, 128, 128}, 0},
    {{1, 1200, 64, 8}, 0},              /* chunks too many for the last step */
    {{0}, 0},
};

/* Equal chunks of a picture where its moments are given. */
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

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t n = d[B] * d[P] * d[C];
    ffcl_type x = c->op->variant & HALF ? FFCL_F16 : FFCL_F32;
    const ffcl_tensor list[] = {
        {.role = FFCL_OUT, .type = x, .n = n},
        {.role = FFCL_IN, .type = x, .n = n},
        {.role = FFCL_IN, .n = d[C]},
        {.role = FFCL_IN, .n = d[C]},
        {.role = FFCL_IN, .n = d[B] * d[G] * chunks_of(d) * 2},
    };
    int rc = ffcl_case_tensors(c, list, c->op->variant & MOMENTS ? 5 : 4);
    if (rc)
        return rc;
    ffcl_case_axes(c, "b p c", d[B], d[P], d[C], 0);
    ffcl_case_fill(c, X, d[B]);
    ffcl_case_noise(c, GAMMA, 1.0, 0.5);
    ffcl_case_noise(c, BETA, 0.0, 0.5);
    if (c->op->variant & MOMENTS)
        take_moments(c);
    c->scale = ffcl_case_norm_scale(c, d[P] * d[C] / d[G], eps);
    return 0;
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_ref_groupnorm(c->want, ffcl_f32(c, X), ffcl_f32(c, GAMMA), ffcl_f32(c, BETA), d[B], d[P],
                       d[C], d[G], eps, c->op->variant & WITH_SILU);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const int given = (c->op->variant & MOMENTS) != 0;
    const ffcl_moments moments = {given ? ffcl_mem(c, SUMS) : NULL, given ? chunks_of(d) : 0};
    cl_device_type *type = &c->ctx->device.caps.type, was = *type;
    if (c->op->variant & AS_GPU)
        *type = CL_DEVICE_TYPE_GPU;
    int rc = ffcl_groupnorm(c->ctx, ffcl_mem(c, OUT), ffcl_mem(c, X), &moments,
                            ffcl_mem(c, GAMMA), ffcl_mem(c, BETA), d[B], d[P], d[C], d[G],
                            (float)eps, c->op->variant & WITH_SILU,
                            c->op->variant & HALF ? FFCL_STORE_HALF : FFCL_STORE_FLOAT);
    *type = was;
    return rc;
}

static ffcl_cost cost(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    return ffcl_groupnorm_cost(d[B] * d[P] * d[C], d[C], c->op->variant & WITH_SILU,
                               c->op->variant & HALF ? FFCL_STORE_HALF : FFCL_STORE_FLOAT);
}

/* As for layer norm; the mean is combined from up to 128 chunks. */
#define GROUPNORM(row_name, uses, shapes, ragged, relative)                                     \
    {                                                                                           \
        .name = row_name, .letters = "B P C G", .variant = uses,                                \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_OFFSET | FFCL_CONSTANT,            \
        .model = shapes, .awkward = ragged, .setup = setup, .ref = ref, .run = run,             \
        .rtol = relative, .atol = 3e-6f, .cost = cost,                                           \
    }

const ffcl_op_test ffcl_test_groupnorm = GROUPNORM("groupnorm", 0, model, awkward, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_silu =
    GROUPNORM("groupnorm_silu", WITH_SILU, model, awkward, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_moments =
    GROUPNORM("groupnorm_moments", MOMENTS | WITH_SILU, moments_model, moments_awkward, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_group =
    GROUPNORM("groupnorm_group", AS_GPU, model, awkward, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_moments_group =
    GROUPNORM("groupnorm_moments_group", AS_GPU | MOMENTS | WITH_SILU, moments_model,
              moments_awkward, 1e-5f);
const ffcl_op_test ffcl_test_groupnorm_silu_group_half =
    GROUPNORM("groupnorm_silu_group_half", AS_GPU | WITH_SILU | HALF, model, awkward, 5e-4f);
const ffcl_op_test ffcl_test_groupnorm_moments_group_half =
    GROUPNORM("groupnorm_moments_group_half", AS_GPU | MOMENTS | HALF, moments_model,
              moments_awkward, 5e-4f);
const ffcl_op_test ffcl_test_groupnorm_half =
    GROUPNORM("groupnorm_half", HALF, model, awkward, 5e-4f);
const ffcl_op_test ffcl_test_groupnorm_silu_half =
    GROUPNORM("groupnorm_silu_half", WITH_SILU | HALF, model, awkward, 5e-4f);
const ffcl_op_test ffcl_test_groupnorm_moments_half =
    GROUPNORM("groupnorm_moments_half", MOMENTS | HALF, moments_model, moments_awkward, 5e-4f);
