/* SPDX-License-Identifier: MIT */
#include "ops/gemm_attention.h"

#include <math.h>

#include "ops/cost.h"
#include "util.h"

/* ---- scores in float32, as many heads and queries at a time as leave them in cache ---------- */

/* Floats of scores at a time, on a CPU and on a GPU; queries at the least. */
enum { SCORES_CPU = 4 << 20, SCORES_GPU = 16 << 20, QUERIES = 64 };

/* The scores take K as it lies, transposed. */
int ffcl_attention_gemms_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t T = d->qkv.rows, Dh = d->out.cols / d->heads;
    const ffcl_tensor k = ffcl_tensor_of(d->qkv.dtype, 2, T, Dh);
    return (k.dtype == FFCL_F32 || ffcl_gemm_mixes(ctx)) &&
           ffcl_gemm_can(ctx, &(ffcl_matmul){.out = ffcl_tensor_of(FFCL_F32, 2, T, T), .a = k,
                                             .w = ffcl_transposed(k)});
}

/* A batch of GEMMs: `heads` heads from head h on of image b, or `images` images of one head from b
 * on; n queries from query t on. */
typedef struct block {
    size_t b, images, h, heads, t, n;
} block;

static void attend(ffcl_ctx *ctx, const ffcl_attention_desc *d, const ffcl_tensor *scratch,
                   const block *at)
{
    const size_t H = d->heads, T = d->qkv.rows, Dh = d->out.cols / H;
    const ffcl_tensor qkv = ffcl_images(d->qkv, at->b, at->images);
    const ffcl_tensor out = ffcl_images(d->out, at->b, at->images);
    const size_t batch = at->images * at->heads;
    const ffcl_tensor s = ffcl_tensor_in(scratch->mem,
                                         ffcl_tensor_of(FFCL_F32, batch, at->n, T));
    ffcl_tensor q = ffcl_cols(ffcl_rows(qkv, at->t, at->n), at->h * Dh, Dh);
    ffcl_tensor k = ffcl_transposed(ffcl_cols(qkv, (H + at->h) * Dh, Dh));
    ffcl_tensor v = ffcl_cols(qkv, (2 * H + at->h) * Dh, Dh);
    ffcl_tensor o = ffcl_cols(ffcl_rows(out, at->t, at->n), at->h * Dh, Dh);
    ffcl_tensor *const by_head[] = {&q, &k, &v, &o};
    for (size_t i = 0; at->images == 1 && i < 4; i++) {
        by_head[i]->batch = at->heads;
        by_head[i]->stride = Dh;
    }
    ffcl_gemm(ctx, &(ffcl_matmul){.out = s, .a = q, .w = k});
    ffcl_softmax(ctx, &s, &s, 1.0 / sqrt((double)Dh));
    ffcl_gemm(ctx, &(ffcl_matmul){.out = o, .a = s, .w = v});
}

void ffcl_attention_gemms(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t H = d->heads, T = d->qkv.rows;
    const size_t B = d->qkv.batch, most = ffcl_is_cpu(ctx) ? SCORES_CPU : SCORES_GPU;
    const size_t queries = ffcl_min(T, ffcl_max(most / T, QUERIES));
    const size_t together = ffcl_max(most / (queries * T), 1), heads = ffcl_min(H, together);
    /* A GPU's compute units want more than one head. */
    const size_t images = H == 1 && !ffcl_is_cpu(ctx) ? ffcl_min(B, together) : 1;
    ffcl_tensor s = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, images * heads, queries, T));
    for (size_t b = 0; b < B; b += images)
        for (size_t h = 0; h < H; h += heads)
            for (size_t t = 0; t < T; t += queries)
                attend(ctx, d, &s, &(block){b, ffcl_min(images, B - b), h,
                                            ffcl_min(heads, H - h), t, ffcl_min(queries, T - t)});
    ffcl_give(ctx, &s);
}

/* ---- half operands on CPUs ------------------------------------------------------------------ */

int ffcl_attention_copied_can(const ffcl_ctx *ctx, const void *desc)
{
    ffcl_attention_desc d = *(const ffcl_attention_desc *)desc;
    if (d.qkv.dtype != FFCL_F16 || !ffcl_gemm_copies_half(ctx))
        return 0;
    d.qkv.dtype = d.out.dtype = FFCL_F32;
    return ffcl_attention_gemms_can(ctx, &d);
}

