/* SPDX-License-Identifier: MIT */
#include "gemm.h"

#include <math.h>

#include "../ref/ref.h"
#include "registry.h"
#include "util.h"

enum { OUT, A, W, BIAS, GATE, ADD };
/* T: rows that share a gate, and rows after which add repeats. */
enum { M, N, K, MAJOR, T, PLACE };
/* MAJOR: which operands lie transposed, A as (K, M), W as (N, K). */
enum { KMAJOR = 1, NMAJOR = 2 };
/* Where operands lie: at the start of their buffers and dense; at an offset that a sub-buffer can
 * begin at, with gaps between rows; at an odd offset. */
enum { DENSE, ALIGNED, ODD };
/* What follows the product, a row's variant. */
enum { USE_BIAS = 1, USE_SILU = 2, USE_GELU = 4, USE_GATE = 8, USE_ADD = 16 };

static const ffcl_shape none_model[] = {{{64, 1152, 1152, 0, 64, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape bias_model[] = {
    {{64, 3456, 1152, 0, 64, DENSE}, 0},        /* qkv */
    {{2, 6912, 1152, 0, 2, DENSE}, 0},          /* adaLN of two pictures */
    {{1, 6912, 1152, 0, 1, DENSE}, 0},          /* of one */
    {{256, 32, 1152, 0, 256, DENSE}, 0},        /* the final layer */
    {{64, 256, 1152, 1, 64, DENSE}, 0},         /* a convolution's columns, K-major */
    {{64, 3456, 1152, NMAJOR, 64, DENSE}, 0},   /* weights as they lie in the file */
    {{1, 6912, 1152, NMAJOR, 1, DENSE}, 0},
    {{0}, 0},
};
static const ffcl_shape silu_model[] = {{{8, 1152, 256, 0, 8, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape gelu_model[] = {{{64, 4608, 1152, 0, 64, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape gate_model[] = {{{64, 1152, 1152, 0, 32, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape add_model[] = {
    {{512, 1152, 16, 0, 256, DENSE}, 0},        /* patches and the position table */
    {{64, 512, 512, 0, 64, DENSE}, 0},          /* a 1 x 1 convolution with its skip */
    {{0}, 0},
};
static const ffcl_shape gate_add_model[] = {{{64, 1152, 4608, 0, 32, DENSE}, 0}, {{0}, 0}};

static const ffcl_shape awkward[] = {
    {{5, 3, 7, 0, 2, ODD}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{5, 3, 7, 1, 5, DENSE}, FFCL_SHAPE_SMALL},
    {{1, 3, 5, 0, 1, ODD}, 0},
    {{1, 3, 16, 0, 1, DENSE}, 0},
    {{1, 1, 1, 1, 1, ODD}, 0},
    {{1, 131, 77, 0, 1, ALIGNED}, FFCL_SHAPE_FILLS},
    {{1, 65, 130, 1, 1, ODD}, 0},
    {{33, 65, 17, 0, 8, ALIGNED}, FFCL_SHAPE_FILLS},
    {{33, 65, 17, 1, 10, ALIGNED}, 0},
    {{70, 100, 33, 1, 7, ODD}, 0},
    {{130, 129, 70, 0, 130, ODD}, 0},
    {{257, 131, 140, 1, 100, ALIGNED}, 0},      /* several tiles of the large-matrix kernel */
    {{384, 388, 136, 0, 128, DENSE}, 0},
    {{5, 3, 7, NMAJOR, 2, ODD}, FFCL_SHAPE_SMALL},
    {{1, 131, 77, NMAJOR, 1, ALIGNED}, 0},
    {{1, 65, 130, KMAJOR | NMAJOR, 1, ODD}, 0},
    {{33, 65, 17, NMAJOR, 8, ALIGNED}, FFCL_SHAPE_FILLS},
    {{70, 100, 33, KMAJOR | NMAJOR, 7, ODD}, 0},
    {{37, 48, 20, 0, 5, ODD}, 0},               /* rows of whole vectors, not aligned */
    {{3, 8208, 9, 0, 2, DENSE}, 0},             /* in two parts after the product */
    {{1031, 70, 40, NMAJOR, 100, ALIGNED}, 0},  /* several blocks of a CPU's library */
    {{0}, 0},
};

/* The place of a matrix of rows x cols for the shape's PLACE; k makes offsets differ. */
static ffcl_tensor place(const ffcl_case *c, ffcl_role role, size_t rows, size_t cols, size_t k)
{
    size_t how = c->shape.d[PLACE], align = c->ctx->device.caps.align_bytes / sizeof(float);
    size_t at = how == ALIGNED ? k * ffcl_round_up(64, align) : how == ODD ? 2 * k + 1 : 0;
    size_t ld = how == DENSE ? cols : cols + k + how;
    return (ffcl_tensor){.role = role, .n = at + rows * ld, .at = at, .rows = rows, .cols = cols,
                         .ld = ld, .flat = how != DENSE};
}

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    size_t gates = ffcl_div_up(d[M], d[T]);
    int rc = FFCL_TENSORS(c, place(c, FFCL_OUT, d[M], d[N], 1),
                          d[MAJOR] & KMAJOR ? place(c, FFCL_IN, d[K], d[M], 2)
                                            : place(c, FFCL_IN, d[M], d[K], 2),
                          d[MAJOR] & NMAJOR ? place(c, FFCL_IN, d[N], d[K], 3)
                                            : place(c, FFCL_IN, d[K], d[N], 3),
                          place(c, FFCL_IN, 1, d[N], 4),
                          place(c, FFCL_IN, gates, d[N], 5), place(c, FFCL_IN, d[T], d[N], 6));
    if (rc)
        return rc;
    ffcl_case_axes(c, "m n", d[M], d[N], 0, 0);
    ffcl_case_fill(c, A, 0);
    /* Results of deviation about 1: activations bend there. */
    ffcl_case_noise(c, W, 0.0, 1.0 / sqrt((double)d[K]));
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, GATE, 0.0, 1.0);
    ffcl_case_noise(c, ADD, 0.0, 1.0);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt((double)d[K]);
    return 0;
}

static ffcl_ref_matrix matrix(const ffcl_case *c, size_t i)
{
    const ffcl_tensor *t = &c->tensor[i];
    return (ffcl_ref_matrix){ffcl_f32(c, i) + t->at, t->ld, 1};
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int uses = c->op->variant;
    ffcl_ref_matrix a = matrix(c, A), w = matrix(c, W);
    if (d[MAJOR] & KMAJOR)
        a = (ffcl_ref_matrix){a.x, 1, c->tensor[A].ld};
    if (d[MAJOR] & NMAJOR)
        w = (ffcl_ref_matrix){w.x, 1, c->tensor[W].ld};
    ffcl_ref_epilogue e = {.act = uses & USE_SILU ? 1 : uses & USE_GELU ? 2 : 0,
                           .gate_rows = d[T], .add_rows = d[T]};
    if (uses & USE_BIAS)
        e.bias = matrix(c, BIAS).x;
    if (uses & USE_GATE)
        e.gate = matrix(c, GATE);
    if (uses & USE_ADD)
        e.add = matrix(c, ADD);
    ffcl_ref_gemm(c->want, a, w, &e, d[M], d[N], d[K]);
}

static int run(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor *t = c->tensor;
    int uses = c->op->variant;
    ffcl_product p = {
        .m = d[M], .n = d[N], .k = d[K], .a = t[A].mem, .a_at = t[A].at, .a_ld = t[A].ld,
        .a_kmajor = (d[MAJOR] & KMAJOR) != 0, .w = t[W].mem, .w_at = t[W].at, .w_ld = t[W].ld,
        .w_nmajor = (d[MAJOR] & NMAJOR) != 0,
        .out = t[OUT].mem, .out_at = t[OUT].at, .out_ld = t[OUT].ld};
    ffcl_epilogue *e = &p.epilogue;
    if (uses & USE_SILU)
        e->act = FFCL_ACT_SILU;
    if (uses & USE_GELU)
        e->act = FFCL_ACT_GELU;
    if (uses & USE_BIAS) {
        e->has_bias = 1;
        e->bias = t[BIAS].mem;
        e->bias_at = t[BIAS].at;
    }
    if (uses & USE_GATE) {
        e->has_gate = 1;
        e->gate = t[GATE].mem;
        e->gate_at = t[GATE].at;
        e->gate_ld = t[GATE].ld;
        e->gate_rows = d[T];
    }
    if (uses & USE_ADD) {
        e->has_add = 1;
        e->add = t[ADD].mem;
        e->add_at = t[ADD].at;
        e->add_ld = t[ADD].ld;
        e->add_rows = d[T];
    }
    return ffcl_gemm(c->ctx, &p);
}

/* The product, and an operation an operand, three for SiLU, eight for GELU. */
static double flops(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int uses = c->op->variant;
    double after = (uses & USE_BIAS ? 1.0 : 0.0) + (uses & USE_GATE ? 1.0 : 0.0) +
                   (uses & USE_ADD ? 1.0 : 0.0) + (uses & USE_SILU ? 3.0 : 0.0) +
                   (uses & USE_GELU ? 8.0 : 0.0);
    return (double)d[M] * (double)d[N] * (2.0 * (double)d[K] + after);
}

static double bytes(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int uses = c->op->variant;
    double rows = (uses & USE_BIAS ? 1.0 : 0.0) + (uses & USE_ADD ? (double)d[T] : 0.0) +
                  (uses & USE_GATE ? (double)ffcl_div_up(d[M], d[T]) : 0.0);
    return 4.0 * ((double)d[M] * (double)d[K] + (double)d[K] * (double)d[N] +
                  ((double)d[M] + rows) * (double)d[N]);
}

/* A sum of K terms gathers K roundings of either sign, each of partial sums of the size of the
 * result (about 1): sqrt(K) units in the last place, six of them in the tails and after a gate. */
#define GEMM(row_name, uses, shapes)                                                       \
    {                                                                                      \
        .name = row_name, .letters = "M N K major T place", .variant = (uses),            \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,    \
        .awkward = awkward, .setup = setup, .ref = ref, .run = run, .rtol = 1e-5f,         \
        .atol = 6e-7f, .flops = flops, .bytes = bytes,                                     \
    }

const ffcl_op_test ffcl_test_gemm = GEMM("gemm", 0, none_model);
const ffcl_op_test ffcl_test_gemm_bias = GEMM("gemm_bias", USE_BIAS, bias_model);
const ffcl_op_test ffcl_test_gemm_silu = GEMM("gemm_silu", USE_BIAS | USE_SILU, silu_model);
const ffcl_op_test ffcl_test_gemm_gelu = GEMM("gemm_gelu", USE_BIAS | USE_GELU, gelu_model);
const ffcl_op_test ffcl_test_gemm_gate = GEMM("gemm_gate", USE_GATE, gate_model);
const ffcl_op_test ffcl_test_gemm_add = GEMM("gemm_add", USE_BIAS | USE_ADD, add_model);
const ffcl_op_test ffcl_test_gemm_gate_add =
    GEMM("gemm_gate_add", USE_BIAS | USE_GATE | USE_ADD, gate_add_model);
