/* SPDX-License-Identifier: MIT
 * GEMMs: of float32 operands by the back end (gemm*, builtin*) and with few rows or columns
 * (skinny*); of half operands on any device (half_*), of one row (gemv_*), and by matrix units: two
 * of NVIDIA's (mma_*, wgmma_*), AMD's (wmma_*, mfma_*) and Intel's (dpas_*).  Those of the last two
 * are emulated on devices without them. */
#include "backend.h"

#include <math.h>

#include "../ref/ref.h"
#include "registry.h"
#include "util.h"

/* Of half operands W is in tiles, and PLAIN the weight as (N, K). */
enum { OUT, A, W, BIAS, GATE, ADD, PLAIN };
/* Letters of float32 and of half rows.  T: rows that share a gate, and of float32 rows after which
 * add repeats.  MAJOR: which operands lie transposed, A as (K, M), W as (N, K).  UNITS: compute
 * units by which a tile is chosen; 0: the device's. */
enum { M, N, K, MAJOR, T, PLACE };
enum { HALF_T = 3, HALF_PLACE, UNITS };
enum { KMAJOR = 1, NMAJOR = 2 };
/* Where operands lie: at the start of their buffers and dense; with gaps between rows, float32 ones
 * at an offset that a sub-buffer can begin at; the same so that nothing is aligned. */
enum { DENSE, ALIGNED, ODD };
/* A row's uses beside what follows (models.h): half results; the built-in GEMM's kernels; ReLU,
 * which neither model has; a float32 A of a half W. */
enum { AFTER = 31, OUT_HALF = 32, BY_PLAIN = 64, BY_TILES_8 = 128, BY_TILES_16 = 256 };
enum { RELU = 512, A_FLOAT = 1024 };

/* ---- shapes of float32 ---------------------------------------------------------------------- */

static const ffcl_shape none_model[] = {{{64, 1152, 1152, 0, 64, DENSE}, 0}, {{0}, 0}};
#define BIAS_MODEL                                                               \
    {{64, 3456, 1152, 0, 64, DENSE}, 0},        /* qkv */                        \
    {{2, 6912, 1152, 0, 2, DENSE}, 0},          /* adaLN of two images */        \
    {{1, 6912, 1152, 0, 1, DENSE}, 0},          /* of one */                     \
    {{256, 32, 1152, 0, 256, DENSE}, 0},        /* the final layer */            \
    {{64, 256, 1152, 1, 64, DENSE}, 0}          /* a convolution's columns, K-major */

