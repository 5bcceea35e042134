/* SPDX-License-Identifier: MIT
 * Half operands on CPUs: the CBLAS library multiplies float32 copies of them, of W a piece at a
 * time that stays in cache.  Halves are exact in float32, so this is float32's product of the same
 * numbers. */
#include <stdio.h>

#include "backend.h"
#include "util.h"

/* Bytes of the copy of a piece of W. */
enum { PIECE = 8 << 20 };

static ffcl_cost copy_cost(size_t n)
{
    return (ffcl_cost){0.0, 6.0 * (double)n};
}

void ffcl_floats_of_tiles(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *w, size_t first)
{
    const size_t n = out->rows, K = out->cols, items = n * ffcl_div_up(K, FFCL_TILE_K);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "half_floats", "floats_of_tiles", "");
    ffcl_work(ctx, copy_cost(n * K));
    ffcl_launch_items(ctx, k, items, FFCL_BUF(out), FFCL_BUF(w), FFCL_INT(first), FFCL_INT(n),
                      FFCL_INT(K), FFCL_INT(items));
}

void ffcl_floats_of_rows(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    const size_t each = ffcl_is_cpu(ctx) ? 16 : 4, pieces = ffcl_div_up(x->cols, each);
    const size_t items = x->batch * x->rows * pieces;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "half_floats", "floats_of_rows",
                                           each == 4 ? "-DEACH=4" : "");
    ffcl_work(ctx, copy_cost(x->batch * x->rows * x->cols));
    ffcl_launch_items(ctx, k, items, FFCL_BUF(out), FFCL_BUF(x), FFCL_INT(x->at), FFCL_INT(x->ld),
                      FFCL_INT(x->stride), FFCL_INT(x->rows), FFCL_INT(x->cols), FFCL_INT(items));
}

static int has_epilogue(const ffcl_matmul *p)
{
    return ffcl_epilogue_flags(p) || p->act != FFCL_ACT_NONE;
}

int ffcl_cblas_half_can(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const int half_a = p->a.dtype == FFCL_F16, half_w = p->w.dtype == FFCL_F16;
    return ffcl_gemm_copies_half(ctx) && (half_a || half_w) && !p->gather && !p->unpatch &&
           (!half_a || p->a.layout == FFCL_ROWS) &&
           (!half_w || p->w.layout == FFCL_TILES) && !ffcl_matmul_batch(p);
}

/* Columns of W a piece after another. */
static void multiply_tiles(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t N = p->w.cols, K = p->w.rows;
    const size_t most = ffcl_max(PIECE / (K * sizeof(float)) / FFCL_TILE_N, 1) * FFCL_TILE_N;
    ffcl_tensor copy = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, ffcl_min(N, most), K));
    for (size_t first = 0; first < N; first += most) {
        const size_t n = ffcl_min(N - first, most);
        const ffcl_tensor piece = ffcl_rows(copy, 0, n);
        ffcl_matmul part = *p;
        ffcl_floats_of_tiles(ctx, &piece, &p->w, first);
        part.w = ffcl_transposed(piece);
        part.out = ffcl_cols(p->out, first, n);
        ctx->blas->backend->gemm(ctx, &part);
    }
    ffcl_give(ctx, &copy);
}

static void multiply(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    if (p->w.dtype == FFCL_F16)
        multiply_tiles(ctx, p);
    else
        ctx->blas->backend->gemm(ctx, p);
}

/* p->out = p's epilogue of sums (M, N). */
static void finish(ffcl_ctx *ctx, const ffcl_matmul *p, const ffcl_tensor *sums)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    char options[48];
    if (N % 4) {
        ffcl_split_k_reduce(ctx, p, sums);
        return;
    }
    snprintf(options, sizeof options, "-DVW=%d %s", N % 16 ? 4 : 16,
             ffcl_dtype_option(p->out.dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "half_floats", "finish_rows", options);
    size_t local[2] = {ffcl_local_size(ctx, k, 8), 1};
    size_t global[2] = {ffcl_round_up(M, local[0]), ffcl_div_up(N, FFCL_ROW_PART)};
    ffcl_cost cost = ffcl_after_cost(p);
    cost.bytes += (4.0 + (double)ffcl_dtype_bytes(p->out.dtype)) * (double)(M * N);
    ffcl_work(ctx, cost);
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(&p->out), FFCL_INT(p->out.at),
                FFCL_INT(p->out.ld), FFCL_BUF(sums), FFCL_EPILOGUE(p), FFCL_INT(M), FFCL_INT(N),
                FFCL_INT(FFCL_ROW_PART));
}

void ffcl_cblas_half(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const int is_direct = p->out.dtype == FFCL_F32 && !has_epilogue(p);
    ffcl_matmul bare = {.out = p->out, .a = p->a, .w = p->w, .rows_per_image = p->rows_per_image};
    ffcl_tensor a = {0}, sums = {0};
    if (p->a.dtype == FFCL_F16) {
        a = bare.a = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, p->a.batch, p->a.rows, p->a.cols));
        ffcl_floats_of_rows(ctx, &a, &p->a);
    }
    if (!is_direct)
        sums = bare.out = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, ffcl_matmul_rows(p),
                                                        p->w.cols));
    multiply(ctx, &bare);
    if (a.rows)
        ffcl_give(ctx, &a);
    if (!is_direct) {
        finish(ctx, p, &sums);
        ffcl_give(ctx, &sums);
    }
}
