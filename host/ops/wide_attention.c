/* SPDX-License-Identifier: MIT
 * Attention of one wide head, the VAE's, as two batches of products on the matrix engine with the
 * scores in memory between them.  512 columns are too many for a kernel that keeps its result in
 * registers to reach more than a tenth of the engine's rate; scores cost T / Dh of the memory of
 * the operands twice over. */
#include <math.h>

#include "cl/arena.h"
#include "cl/launch.h"
#include "gemm.h"
#include "ops/ops.h"
#include "util.h"

/* scores (B, T, T) float32 = q k^T of each picture. */
static ffcl_product scores_of(size_t B, size_t T, size_t C)
{
    return (ffcl_product){.m = T, .n = T, .k = C, .a_ld = 3 * C, .a_step = 3 * C * T, .w_at = C,
                          .w_ld = 3 * C, .w_step = 3 * C * T, .out_ld = T, .out_step = T * T,
                          .half = 1, .batch = B};
}

/* out (B, T, C) = weights (B, T, T) v, of v^T (B, C, T). */
static ffcl_product result_of(size_t B, size_t T, size_t C)
{
    return (ffcl_product){.m = T, .n = C, .k = T, .a_ld = T, .a_step = T * T, .w_ld = T,
                          .w_step = C * T, .out_ld = C, .out_step = T * C, .half = 1,
                          .out_half = 1, .batch = B};
}

int ffcl_attention_products_fit(const ffcl_ctx *ctx, size_t T, size_t H, size_t Dh)
{
    const ffcl_product scores = scores_of(1, T, Dh), result = result_of(1, T, Dh);
    return H == 1 && ffcl_softmax_fits(ctx, T) && ctx->device.caps.max_work_group >= 256 &&
           ffcl_gemm_batch_fits(ctx, &scores) && ffcl_gemm_batch_fits(ctx, &result);
}

int ffcl_attention_products(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t C)
{
    ffcl_product scores = scores_of(B, T, C), result = result_of(B, T, C);
    ffcl_buf v = {0}, s = {0}, weights = {0};
    int rc = ffcl_take_stored(ctx, &v, B * T * C, FFCL_STORE_HALF);
    if (rc == 0)
        rc = ffcl_transpose_half(ctx, v.mem, qkv, B, T, C, 2 * C, 3 * C);
    if (rc == 0)
        rc = ffcl_take(ctx, &s, B * T * T);
    scores.a = scores.w = qkv;
    scores.out = s.mem;
    if (rc == 0)
        rc = ffcl_gemm(ctx, &scores);
    if (rc == 0)
        rc = ffcl_take_stored(ctx, &weights, B * T * T, FFCL_STORE_HALF);
    if (rc == 0)
        rc = ffcl_softmax(ctx, weights.mem, s.mem, 1.0 / sqrt((double)C), B * T, T);
    ffcl_give(ctx, &s);
    result.a = weights.mem;
    result.w = v.mem;
    result.out = out;
    if (rc == 0)
        rc = ffcl_gemm(ctx, &result);
    ffcl_give(ctx, &weights);
    ffcl_give(ctx, &v);
    return rc;
}