static const ffcl_shape bias_model[] = {
    BIAS_MODEL,
    {{64, 3456, 1152, NMAJOR, 64, DENSE}, 0},   /* weights as they lie in the file */
    {{1, 6912, 1152, NMAJOR, 1, DENSE}, 0},
    {{0}, 0},
};
static const ffcl_shape builtin_bias_model[] = {BIAS_MODEL, {{0}, 0}};
static const ffcl_shape silu_model[] = {{{8, 1152, 256, 0, 8, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape gelu_model[] = {{{64, 4608, 1152, 0, 64, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape gate_model[] = {{{64, 1152, 1152, 0, 32, DENSE}, 0}, {{0}, 0}};
static const ffcl_shape add_model[] = {
    {{512, 1152, 16, 0, 256, DENSE}, 0},        /* patches and the position table */
    {{64, 512, 512, 0, 64, DENSE}, 0},          /* a 1 x 1 convolution with its skip */
    {{0}, 0},
};
static const ffcl_shape gate_add_model[] = {{{64, 1152, 4608, 0, 32, DENSE}, 0}, {{0}, 0}};

static const ffcl_shape skinny_model[] = {
    {{1, 1152, 256, 0, 1, DENSE}, 0},           /* a scalar embedder's layers */
    {{1, 1152, 1152, 0, 1, DENSE}, 0},
    {{64, 1152, 1152, 0, 64, DENSE}, 0},
    {{1, 6912, 1152, 0, 1, DENSE}, 0},          /* adaLN of one image */
    {{512, 16, 1152, 0, 256, DENSE}, 0},        /* the final layer */
    {{0}, 0},
};

#define K_BY_N                                                                           \
    {{5, 3, 7, 0, 2, ODD}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},                         \
    {{5, 3, 7, 1, 5, DENSE}, FFCL_SHAPE_SMALL},                                          \
    {{1, 3, 5, 0, 1, ODD}, 0},                                                           \
    {{1, 3, 16, 0, 1, DENSE}, 0},                                                        \
    {{1, 1, 1, 1, 1, ODD}, 0},                                                           \
    {{1, 131, 77, 0, 1, ALIGNED}, FFCL_SHAPE_FILLS},                                     \
    {{1, 65, 130, 1, 1, ODD}, 0},                                                        \
    {{33, 65, 17, 0, 8, ALIGNED}, FFCL_SHAPE_FILLS},                                     \
    {{33, 65, 17, 1, 10, ALIGNED}, 0},                                                   \
    {{70, 100, 33, 1, 7, ODD}, 0},                                                       \
    {{130, 129, 70, 0, 130, ODD}, 0},                                                    \
    {{257, 131, 140, 1, 100, ALIGNED}, 0},  /* several tiles of the large-matrix kernel */ \
    {{384, 388, 136, 0, 128, DENSE}, 0},                                                 \
    {{37, 48, 20, 0, 5, ODD}, 0},           /* rows of whole vectors, not aligned */     \
    {{3, 8208, 9, 0, 2, DENSE}, 0}          /* in two parts after the GEMM */

static const ffcl_shape awkward[] = {
    K_BY_N,
    {{5, 3, 7, NMAJOR, 2, ODD}, FFCL_SHAPE_SMALL},
    {{1, 131, 77, NMAJOR, 1, ALIGNED}, 0},
    {{1, 65, 130, KMAJOR | NMAJOR, 1, ODD}, 0},
    {{33, 65, 17, NMAJOR, 8, ALIGNED}, FFCL_SHAPE_FILLS},
    {{70, 100, 33, KMAJOR | NMAJOR, 7, ODD}, 0},
    {{1031, 70, 40, NMAJOR, 100, ALIGNED}, 0},  /* several blocks of a CPU's library */
    {{0}, 0},
};

/* What makes the blocked kernel choose each of its tiles on a device of one compute unit. */
static const ffcl_shape tile_awkward[] = {
    {{193, 324, 512, 0, 50, ALIGNED}, 0},
    {{196, 324, 512, KMAJOR | NMAJOR, 50, ALIGNED}, 0},
    {{130, 324, 512, 0, 130, DENSE}, 0},
    {{132, 324, 512, KMAJOR | NMAJOR, 33, DENSE}, 0},
    {{193, 324, 128, 0, 50, ALIGNED}, 0},
    {{196, 324, 128, KMAJOR | NMAJOR, 50, ALIGNED}, 0},
    {{70, 68, 144, 0, 70, DENSE}, 0},
    {{68, 68, 16, KMAJOR | NMAJOR, 7, ALIGNED}, 0},
    {{3, 4, 16, 0, 1, DENSE}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{193, 324, 509, 0, 50, ALIGNED}, 0},
    {{250, 301, 132, NMAJOR, 50, ODD}, 0},
    {{33, 260, 257, 0, 33, DENSE}, 0},
    {{0}, 0},
};

/* Cut along K, whose parts may end with less than a step. */
static const ffcl_shape parts_awkward[] = {
    {{5, 3, 1155, 0, 5, DENSE}, FFCL_SHAPE_FILLS},
    {{70, 100, 1158, 1, 70, DENSE}, 0},
    {{130, 132, 1161, 0, 130, DENSE}, 0},
    {{65, 260, 1164, 1, 13, DENSE}, 0},
    {{1, 4, 1152, 0, 1, DENSE}, FFCL_SHAPE_SMALL},
    {{0}, 0},
};

/* ---- shapes of half ------------------------------------------------------------------------- */

static const ffcl_shape half_bias_model[] = {
    {{64, 3456, 1152, 64, DENSE, 0}, 0},        /* qkv */
    {{64, 512, 512, 64, DENSE, 0}, 0},          /* of the VAE */
    {{0}, 0},
};
static const ffcl_shape half_gelu_model[] = {{{32, 4608, 1152, 32, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape half_gate_model[] = {{{32, 1152, 4608, 16, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape half_add_model[] = {{{64, 512, 512, 64, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape half_none_model[] = {{{0}, 0}};

/* What no matrix unit takes: another kernel must be chosen. */
#define FOR_NO_UNIT                                                          \
    {{5, 3, 7, 2, ODD, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},             \
    {{1, 1, 1, 1, ODD, 0}, 0},                                               \
    {{33, 65, 17, 8, ALIGNED, 0}, 0},                                        \
    {{130, 129, 70, 130, ODD, 0}, 0},                                        \
    {{17, 24, 36, 17, DENSE, 0}, 0},    /* K alone is no multiple of 8, */   \
    {{17, 36, 24, 17, DENSE, 0}, 0},    /* N alone, */                       \
    {{17, 24, 40, 5, ODD, 0}, 0},       /* the distance of rows alone */     \
    {{1, 1, 8, 1, ODD, 0}, 0},                                               \
    {{1, 37, 264, 1, ODD, 0}, FFCL_SHAPE_FILLS},                             \
    {{1, 100, 2056, 1, ALIGNED, 0}, FFCL_SHAPE_FILLS}
#define FOR_ANY                                                              \
    {{1, 8, 8, 1, DENSE, 0}, FFCL_SHAPE_SMALL},                              \
    {{5, 24, 40, 2, ALIGNED, 0}, FFCL_SHAPE_FILLS},                          \
    {{1, 1152, 256, 1, DENSE, 0}, 0},                                        \
    {{33, 72, 72, 8, ALIGNED, 0}, FFCL_SHAPE_FILLS},                         \
    {{64, 1152, 72, 32, DENSE, 0}, 0},                                       \
    {{200, 136, 1152, 64, DENSE, 0}, 0},                                     \
    {{257, 136, 104, 100, ALIGNED, 0}, FFCL_SHAPE_FILLS}

static const ffcl_shape half_awkward[] = {FOR_NO_UNIT, FOR_ANY, {{0}, 0}};
static const ffcl_shape fallback_awkward[] = {FOR_NO_UNIT, {{0}, 0}};

/* For matrix units also what makes them choose each tile and each split of K: the same GEMMs for
 * devices of several sizes.  Ragged against tiles of 32 to 256 rows and columns and
 * against steps of 32, with fewer steps than stages, and with a last part that is shorter. */
static const ffcl_shape unit_awkward[] = {
    FOR_ANY,
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

/* For a few rows that differ from others in the epilogue alone. */
static const ffcl_shape few_awkward[] = {
    {{5, 24, 40, 2, ALIGNED, 0}, FFCL_SHAPE_SMALL},
    {{33, 72, 72, 8, ALIGNED, 0}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

/* Pieces of W that are copied, whole and last; whole rows of vectors of 16 and of 4. */
static const ffcl_shape cblas_half_awkward[] = {
    FOR_NO_UNIT,
    FOR_ANY,
    {{40, 1000, 1100, 40, ALIGNED, 0}, FFCL_SHAPE_FILLS},
    {{37, 1044, 1028, 5, ODD, 0}, 0},
    {{9, 300, 8200, 9, DENSE, 0}, 0},
    {{3, 8208, 9, 2, DENSE, 0}, 0},
    {{0}, 0},
};

/* The blocked kernel's tiles, of 32 to 128 rows and columns, by compute units. */
static const ffcl_shape blocked_half_awkward[] = {
    FOR_NO_UNIT,
    FOR_ANY,
    {{129, 136, 168, 50, ALIGNED, 1}, 0},
    {{200, 72, 8, 200, ALIGNED, 1}, 0},
    {{257, 264, 40, 257, DENSE, 1}, 0},
    {{257, 264, 40, 257, DENSE, 4}, 0},
    {{513, 40, 72, 513, DENSE, 1}, 0},
    {{127, 1152, 40, 64, DENSE, 132}, 0},
    {{5, 24, 4104, 2, ALIGNED, 1}, 0},
    {{193, 328, 512, 50, ALIGNED, 1}, 0},
    {{70, 72, 144, 70, DENSE, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape parts_half_awkward[] = {
    {{5, 8, 1152, 5, DENSE, 132}, FFCL_SHAPE_SMALL | FFCL_SHAPE_FILLS},
    {{70, 100, 1176, 70, DENSE, 132}, 0},
    {{130, 132, 1224, 130, ODD, 132}, 0},
    {{0}, 0},
};

static const ffcl_shape gemv_model[] = {{{1, 6912, 1152, 1, DENSE, 0}, 0}, {{0}, 0}};
static const ffcl_shape gemv_awkward[] = {
    {{1, 8, 8, 1, DENSE, 0}, FFCL_SHAPE_SMALL},
    {{1, 1152, 256, 1, DENSE, 0}, 0},
    {{1, 1, 8, 1, ODD, 0}, 0},
    {{1, 37, 264, 1, ODD, 0}, FFCL_SHAPE_FILLS},
    {{1, 100, 2056, 1, ALIGNED, 0}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

/* ---- cases ---------------------------------------------------------------------------------- */

static int is_half(const ffcl_case *c)
{
    return c->row->dtype == FFCL_F16;
}

static int uses(const ffcl_case *c, int what)
{
    return c->row->uses & what;
}

static size_t major(const ffcl_case *c)
{
    return is_half(c) ? 0 : c->shape.d[MAJOR];
}

static size_t rows_of_gate(const ffcl_case *c)
{
    return c->shape.d[is_half(c) ? HALF_T : T];
}

/* Rows after which add repeats. */
static size_t rows_of_add(const ffcl_case *c)
{
    return c->shape.d[is_half(c) ? M : T];
}

/* Operand k of a float32 row, k making offsets differ. */
static ffcl_operand float_at(const ffcl_case *c, size_t rows, size_t cols, size_t k)
{
    size_t how = c->shape.d[PLACE], align = c->ctx->device.caps.align_bytes / sizeof(float);
    size_t at = how == ALIGNED ? k * ffcl_round_up(64, align) : how == ODD ? 2 * k + 1 : 0;
    size_t ld = how == DENSE ? cols : cols + k + how;
    return (ffcl_operand){.role = k == 1 ? FFCL_OUT : FFCL_IN, .n = at + rows * ld, .at = at,
                          .rows = rows, .cols = cols, .ld = ld, .flat = how != DENSE};
}

static void float_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const int k_major = (d[MAJOR] & KMAJOR) != 0, n_major = (d[MAJOR] & NMAJOR) != 0;
    FFCL_OPERANDS(c, float_at(c, d[M], d[N], 1),
                  float_at(c, d[k_major ? K : M], d[k_major ? M : K], 2),
                  float_at(c, d[n_major ? N : K], d[n_major ? K : N], 3),
                  float_at(c, 1, d[N], 4), float_at(c, ffcl_div_up(d[M], d[T]), d[N], 5),
                  float_at(c, d[T], d[N], 6));
    ffcl_case_axes(c, "m n", d[M], d[N], 0, 0);
}

/* Gaps of `gap` elements between rows where the shape's place is ALIGNED, of one where ODD. */
static ffcl_operand half_at(const ffcl_case *c, ffcl_role role, ffcl_dtype dtype, size_t rows,
                            size_t cols, size_t gap)
{
    size_t how = c->shape.d[HALF_PLACE], ld = cols + (how == ALIGNED ? gap : how == ODD);
    return (ffcl_operand){.role = role, .dtype = dtype, .n = rows * ld, .rows = rows, .cols = cols,
                          .ld = ld};
}

static void half_operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_dtype result = uses(c, OUT_HALF) ? FFCL_F16 : FFCL_F32;
    const ffcl_dtype of_a = uses(c, A_FLOAT) ? FFCL_F32 : FFCL_F16;
    /* Only a gate may begin at an offset, as the others lie in buffers of their own. */
    ffcl_operand gate = half_at(c, FFCL_IN, FFCL_F32, ffcl_div_up(d[M], d[HALF_T]), d[N], 12);
    gate.at = d[HALF_PLACE] == ALIGNED ? 4 : d[HALF_PLACE] == ODD ? 3 : 0;
    gate.n += gate.at;
    FFCL_OPERANDS(c, half_at(c, FFCL_OUT, result, d[M], d[N], 16),
                  half_at(c, FFCL_IN, of_a, d[M], d[K], 8),
                  {.role = FFCL_IN, .dtype = FFCL_F16, .n = ffcl_tiled_count(d[N], d[K])},
                  {.role = FFCL_IN, .n = d[N]}, gate,
                  half_at(c, FFCL_IN, result, d[M], d[N], 16),
                  {.role = FFCL_HOST, .dtype = FFCL_F16, .n = d[N] * d[K]});
    ffcl_case_axes(c, "m n", d[M], d[N], 0, 0);
}

/* PLAIN into tiles. */
static void fill_tiles(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    for (size_t i = 0; i < c->operand[W].n; i++)
        ffcl_f32(c, W)[i] = 0.0f;
    for (size_t n = 0; n < d[N]; n++)
        for (size_t k = 0; k < d[K]; k++)
            ffcl_f32(c, W)[ffcl_tiled_at(n, k, d[K])] = ffcl_f32(c, PLAIN)[n * d[K] + k];
}

static void fill(ffcl_case *c)
{
    const double k = (double)c->shape.d[K];
    ffcl_case_fill(c, A, 0);
    /* Results of deviation about 1: activations bend there. */
    ffcl_case_noise(c, is_half(c) ? PLAIN : W, 0.0, 1.0 / sqrt(k));
    if (is_half(c))
        fill_tiles(c);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    ffcl_case_noise(c, GATE, 0.0, 1.0);
    ffcl_case_noise(c, ADD, 0.0, 1.0);
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt(k);
}

static ffcl_ref_matrix matrix(const ffcl_case *c, size_t i, int transposed)
{
    const ffcl_operand *t = &c->operand[i];
    return transposed ? (ffcl_ref_matrix){ffcl_f32(c, i) + t->at, 1, t->ld}
                      : (ffcl_ref_matrix){ffcl_f32(c, i) + t->at, t->ld, 1};
}

/* What the reference is given. */
typedef struct arguments {
    ffcl_ref_matrix a, w;
    ffcl_ref_epilogue e;
} arguments;

static arguments arguments_of(const ffcl_case *c)
{
    arguments o = {matrix(c, A, (major(c) & KMAJOR) != 0), {NULL, 0, 0},
                   {.act = uses(c, FFCL_SILU) ? 1 : uses(c, FFCL_GELU) ? 2 : uses(c, RELU) ? 3 : 0,
                    .gate_rows = rows_of_gate(c), .add_rows = rows_of_add(c)}};
    if (is_half(c))
        o.w = (ffcl_ref_matrix){ffcl_f32(c, PLAIN), 1, c->shape.d[K]};
    else
        o.w = matrix(c, W, (major(c) & NMAJOR) != 0);
    if (uses(c, FFCL_BIAS))
        o.e.bias = matrix(c, BIAS, 0).x;
    if (uses(c, FFCL_GATE))
        o.e.gate = matrix(c, GATE, 0);
    if (uses(c, FFCL_ADD))
        o.e.add = matrix(c, ADD, 0);
    return o;
}

static void ref(ffcl_case *c)
{
    const arguments o = arguments_of(c);
    ffcl_ref_gemm(c->want, o.a, o.w, &o.e, c->shape.d[M], c->shape.d[N], c->shape.d[K]);
}

static double at(const ffcl_case *c, size_t index)
{
    const arguments o = arguments_of(c);
    return ffcl_ref_gemm_at(o.a, o.w, &o.e, c->shape.d[N], c->shape.d[K], index);
}

/* A row for each image. */
static ffcl_tensor by_image(ffcl_tensor t)
{
    t.batch = t.rows;
    t.rows = 1;
    t.stride = t.ld;
    return t;
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    ffcl_tensor a = ffcl_case_matrix(c, A), w = ffcl_case_matrix(c, W);
    if (is_half(c)) {
        w = ffcl_case_dense(c, W, 1, d[K], d[N]);
        w.layout = FFCL_TILES;
    }
    call->bias = ffcl_case_matrix(c, BIAS);
    call->gate = by_image(ffcl_case_matrix(c, GATE));
    call->add = ffcl_case_matrix(c, ADD);
    call->gemm = (ffcl_matmul){
        .out = ffcl_case_matrix(c, OUT), .a = major(c) & KMAJOR ? ffcl_transposed(a) : a,
        .w = major(c) & NMAJOR ? ffcl_transposed(w) : w,
        .bias = uses(c, FFCL_BIAS) ? &call->bias : NULL,
        .gate = uses(c, FFCL_GATE) ? &call->gate : NULL,
        .add = uses(c, FFCL_ADD) ? &call->add : NULL,
        .act = uses(c, FFCL_SILU)   ? FFCL_ACT_SILU
               : uses(c, FFCL_GELU) ? FFCL_ACT_GELU
               : uses(c, RELU)      ? FFCL_ACT_RELU
                                    : FFCL_ACT_NONE,
        .rows_per_image = uses(c, FFCL_GATE) ? rows_of_gate(c) : 0};
}

/* Of a kernel that the built-in GEMM would not choose for every shape. */
static void builtin_run(ffcl_case *c)
{
    ffcl_call call;
    describe(c, &call);
    ffcl_builtin_gemm(c->ctx, &call.gemm, uses(c, BY_PLAIN) ? 0 : uses(c, BY_TILES_8) ? 8 : 16);
}

/* A sum that is left in parts, added up by the kernel that does so for half operands. */
static void parts_run(ffcl_case *c)
{
    ffcl_call call;
    ffcl_tensor partial;
    describe(c, &call);
    call.gemm.partial = &partial;
    ffcl_gemm(c->ctx, &call.gemm);
    if (partial.batch < 2)
        ffcl_ctx_fail(c->ctx, FFCL_EUSAGE, "the GEMM was not cut along K");
    else
        ffcl_split_k_reduce(c->ctx, &call.gemm, &partial);
    ffcl_give(c->ctx, &partial);
}

static const char *builtin_skip(const ffcl_case *c)
{
    const size_t items = uses(c, BY_TILES_16) ? 256 : uses(c, BY_TILES_8) ? 64 : 1;
    return c->ctx->device.caps.max_work_group < items ? "work-groups are too small" : NULL;
}

/* Is it of the transformer's tokens, which are float32 where no matrix unit multiplies? */
static int is_of_floats(const ffcl_row *row, const ffcl_model_gemm *g)
{
    const char *v = row->variant ? row->variant : "";
    return g->quarters == 1 && (strcmp(v, "blocked-half") == 0 || strcmp(v, "cblas-half") == 0);
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    const int half = row->dtype == FFCL_F16;
    size_t n = 0;
    for (const ffcl_model_gemm *g = ffcl_model_gemms; g->role; g++) {
        const size_t m = ffcl_model_rows(g, of);
        const size_t t = g->after & FFCL_GATE ? ffcl_xl_tokens(of) : m;
        const int floats = is_of_floats(row, g), float_out = g->float_out || floats;
        if (row->uses & RELU || floats != !!(row->uses & A_FLOAT) ||
            g->precision == (half ? FFCL_IN_FLOAT : FFCL_IN_HALF) ||
            g->after != (row->uses & AFTER) || (half && float_out != !(row->uses & OUT_HALF)))
            continue;
        to[n++] = half ? (ffcl_use){g->role, {{m, g->N, g->K, t, DENSE, 0}, 0}}
                       : (ffcl_use){g->role, {{m, g->N, g->K, 0, t, DENSE}, 0}};
    }
    return n;
}

/* ---- rows ----------------------------------------------------------------------------------- */

#define SUMS                                                                             \
    .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .fill = fill,         \
    .ref = ref, .at = at, .describe = describe, .op = FFCL_OP_GEMM

/* A sum of K terms gathers K roundings of either sign, each of partial sums of the size of the
 * result (about 1): sqrt(K) units in the last place, six of them in the tails and after a gate. */
#define FLOAT                                                                            \
    SUMS, .letters = "M N K major T place", .operands = float_operands, .rtol = 1e-5f,   \
    .atol = 6e-7f
/* By the back end in use. */
#define GEMM(row_name, what, shapes) \
    {FLOAT, .name = row_name, .uses = what, .model = shapes, .awkward = awkward, .used = used}
/* columns: divided as for a device of so many compute units. */
#define SKINNY(row_name, what, columns)                                                  \
    {FLOAT, .name = row_name, .uses = what, .model = skinny_model,                       \
     .awkward = awkward, .units = columns, .variant = "skinny", .used = used}
/* The tile depends on the compute units. */
#define BLOCKED(row_name, what, shapes, compute_units)                                   \
    {FLOAT, .name = row_name, .uses = what, .model = shapes, .awkward = awkward,         \
     .units = compute_units, .variant = "blocked", .used = used}
/* On a device of many compute units, where an image alone would leave them idle. */
#define BLOCKED_PARTS(row_name, what, shapes)                                            \
    {FLOAT, .name = row_name, .uses = what, .model = shapes, .awkward = parts_awkward,   \
     .units = 132, .variant = "blocked", .run = parts_run}
#define BLOCKED_TILES(row_name, what, shapes)                                            \
    {FLOAT, .name = row_name, .uses = what, .model = shapes, .awkward = tile_awkward,    \
     .units = 1, .variant = "blocked", .used = used}
#define BUILTIN(row_name, what, shapes)                                                  \
    {FLOAT, .name = row_name, .uses = what, .model = shapes, .awkward = awkward,     \
     .variant = "builtin", .skip = builtin_skip, .run = builtin_run}

/* Sums as above, since products of halves are exact in float32.  A half result is rounded by up to
 * 2^-11 of itself. */
#define HALF(row_name, what, shapes, ragged, by, may_use, absolute)                      \
    {SUMS, .name = row_name, .letters = "M N K T place units", .dtype = FFCL_F16,        \
     .uses = what, .model = shapes, .awkward = ragged, .operands = half_operands,        \
     .rtol = (what) & OUT_HALF ? 5e-4f : 1e-5f, .atol = absolute,                        \
     .skip = ffcl_case_needs_unit, .variant = by, .unit = may_use, .used = used}
#define PLAIN_HALF(name, what, shapes) \
    HALF("half_" name, what, shapes, half_awkward, "half", FFCL_UNIT_NONE, 6e-7f)
#define BLOCKED_HALF(name, what, shapes)                                                 \
    HALF("blocked_half_" name, what, shapes, blocked_half_awkward, "blocked-half",       \
         FFCL_UNIT_NONE, 6e-7f)
#define BLOCKED_HALF_PARTS(row_name, what)                                               \
    {SUMS, .name = row_name, .letters = "M N K T place units", .dtype = FFCL_F16,        \
     .uses = what, .model = half_none_model, .awkward = parts_half_awkward,              \
     .operands = half_operands, .rtol = 1e-5f, .atol = 6e-7f, .variant = "blocked-half", \
     .run = parts_run}
#define CBLAS_HALF(name, what, shapes) \
    HALF("cblas_half_" name, what, shapes, cblas_half_awkward, "cblas-half", FFCL_UNIT_NONE, \
         6e-7f)
#define GEMV(name, what) \
    HALF("gemv_" name, what, gemv_model, gemv_awkward, "gemv", FFCL_UNIT_NONE, 6e-7f)
/* A matrix unit adds the 16 products of a step and the sum so far at the exponent of the largest
 * and cuts off what is below, where float32 additions round: up to a unit in the last place instead
 * of half of one, and always towards zero, so not evening out; three times the allowance. */
#define BY_UNIT(name, what, shapes, by, unit) \
    HALF(name, what, shapes, unit_awkward, by, unit, 1.8e-6f)
#define MMA(name, what, shapes) BY_UNIT("mma_" name, what, shapes, "mma", FFCL_UNIT_MMA)
#define WGMMA(name, what, shapes) BY_UNIT("wgmma_" name, what, shapes, "wgmma", FFCL_UNIT_WGMMA)
#define FALLBACK(name, what) \
    HALF(name, what, half_none_model, fallback_awkward, NULL, FFCL_UNIT_WMMA, 6e-7f)
/* AMD's and Intel's units share one kernel but for the instruction and its lanes.  Without the
 * models' shapes: an emulation takes too long for them. */
#define OTHER(name, by, unit)                                                            \
    BY_UNIT(name "_gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF, half_none_model, by, unit),  \
    BY_UNIT(name "_add", FFCL_BIAS | FFCL_ADD | OUT_HALF, half_none_model, by, unit),    \
    BY_UNIT(name "_float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, half_none_model,   \
            by, unit),                                                                   \
    HALF(name "_bias", FFCL_BIAS | OUT_HALF, half_none_model, few_awkward, by, unit,     \
         1.8e-6f),                                                                       \
    HALF(name "_float_bias", FFCL_BIAS, half_none_model, few_awkward, by, unit, 1.8e-6f)

const ffcl_row ffcl_rows_of_gemm[] = {
    GEMM("gemm", 0, none_model),
    GEMM("gemm_bias", FFCL_BIAS, bias_model),
    GEMM("gemm_silu", FFCL_BIAS | FFCL_SILU, silu_model),
    GEMM("gemm_gelu", FFCL_BIAS | FFCL_GELU, gelu_model),
    GEMM("gemm_relu", FFCL_BIAS | RELU, add_model),
    GEMM("gemm_gate", FFCL_GATE, gate_model),
    GEMM("gemm_add", FFCL_BIAS | FFCL_ADD, add_model),
    GEMM("gemm_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, gate_add_model),
    SKINNY("skinny", 0, 0),
    SKINNY("skinny_silu", FFCL_BIAS | FFCL_SILU, 132),
    SKINNY("skinny_gelu", FFCL_BIAS | FFCL_GELU, 0),
    SKINNY("skinny_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, 132),

    /* Every kind of epilogue with each of the built-in GEMM's kernels. */
    BLOCKED("blocked_bias", FFCL_BIAS, builtin_bias_model, 0),
    BLOCKED("blocked_gelu", FFCL_BIAS | FFCL_GELU, gelu_model, 1),
    BLOCKED("blocked_relu", FFCL_BIAS | RELU, add_model, 0),
    BLOCKED("blocked_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, gate_add_model, 1),
    BLOCKED("blocked_bare_many", 0, none_model, 132),
    BLOCKED_TILES("blocked_tiles", FFCL_BIAS | FFCL_GATE | FFCL_ADD, gate_add_model),
    BLOCKED_PARTS("blocked_parts", FFCL_BIAS | FFCL_GATE, gate_add_model),
    BUILTIN("builtin_plain", FFCL_BIAS | FFCL_GATE | FFCL_ADD | BY_PLAIN, gate_add_model),
    BUILTIN("builtin_plain_silu", FFCL_BIAS | FFCL_SILU | BY_PLAIN, silu_model),
    BUILTIN("builtin_tiles_8_relu", FFCL_BIAS | RELU | BY_TILES_8, add_model),
    BUILTIN("builtin_tiles_8", FFCL_BIAS | FFCL_GATE | FFCL_ADD | BY_TILES_8, gate_add_model),
    BUILTIN("builtin_tiles_16", FFCL_BIAS | FFCL_GATE | FFCL_ADD | BY_TILES_16, gate_add_model),
    BUILTIN("builtin_tiles_16_gelu", FFCL_BIAS | FFCL_GELU | BY_TILES_16,
            builtin_bias_model),
    BUILTIN("builtin_tiles_16_bare", BY_TILES_16, none_model),

    PLAIN_HALF("bias", FFCL_BIAS | OUT_HALF, half_bias_model),
    PLAIN_HALF("silu", FFCL_BIAS | FFCL_SILU | OUT_HALF, half_none_model),
    PLAIN_HALF("gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF, half_gelu_model),
    PLAIN_HALF("add", FFCL_BIAS | FFCL_ADD | OUT_HALF, half_add_model),
    PLAIN_HALF("float_bias", FFCL_BIAS, half_none_model),
    PLAIN_HALF("float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, half_gate_model),
    PLAIN_HALF("float_gelu", FFCL_BIAS | FFCL_GELU, half_none_model),
    BLOCKED_HALF("bias", FFCL_BIAS | OUT_HALF, half_bias_model),
    BLOCKED_HALF("gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF, half_gelu_model),
    BLOCKED_HALF("relu", FFCL_BIAS | RELU | OUT_HALF, half_none_model),
    BLOCKED_HALF("add", FFCL_BIAS | FFCL_ADD | OUT_HALF, half_add_model),
    BLOCKED_HALF("float_silu", FFCL_BIAS | FFCL_SILU, half_none_model),
    BLOCKED_HALF("float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, half_gate_model),
    BLOCKED_HALF("floats", A_FLOAT, half_none_model),
    BLOCKED_HALF("floats_bias", FFCL_BIAS | A_FLOAT, half_bias_model),
    BLOCKED_HALF("floats_gelu", FFCL_BIAS | FFCL_GELU | A_FLOAT, half_gelu_model),
    BLOCKED_HALF("floats_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD | A_FLOAT, half_gate_model),
    BLOCKED_HALF_PARTS("blocked_half_parts", FFCL_BIAS | FFCL_GATE),
    BLOCKED_HALF_PARTS("blocked_half_floats_parts", FFCL_BIAS | FFCL_GATE | A_FLOAT),
    CBLAS_HALF("bias", FFCL_BIAS | OUT_HALF, half_bias_model),
    CBLAS_HALF("gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF, half_gelu_model),
    CBLAS_HALF("relu", FFCL_BIAS | RELU | OUT_HALF, half_none_model),
    CBLAS_HALF("add", FFCL_BIAS | FFCL_ADD | OUT_HALF, half_add_model),
    CBLAS_HALF("float", 0, half_none_model),
    CBLAS_HALF("float_silu", FFCL_BIAS | FFCL_SILU, half_none_model),
    CBLAS_HALF("float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, half_gate_model),
    CBLAS_HALF("floats", A_FLOAT, half_none_model),
    CBLAS_HALF("floats_bias", FFCL_BIAS | A_FLOAT, half_bias_model),
    CBLAS_HALF("floats_gelu", FFCL_BIAS | FFCL_GELU | A_FLOAT, half_gelu_model),
    CBLAS_HALF("floats_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD | A_FLOAT, half_gate_model),
    GEMV("bias", FFCL_BIAS | OUT_HALF),
    GEMV("silu", FFCL_BIAS | FFCL_SILU | OUT_HALF),
    GEMV("gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF),
    GEMV("add", FFCL_BIAS | FFCL_ADD | OUT_HALF),
    GEMV("float_bias", FFCL_BIAS),
    GEMV("float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD),
    GEMV("float_gelu", FFCL_BIAS | FFCL_GELU),

    FALLBACK("half_fallback_gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF),
    FALLBACK("half_fallback_float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD),
    OTHER("wmma", "wmma", FFCL_UNIT_WMMA),
    OTHER("mfma", "mfma", FFCL_UNIT_MFMA),
    OTHER("dpas_eight", "dpas8", FFCL_UNIT_DPAS8),
    OTHER("dpas_sixteen", "dpas16", FFCL_UNIT_DPAS16),

    MMA("bias", FFCL_BIAS | OUT_HALF, half_bias_model),
    MMA("silu", FFCL_BIAS | FFCL_SILU | OUT_HALF, half_none_model),
    MMA("gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF, half_gelu_model),
    MMA("add", FFCL_BIAS | FFCL_ADD | OUT_HALF, half_add_model),
    MMA("float_bias", FFCL_BIAS, half_none_model),
    MMA("float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, half_gate_model),
    MMA("float_gelu", FFCL_BIAS | FFCL_GELU, half_none_model),
    /* What follows a GEMM is the same code for both of NVIDIA's: not all of it again. */
    WGMMA("bias", FFCL_BIAS | OUT_HALF, half_bias_model),
    WGMMA("float_bias", FFCL_BIAS, half_none_model),
    WGMMA("gelu", FFCL_BIAS | FFCL_GELU | OUT_HALF, half_gelu_model),
    WGMMA("add", FFCL_BIAS | FFCL_ADD | OUT_HALF, half_add_model),
    WGMMA("float_gate_add", FFCL_BIAS | FFCL_GATE | FFCL_ADD, half_gate_model),
    {.name = NULL},
};