void ffcl_attention_copied(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t T = d->qkv.rows;
    ffcl_attention_desc copy = {ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, T, d->out.cols)),
                                ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, T, d->qkv.cols)),
                                d->heads};
    for (size_t b = 0; b < d->qkv.batch; b++) {
        const ffcl_tensor qkv = ffcl_images(d->qkv, b, 1), out = ffcl_images(d->out, b, 1);
        ffcl_floats_of_rows(ctx, &copy.qkv, &qkv);
        ffcl_attention_gemms(ctx, &copy);
        ffcl_cast(ctx, &out, &copy.out);
    }
    ffcl_give(ctx, &copy.qkv);
    ffcl_give(ctx, &copy.out);
}

/* ---- one half head: the VAE's ----------------------------------------------------------------
 * A kernel that keeps 512 columns of the result in registers reaches a tenth of the unit's rate at
 * most.  Scores in memory cost 2 T / Dh times the memory of an operand. */

/* scores (B, T, T) float32 = q k^T of each image. */
static ffcl_matmul scores_of(const ffcl_attention_desc *d, const ffcl_tensor *scores)
{
    const size_t C = d->out.cols;
    return (ffcl_matmul){.out = *scores, .a = ffcl_cols(d->qkv, 0, C),
                         .w = ffcl_transposed(ffcl_cols(d->qkv, C, C))};
}

/* out (B, T, C) = weights (B, T, T) v, of v^T (B, C, T). */
static ffcl_matmul result_of(const ffcl_attention_desc *d, const ffcl_tensor *weights,
                             const ffcl_tensor *v)
{
    return (ffcl_matmul){.out = d->out, .a = *weights, .w = ffcl_transposed(*v)};
}

/* Shapes of the scores (B, T, T), float32, the weights (B, T, T) and v^T (B, C, T), both half. */
typedef struct scratch {
    ffcl_tensor scores, weights, v;
} scratch;

static scratch scratch_of(const ffcl_attention_desc *d)
{
    const size_t B = d->qkv.batch, T = d->qkv.rows, C = d->out.cols;
    return (scratch){ffcl_tensor_of(FFCL_F32, B, T, T), ffcl_tensor_of(FFCL_F16, B, T, T),
                     ffcl_tensor_of(FFCL_F16, B, C, T)};
}

int ffcl_attention_gemms_half_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const scratch s = scratch_of(d);
    const ffcl_matmul scores = scores_of(d, &s.scores), result = result_of(d, &s.weights, &s.v);
    const ffcl_softmax_desc softmax = {s.weights, s.scores, 1.0};
    return d->qkv.dtype == FFCL_F16 && d->heads == 1 && ffcl_has_tensor_cores(ctx) &&
           ffcl_variant_find(&ffcl_softmax_operation, "group")->can(ctx, &softmax) &&
           ctx->device.caps.max_work_group >= 256 && ffcl_gemm_unit_can(ctx, &scores) &&
           ffcl_gemm_unit_can(ctx, &result);
}

void ffcl_attention_gemms_half(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t C = d->out.cols;
    scratch s = scratch_of(d);
    const ffcl_tensor v = ffcl_cols(d->qkv, 2 * C, C);
    s.v = ffcl_take(ctx, s.v);
    ffcl_transpose(ctx, &s.v, &v);                                          /* (B, C, T) */
    s.scores = ffcl_take(ctx, s.scores);
    const ffcl_matmul scores = scores_of(d, &s.scores);
    ffcl_gemm(ctx, &scores);                                                /* (B, T, T) */
    s.weights = ffcl_take(ctx, s.weights);
    ffcl_softmax(ctx, &s.weights, &s.scores, 1.0 / sqrt((double)C));        /* (B, T, T) */
    ffcl_give(ctx, &s.scores);
    const ffcl_matmul result = result_of(d, &s.weights, &s.v);
    ffcl_gemm(ctx, &result);                                                /* (B, T, C) */
    ffcl_give(ctx, &s.weights);
    ffcl_give(ctx, &s.v);
}
