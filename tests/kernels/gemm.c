/* SPDX-License-Identifier: MIT */
#include "backend.h"

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
/* A row's variant: what follows the product; the kernel for few rows or columns, with its columns
 * divided as for a device of many compute units; the built-in product's kernels. */
enum { USE_BIAS = 1, USE_SILU = 2, USE_GELU = 4, USE_GATE = 8, USE_ADD = 16, SLIM = 32, MANY = 64,
       USE_PLAIN = 128, USE_TILES_8 = 256, USE_TILES_16 = 512 };

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

static const ffcl_shape slim_model[] = {
    {{1, 1152, 256, 0, 1, DENSE}, 0},           /* a scalar embedder's layers */
    {{1, 1152, 1152, 0, 1, DENSE}, 0},
    {{64, 1152, 1152, 0, 64, DENSE}, 0},
    {{1, 6912, 1152, 0, 1, DENSE}, 0},          /* adaLN of one picture */
    {{512, 16, 1152, 0, 256, DENSE}, 0},        /* the final layer */
    {{0}, 0},
};

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

/* What the reference is given. */
typedef struct operands {
    ffcl_ref_matrix a, w;
    ffcl_ref_epilogue e;
} operands;

static operands operands_of(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int uses = c->op->variant;
    operands o = {matrix(c, A), matrix(c, W),
                  {.act = uses & USE_SILU ? 1 : uses & USE_GELU ? 2 : 0, .gate_rows = d[T],
                   .add_rows = d[T]}};
    if (d[MAJOR] & KMAJOR)
        o.a = (ffcl_ref_matrix){o.a.x, 1, c->tensor[A].ld};
    if (d[MAJOR] & NMAJOR)
        o.w = (ffcl_ref_matrix){o.w.x, 1, c->tensor[W].ld};
    if (uses & USE_BIAS)
        o.e.bias = matrix(c, BIAS).x;
    if (uses & USE_GATE)
        o.e.gate = matrix(c, GATE);
    if (uses & USE_ADD)
        o.e.add = matrix(c, ADD);
    return o;
}

static void ref(ffcl_case *c)
{
    const operands o = operands_of(c);
    ffcl_ref_gemm(c->want, o.a, o.w, &o.e, c->shape.d[M], c->shape.d[N], c->shape.d[K]);
}

static double at(const ffcl_case *c, size_t index)
{
    const operands o = operands_of(c);
    return ffcl_ref_gemm_at(o.a, o.w, &o.e, c->shape.d[N], c->shape.d[K], index);
}

static ffcl_product product_of(const ffcl_case *c)
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
    return p;
}

static const char *skip(const ffcl_case *c)
{
    const int uses = c->op->variant, tiles = uses & (USE_TILES_8 | USE_TILES_16);
    const size_t items = uses & USE_TILES_16 ? 256 : uses & USE_TILES_8 ? 64 : 1;
    if ((uses & SLIM || uses & USE_PLAIN || tiles) && c->shape.d[MAJOR] & NMAJOR)
        return "takes W as (K, N) alone";
    return c->ctx->device.caps.max_work_group < items ? "work-groups are too small" : NULL;
}

static int run(ffcl_case *c)
{
    const ffcl_product p = product_of(c);
    const int uses = c->op->variant;
    if (uses & (USE_PLAIN | USE_TILES_8 | USE_TILES_16))
        return ffcl_builtin_gemm(c->ctx, &p, uses & USE_PLAIN ? 0 : uses & USE_TILES_8 ? 8 : 16);
    if (!(uses & SLIM))
        return ffcl_gemm(c->ctx, &p);
    const ffcl_engine_use many = {c->ctx->matrix_engine, uses & MANY ? 132 : 0};
    const ffcl_engine_use before = ffcl_case_engine(c, many);
    int rc = ffcl_slim_gemm(c->ctx, &p);
    ffcl_case_engine(c, before);
    return rc;
}

static ffcl_cost cost(const ffcl_case *c)
{
    const ffcl_product p = product_of(c);
    return ffcl_gemm_cost(&p);
}

/* A sum of K terms gathers K roundings of either sign, each of partial sums of the size of the
 * result (about 1): sqrt(K) units in the last place, six of them in the tails and after a gate. */
#define GEMM(row_name, uses, shapes)                                                         \
    {                                                                                        \
        .name = row_name, .letters = "M N K major T place", .variant = (uses),               \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,      \
        .awkward = awkward, .setup = setup, .ref = ref, .at = at, .run = run, .skip = skip,  \
        .rtol = 1e-5f, .atol = 6e-7f, .cost = cost,                                          \
    }

const ffcl_op_test ffcl_test_gemm = GEMM("gemm", 0, none_model);
const ffcl_op_test ffcl_test_gemm_bias = GEMM("gemm_bias", USE_BIAS, bias_model);
const ffcl_op_test ffcl_test_gemm_silu = GEMM("gemm_silu", USE_BIAS | USE_SILU, silu_model);
const ffcl_op_test ffcl_test_gemm_gelu = GEMM("gemm_gelu", USE_BIAS | USE_GELU, gelu_model);
const ffcl_op_test ffcl_test_gemm_gate = GEMM("gemm_gate", USE_GATE, gate_model);
const ffcl_op_test ffcl_test_gemm_add = GEMM("gemm_add", USE_BIAS | USE_ADD, add_model);
const ffcl_op_test ffcl_test_gemm_gate_add =
    GEMM("gemm_gate_add", USE_BIAS | USE_GATE | USE_ADD, gate_add_model);
const ffcl_op_test ffcl_test_slim = GEMM("slim", SLIM, slim_model);
const ffcl_op_test ffcl_test_slim_silu =
    GEMM("slim_silu", SLIM | MANY | USE_BIAS | USE_SILU, slim_model);
const ffcl_op_test ffcl_test_slim_gelu = GEMM("slim_gelu", SLIM | USE_BIAS | USE_GELU, slim_model);
const ffcl_op_test ffcl_test_slim_gate_add =
    GEMM("slim_gate_add", SLIM | MANY | USE_BIAS | USE_GATE | USE_ADD, slim_model);

/* Every kind of epilogue with each of the built-in product's kernels. */
const ffcl_op_test ffcl_test_builtin_plain =
    GEMM("builtin_plain", USE_BIAS | USE_GATE | USE_ADD | USE_PLAIN, gate_add_model);
const ffcl_op_test ffcl_test_builtin_plain_silu =
    GEMM("builtin_plain_silu", USE_BIAS | USE_SILU | USE_PLAIN, silu_model);
const ffcl_op_test ffcl_test_builtin_tiles_8 =
    GEMM("builtin_tiles_8", USE_BIAS | USE_GATE | USE_ADD | USE_TILES_8, gate_add_model);
const ffcl_op_test ffcl_test_builtin_tiles_16 =
    GEMM("builtin_tiles_16", USE_BIAS | USE_GATE | USE_ADD | USE_TILES_16, gate_add_model);
const ffcl_op_test ffcl_test_builtin_tiles_16_gelu =
    GEMM("builtin_tiles_16_gelu", USE_BIAS | USE_GELU | USE_TILES_16, bias_model);
const ffcl_op_test ffcl_test_builtin_tiles_16_bare =
    GEMM("builtin_tiles_16_bare", USE_TILES_16, none_model);
