/* SPDX-License-Identifier: MIT
 * Products of half operands: on any device (product_*), and on matrix engines: two levels of
 * NVIDIA's (mma_*, wgmma_*), AMD's (wmma_*, mfma_*) and Intel's (dpas_*).  Those two are emulated
 * on devices without them.  All leave shapes of other alignments to the plain kernel. */
#include <math.h>

#include "gemm.h"
#include "../ref/ref.h"
#include "registry.h"
#include "util.h"

enum { OUT, A, W, BIAS, GATE, ADD, PLAIN };      /* PLAIN: the weight (N, K) */
/* T: rows that share a gate.  UNITS: compute units by which the engine's tile is chosen; 0: the
 * device's. */
enum { M, N, K, T, PLACE, UNITS };
/* Rows dense; with gaps, at offsets that the engine takes; at odd ones. */
enum { DENSE, ALIGNED, ODD };
/* A row's variant: what follows the product, how out and add are stored, what computes. */
enum { USE_BIAS = 1, USE_SILU = 2, USE_GELU = 4, USE_GATE = 8, USE_ADD = 16, OUT_HALF = 32 };
#define ON(engine) (FFCL_ENGINE_##engine << 6)

static const ffcl_shape bias_model[] = {
    {{64, 3456, 1152, 64, DENSE, 0}, 0},        /* qkv */
    {{64, 512, 512, 64, DENSE, 0}, 0},          /* of the VAE */
    {{0}, 0},
};
static const ffcl_shape gelu_model[] = {{{32, 4608, 1152, 32, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape gate_model[] = {{{32, 1152, 4608, 16, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape add_model[] = {{{64, 512, 512, 64, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape none_model[] = {{{0}, 0}};

#define EVERYWHERE                                                  \
    {{5, 3, 7, 2, ODD, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},    \
    {{1, 1, 1, 1, ODD, 0}, 0},                                      \
    {{33, 65, 17, 8, ALIGNED, 0}, 0},                               \
    {{130, 129, 70, 130, ODD, 0}, 0},                               \
    {{17, 24, 36, 17, DENSE, 0}, 0},        /* K alone is no multiple of 8, */  \
    {{17, 36, 24, 17, DENSE, 0}, 0},        /* N alone, */                      \
    {{17, 24, 40, 5, ODD, 0}, 0},           /* the distance of rows alone */    \
    {{1, 8, 8, 1, DENSE, 0}, FFCL_SHAPE_SMALL},                     \
    {{5, 24, 40, 2, ALIGNED, 0}, FFCL_SHAPE_FILLS},                 \
    {{1, 1152, 256, 1, DENSE, 0}, 0},                               \
    {{1, 1, 8, 1, ODD, 0}, 0},                                      \
    {{1, 37, 264, 1, ODD, 0}, FFCL_SHAPE_FILLS},                    \
    {{1, 100, 2056, 1, ALIGNED, 0}, FFCL_SHAPE_FILLS},              \
    {{33, 72, 72, 8, ALIGNED, 0}, FFCL_SHAPE_FILLS},                \
    {{64, 1152, 72, 32, DENSE, 0}, 0},                              \
    {{200, 136, 1152, 64, DENSE, 0}, 0},                            \
    {{257, 136, 104, 100, ALIGNED, 0}, FFCL_SHAPE_FILLS}

static const ffcl_shape awkward[] = {EVERYWHERE, {{0}, 0}};

/* For the engine also what makes it choose each tile and each number of parts of K: the same
 * products for devices of several sizes.  Ragged against tiles of 32 to 256 rows and columns and
 * against steps of 32, with fewer steps than stages, and with a last part that is shorter. */
static const ffcl_shape engine_awkward[] = {
    EVERYWHERE,
    {{127, 136, 72, 127, ALIGNED, 1}, 0},
    {{129, 136, 168, 50, ALIGNED, 1}, 0},
    {{129, 136, 168, 50, ALIGNED, 2}, 0},
    {{129, 136, 168, 50, ALIGNED, 16}, 0},
    {{200, 72, 8, 200, ALIGNED, 1}, 0},
    {{257, 136, 104, 100, ALIGNED, 1}, FFCL_SHAPE_FILLS},
    {{257, 264, 40, 257, DENSE, 1}, 0},
    {{257, 264, 40, 257, DENSE, 4}, 0},
    {{127, 1152, 40, 64, DENSE, 1}, 0},
    {{127, 1152, 40, 64, DENSE, 8}, 0},
    {{513, 40, 72, 513, DENSE, 1}, 0},
    {{400, 24, 72, 128, ALIGNED, 1}, FFCL_SHAPE_FILLS},
    {{400, 8, 264, 400, DENSE, 1}, 0},
    {{5, 24, 4104, 2, ALIGNED, 1}, 0},
    {{200, 136, 1152, 64, DENSE, 1}, 0},
    {{200, 136, 1152, 64, DENSE, 3}, 0},
    {{129, 72, 2056, 129, ALIGNED, 1}, FFCL_SHAPE_FILLS},
    {{129, 72, 2056, 129, ALIGNED, 4}, 0},
    {{65, 136, 4104, 33, DENSE, 2}, 0},
    {{65, 136, 4104, 33, DENSE, 4}, 0},
    {{65, 136, 4104, 33, DENSE, 8}, 0},
    {{65, 136, 4104, 33, DENSE, 132}, 0},
    {{0}, 0},
};

static int uses(const ffcl_case *c, int what)
{
    return c->op->variant & what;
}

static ffcl_engine_level level_of(const ffcl_case *c)
{
    return (ffcl_engine_level)(c->op->variant >> 6);
}

/* Gaps of `gap` elements between rows where the shape's PLACE is ALIGNED, of one where ODD. */
static ffcl_tensor rows_of(const ffcl_case *c, ffcl_role role, ffcl_type type, size_t rows,
                           size_t cols, size_t gap)
{
    size_t how = c->shape.d[PLACE], ld = cols + (how == ALIGNED ? gap : how == ODD);
    return (ffcl_tensor){.role = role, .type = type, .n = rows * ld, .rows = rows, .cols = cols,
                         .ld = ld};
}

static int setup(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    ffcl_type result = uses(c, OUT_HALF) ? FFCL_F16 : FFCL_F32;
    /* Only a gate may begin at an offset, as the others lie in buffers of their own. */
    ffcl_tensor gate = rows_of(c, FFCL_IN, FFCL_F32, ffcl_div_up(d[M], d[T]), d[N], 12);
    gate.at = d[PLACE] == ALIGNED ? 4 : d[PLACE] == ODD ? 3 : 0;
    gate.n += gate.at;
    int rc = FFCL_TENSORS(c, rows_of(c, FFCL_OUT, result, d[M], d[N], 16),
                          rows_of(c, FFCL_IN, FFCL_F16, d[M], d[K], 8),
                          {.role = FFCL_IN, .type = FFCL_F16, .n = ffcl_tiled_halves(d[N], d[K])},
                          {.role = FFCL_IN, .n = d[N]}, gate,
                          rows_of(c, FFCL_IN, result, d[M], d[N], 16),
                          {.role = FFCL_HOST, .type = FFCL_F16, .n = d[N] * d[K]});
    if (rc)
        return rc;
    ffcl_case_axes(c, "m n", d[M], d[N], 0, 0);
    ffcl_case_fill(c, A, 0);
    /* Results of deviation about 1: activations bend there. */
    ffcl_case_noise(c, PLAIN, 0.0, 1.0 / sqrt((double)d[K]));
    for (size_t i = 0; i < c->tensor[W].n; i++)
        ffcl_f32(c, W)[i] = 0.0f;
    for (size_t n = 0; n < d[N]; n++)
        for (size_t k = 0; k < d[K]; k++)
            ffcl_f32(c, W)[ffcl_tiled_at(n, k, d[K])] = ffcl_f32(c, PLAIN)[n * d[K] + k];
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
    operands o = {matrix(c, A), {ffcl_f32(c, PLAIN), 1, d[K]},
                  {.act = uses(c, USE_SILU) ? 1 : uses(c, USE_GELU) ? 2 : 0, .gate_rows = d[T],
                   .add_rows = d[M]}};
    if (uses(c, USE_BIAS))
        o.e.bias = ffcl_f32(c, BIAS);
    if (uses(c, USE_GATE))
        o.e.gate = matrix(c, GATE);
    if (uses(c, USE_ADD))
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
    ffcl_product p = {.m = d[M], .n = d[N], .k = d[K], .a = t[A].mem, .a_ld = t[A].ld,
                      .w = t[W].mem, .out = t[OUT].mem, .out_ld = t[OUT].ld,
                      .half = 1, .out_half = uses(c, OUT_HALF) != 0};
    ffcl_epilogue *e = &p.epilogue;
    if (uses(c, USE_SILU))
        e->act = FFCL_ACT_SILU;
    if (uses(c, USE_GELU))
        e->act = FFCL_ACT_GELU;
    if (uses(c, USE_BIAS)) {
        e->has_bias = 1;
        e->bias = t[BIAS].mem;
    }
    if (uses(c, USE_GATE)) {
        e->has_gate = 1;
        e->gate = t[GATE].mem;
        e->gate_at = t[GATE].at;
        e->gate_ld = t[GATE].ld;
        e->gate_rows = d[T];
    }
    if (uses(c, USE_ADD)) {
        e->has_add = 1;
        e->add = t[ADD].mem;
        e->add_ld = t[ADD].ld;
        e->add_rows = d[M];
    }
    return p;
}

static int run(ffcl_case *c)
{
    const ffcl_product p = product_of(c);
    ffcl_engine_use was = ffcl_case_engine(c, (ffcl_engine_use){level_of(c), c->shape.d[UNITS]});
    int rc = ffcl_gemm(c->ctx, &p);
    ffcl_case_engine(c, was);
    return rc;
}

/* Shapes that the engine cannot take run on every device: another kernel must be chosen. */
static const char *skip(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    int falls_back = d[M] == 1 || d[K] % 8 || d[N] % 8 || d[PLACE] == ODD;
    return falls_back ? NULL : ffcl_case_no_engine(c, level_of(c));
}

static ffcl_cost cost(const ffcl_case *c)
{
    const ffcl_product p = product_of(c);
    return ffcl_gemm_cost(&p);
}

/* Sums as for gemm, since products of halves are exact in float32.  The matrix engine adds the 16
 * products of a step and the sum so far at the exponent of the largest and cuts off what is below,
 * where float32 additions round: up to a unit in the last place instead of half of one, and always
 * towards zero, so not evening out; three times the allowance.  A half result is rounded by up to
 * 2^-11 of itself. */
#define PRODUCT(row_name, what, shapes, ragged, relative, absolute)                        \
    {                                                                                      \
        .name = row_name, .letters = "M N K T place units", .variant = (what),             \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,    \
        .awkward = ragged, .setup = setup, .ref = ref, .at = at, .run = run, .skip = skip, \
        .rtol = relative, .atol = absolute, .cost = cost,                                  \
    }
#define PLAIN_HALF(name, what, shapes) \
    PRODUCT("product_" name, (what) | OUT_HALF, shapes, awkward, 5e-4f, 6e-7f)
#define PLAIN_FLOAT(name, what, shapes) \
    PRODUCT("product_float_" name, what, shapes, awkward, 1e-5f, 6e-7f)
#define ENGINE_HALF(name, what, shapes) \
    PRODUCT(name, (what) | OUT_HALF, shapes, engine_awkward, 5e-4f, 1.8e-6f)
#define ENGINE_FLOAT(name, what, shapes) \
    PRODUCT(name, what, shapes, engine_awkward, 1e-5f, 1.8e-6f)

const ffcl_op_test ffcl_test_product_bias = PLAIN_HALF("bias", USE_BIAS, bias_model);
const ffcl_op_test ffcl_test_product_silu = PLAIN_HALF("silu", USE_BIAS | USE_SILU, none_model);
const ffcl_op_test ffcl_test_product_gelu = PLAIN_HALF("gelu", USE_BIAS | USE_GELU, gelu_model);
const ffcl_op_test ffcl_test_product_add = PLAIN_HALF("add", USE_BIAS | USE_ADD, add_model);
const ffcl_op_test ffcl_test_product_float_bias = PLAIN_FLOAT("bias", USE_BIAS, none_model);
const ffcl_op_test ffcl_test_product_float_gate_add =
    PLAIN_FLOAT("gate_add", USE_BIAS | USE_GATE | USE_ADD, gate_model);
const ffcl_op_test ffcl_test_product_float_gelu =
    PLAIN_FLOAT("gelu", USE_BIAS | USE_GELU, none_model);

const ffcl_op_test ffcl_test_mma_bias = ENGINE_HALF("mma_bias", USE_BIAS | ON(MMA), bias_model);
const ffcl_op_test ffcl_test_mma_silu =
    ENGINE_HALF("mma_silu", USE_BIAS | USE_SILU | ON(MMA), none_model);
const ffcl_op_test ffcl_test_mma_gelu =
    ENGINE_HALF("mma_gelu", USE_BIAS | USE_GELU | ON(MMA), gelu_model);
const ffcl_op_test ffcl_test_mma_add =
    ENGINE_HALF("mma_add", USE_BIAS | USE_ADD | ON(MMA), add_model);
const ffcl_op_test ffcl_test_mma_float_bias =
    ENGINE_FLOAT("mma_float_bias", USE_BIAS | ON(MMA), none_model);
const ffcl_op_test ffcl_test_mma_float_gate_add =
    ENGINE_FLOAT("mma_float_gate_add", USE_BIAS | USE_GATE | USE_ADD | ON(MMA), gate_model);
const ffcl_op_test ffcl_test_mma_float_gelu =
    ENGINE_FLOAT("mma_float_gelu", USE_BIAS | USE_GELU | ON(MMA), none_model);

/* What follows the product is the same code at both levels: not all of it again. */
const ffcl_op_test ffcl_test_wgmma_bias =
    ENGINE_HALF("wgmma_bias", USE_BIAS | ON(WGMMA), bias_model);
const ffcl_op_test ffcl_test_wgmma_float_bias =
    ENGINE_FLOAT("wgmma_float_bias", USE_BIAS | ON(WGMMA), none_model);
const ffcl_op_test ffcl_test_wgmma_gelu =
    ENGINE_HALF("wgmma_gelu", USE_BIAS | USE_GELU | ON(WGMMA), gelu_model);
const ffcl_op_test ffcl_test_wgmma_add =
    ENGINE_HALF("wgmma_add", USE_BIAS | USE_ADD | ON(WGMMA), add_model);
const ffcl_op_test ffcl_test_wgmma_float_gate_add =
    ENGINE_FLOAT("wgmma_float_gate_add", USE_BIAS | USE_GATE | USE_ADD | ON(WGMMA), gate_model);

/* AMD's and Intel's engines share one kernel but for the instruction and its lanes. */
const ffcl_op_test ffcl_test_wmma_gelu =
    ENGINE_HALF("wmma_gelu", USE_BIAS | USE_GELU | ON(WMMA), none_model);
const ffcl_op_test ffcl_test_wmma_add =
    ENGINE_HALF("wmma_add", USE_BIAS | USE_ADD | ON(WMMA), none_model);
const ffcl_op_test ffcl_test_wmma_float_gate_add =
    ENGINE_FLOAT("wmma_float_gate_add", USE_BIAS | USE_GATE | USE_ADD | ON(WMMA), none_model);
const ffcl_op_test ffcl_test_mfma_gelu =
    ENGINE_HALF("mfma_gelu", USE_BIAS | USE_GELU | ON(MFMA), none_model);
const ffcl_op_test ffcl_test_mfma_add =
    ENGINE_HALF("mfma_add", USE_BIAS | USE_ADD | ON(MFMA), none_model);
const ffcl_op_test ffcl_test_mfma_float_gate_add =
    ENGINE_FLOAT("mfma_float_gate_add", USE_BIAS | USE_GATE | USE_ADD | ON(MFMA), none_model);
const ffcl_op_test ffcl_test_dpas_eight_gelu =
    ENGINE_HALF("dpas_eight_gelu", USE_BIAS | USE_GELU | ON(DPAS8), none_model);
const ffcl_op_test ffcl_test_dpas_eight_add =
    ENGINE_HALF("dpas_eight_add", USE_BIAS | USE_ADD | ON(DPAS8), none_model);
const ffcl_op_test ffcl_test_dpas_eight_float_gate_add = ENGINE_FLOAT(
    "dpas_eight_float_gate_add", USE_BIAS | USE_GATE | USE_ADD | ON(DPAS8), none_model);
const ffcl_op_test ffcl_test_dpas_sixteen_gelu =
    ENGINE_HALF("dpas_sixteen_gelu", USE_BIAS | USE_GELU | ON(DPAS16), none_model);
const ffcl_op_test ffcl_test_dpas_sixteen_add =
    ENGINE_HALF("dpas_sixteen_add", USE_BIAS | USE_ADD | ON(DPAS16), none_model);
const ffcl_op_test ffcl_test_dpas_sixteen_float_gate_add = ENGINE_FLOAT(
    "dpas_sixteen_float_gate_add", USE_BIAS | USE_GATE | USE_ADD | ON(DPAS16), none_model);
