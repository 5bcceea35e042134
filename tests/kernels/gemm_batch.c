/* SPDX-License-Identifier: MIT
 * Batches of GEMMs, a matrix of each operand for each, as Winograd's convolutions and attention
 * have them: Z GEMMs with GAP elements between one matrix and the next, of float32 or half. */
#include <math.h>

#include "../ref/ref.h"
#include "registry.h"

enum { OUT, A, W };
enum { Z, M, N, K, GAP };
/* A row's uses: the operands that are half; W as (N, K). */
enum { A_HALF = 1, W_HALF = 2, OUT_HALF = 4, N_MAJOR = 8 };

static const ffcl_shape model[] = {
    {{36, 64, 128, 128, 0}, 0},         /* a band of Winograd's tiles */
    {{16, 64, 64, 72, 0}, 0},           /* scores of SiT's heads */
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{3, 5, 7, 3, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 1, 1, 1, 3}, 0},
    {{25, 17, 24, 36, 4}, FFCL_SHAPE_FILLS},
    {{2, 130, 132, 20, 8}, 0},
    {{5, 65, 129, 33, 1}, 0},
    {{2, 200, 68, 16, 0}, 0},
    {{2, 65, 324, 512, 4}, 0},          /* the blocked kernel's tiles on one compute unit */
    {{3, 60, 324, 512, 0}, 0},
    {{2, 65, 324, 128, 4}, 0},
    {{0}, 0},
};

static size_t stride(const ffcl_case *c, size_t rows, size_t cols)
{
    return rows * cols + c->shape.d[GAP];
}

/* The gaps are the ends of rows of a matrix as long as a stride. */
static ffcl_operand batch_of(const ffcl_case *c, ffcl_role role, unsigned half, size_t rows,
                             size_t cols)
{
    const size_t z = c->shape.d[Z], each = stride(c, rows, cols);
    return (ffcl_operand){.role = role, .dtype = c->row->uses & half ? FFCL_F16 : FFCL_F32,
                          .n = z * each, .rows = z, .cols = rows * cols, .ld = each};
}

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    FFCL_OPERANDS(c, batch_of(c, FFCL_OUT, OUT_HALF, d[M], d[N]),
                  batch_of(c, FFCL_IN, A_HALF, d[M], d[K]),
                  batch_of(c, FFCL_IN, W_HALF, d[K], d[N]));
    ffcl_case_axes(c, "z m n", d[Z], d[M], d[N], 0);
}

static void fill(ffcl_case *c)
{
    const double k = (double)c->shape.d[K];
    ffcl_case_fill(c, A, 0);
    ffcl_case_noise(c, W, 0.0, 1.0 / sqrt(k));
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt(k);
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const int n_major = (c->row->uses & N_MAJOR) != 0;
    const ffcl_ref_epilogue none = {.gate_rows = 1, .add_rows = 1};
    for (size_t z = 0; z < d[Z]; z++)
        ffcl_ref_gemm(c->want + z * d[M] * d[N],
                      (ffcl_ref_matrix){ffcl_f32(c, A) + z * stride(c, d[M], d[K]), d[K], 1},
                      (ffcl_ref_matrix){ffcl_f32(c, W) + z * stride(c, d[K], d[N]),
                                        n_major ? 1 : d[N], n_major ? d[K] : 1},
                      &none, d[M], d[N], d[K]);
}

static ffcl_tensor tensor(const ffcl_case *c, size_t i, size_t rows, size_t cols)
{
    ffcl_tensor t = ffcl_case_dense(c, i, c->shape.d[Z], rows, cols);
    t.stride = stride(c, rows, cols);
    return t;
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor w = c->row->uses & N_MAJOR ? ffcl_transposed(tensor(c, W, d[N], d[K]))
                                                 : tensor(c, W, d[K], d[N]);
    call->gemm = (ffcl_matmul){.out = tensor(c, OUT, d[M], d[N]), .a = tensor(c, A, d[M], d[K]),
                               .w = w};
}

/* Tolerances as those of single GEMMs (gemm.c). */
#define BATCH(row_name, by, what, compute_units)                                            \
    {                                                                                       \
        .name = row_name, .letters = "Z M N K gap", .model = model, .awkward = awkward,     \
        .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT,                      \
        .operands = operands, .fill = fill, .ref = ref, .describe = describe,               \
        .op = FFCL_OP_GEMM, .rtol = (what) & OUT_HALF ? 5e-4f : 1e-5f, .atol = 6e-7f,       \
        .variant = by, .uses = what, .units = compute_units,                                \
    }

const ffcl_row ffcl_rows_of_gemm_batch[] = {
    BATCH("gemm_batch_cblas", "cblas", 0, 0),
    BATCH("gemm_batch_blocked", "blocked", 0, 1),
    BATCH("gemm_batch_blocked_many", "blocked", 0, 132),
    BATCH("gemm_batch_half_weight", "blocked-half", W_HALF, 1),
    BATCH("gemm_batch_half_scores", "blocked-half", A_HALF | W_HALF | N_MAJOR, 132),
    BATCH("gemm_batch_half_values", "blocked-half", W_HALF | OUT_HALF, 132),
    {.name = NULL},
};
