/* SPDX-License-Identifier: MIT
 * Attention of float32 heads as two batches of products, a product a head, with the scores in
 * memory between them; for devices whose back end takes batches.  Heads and queries are taken so
 * many at a time that the scores stay in cache. */
#include <math.h>
#include <stdio.h>

#include "cl/arena.h"
#include "cl/launch.h"
#include "gemm.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

enum { SCORES = 4 << 20, QUERIES = 64 };    /* floats of scores at a time; queries at the least */

int ffcl_softmax_in_place(ffcl_ctx *ctx, cl_mem x, double scale, size_t rows, size_t n)
{
    const double log2_e = 1.4426950408889634;
    const ffcl_kernel *k;
    char options[16];
    snprintf(options, sizeof options, "-DVW=%zu", ffcl_vector(n));
    int rc = ffcl_kernel_get(ctx, &k, "softmax_row", "softmax_row", options);
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, 16), global = ffcl_round_up(rows, local);
    ffcl_work(ctx, ffcl_softmax_in_place_cost(rows, n));
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(x), FFCL_I32(rows), FFCL_I32(n),
                       FFCL_F32(scale * log2_e));
}

int ffcl_attention_batched_fits(const ffcl_ctx *ctx)
{
    const ffcl_product any = {.batch = 2};
    return ffcl_gemm_batch_fits(ctx, &any);
}

/* Heads first .. first+heads-1 of queries t0 .. t0+n-1 of picture b; s holds (heads, n, T). */
static int part(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, cl_mem s, size_t b, size_t T, size_t H,
                size_t Dh, size_t first, size_t heads, size_t t0, size_t n)
{
    const size_t D = H * Dh, ld = 3 * D, picture = b * T * ld;
    const ffcl_product scores = {.m = n, .n = T, .k = Dh, .a = qkv,
                                 .a_at = picture + t0 * ld + first * Dh, .a_ld = ld, .a_step = Dh,
                                 .w = qkv, .w_at = picture + D + first * Dh, .w_ld = ld,
                                 .w_step = Dh, .w_nmajor = 1, .out = s, .out_ld = T,
                                 .out_step = n * T, .batch = heads};
    const ffcl_product result = {.m = n, .n = Dh, .k = T, .a = s, .a_ld = T, .a_step = n * T,
                                 .w = qkv, .w_at = picture + 2 * D + first * Dh, .w_ld = ld,
                                 .w_step = Dh, .out = out,
                                 .out_at = (b * T + t0) * D + first * Dh, .out_ld = D,
                                 .out_step = Dh, .batch = heads};
    int rc = ffcl_gemm(ctx, &scores);
    if (rc == 0)
        rc = ffcl_softmax_in_place(ctx, s, 1.0 / sqrt((double)Dh), heads * n, T);
    return rc ? rc : ffcl_gemm(ctx, &result);
}

int ffcl_attention_batched(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H,
                           size_t Dh)
{
    const size_t queries = ffcl_min(T, ffcl_max(SCORES / T, QUERIES));
    const size_t heads = ffcl_min(H, ffcl_max(SCORES / (queries * T), 1));
    ffcl_buf s = {0};
    int rc = ffcl_take(ctx, &s, heads * queries * T);
    for (size_t b = 0; rc == 0 && b < B; b++)
        for (size_t h = 0; rc == 0 && h < H; h += heads)
            for (size_t t = 0; rc == 0 && t < T; t += queries)
                rc = part(ctx, out, qkv, s.mem, b, T, H, Dh, h, ffcl_min(heads, H - h), t,
                          ffcl_min(queries, T - t));
    ffcl_give(ctx, &s);
    return rc;
}
