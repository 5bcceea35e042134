/* SPDX-License-Identifier: MIT
 * The cost of operations, by their algorithms: arithmetic, and the bytes of every input read once
 * and every output written once.  The profile and the rows of the kernel registry take it from
 * here, so that their numbers compare.  exp and the like count as one operation.  For GEMMs see
 * ffcl_gemm_cost. */
#ifndef FFCL_OPS_COST_H
#define FFCL_OPS_COST_H

#include "cl/profile.h"
#include "ops/ops.h"
#include "ops/winograd.h"

/* Of n elements, with flops operations and `bytes` bytes each. */
static inline ffcl_cost ffcl_each_cost(size_t n, double flops, double bytes)
{
    return (ffcl_cost){(double)n * flops, (double)n * bytes};
}

/* Bytes of an element of t. */
static inline double ffcl_each_bytes(const ffcl_tensor *t)
{
    return (double)ffcl_dtype_bytes(t->dtype);
}

/* 128 chains a work-item, of `rounds` multiplications and additions. */
static inline ffcl_cost ffcl_ceiling_fma_cost(size_t rounds, size_t n)
{
    return ffcl_each_cost(n, 256.0 * (double)rounds, 8.0);
}

/* Mean 1, squares 3 (of RMS 2), result 2 (of RMS 1), weight 1, scale 2, shift 1; with a residual
 * also the partial sums, bias, gate and residual are added up, and the stream is written. */
static inline ffcl_cost ffcl_layernorm_cost(const ffcl_layernorm_desc *d)
{
    const double rows = (double)ffcl_count(&d->x), width = (double)d->x.cols;
    const double images = (double)d->x.batch * width;
    const double weight = d->weight.cols ? 1.0 : 0.0, shift = d->shift.cols ? 1.0 : 0.0;
    const double scale = d->scale.cols ? 1.0 : 0.0;
    const double flops = (d->norm == FFCL_NORM_RMS ? 3.0 : 6.0) + weight + 2.0 * scale + shift;
    ffcl_cost cost = {flops * rows, (4.0 + ffcl_each_bytes(&d->out)) * rows +
                                        4.0 * (images * (scale + shift) + width * weight)};
    if (d->residual) {
        const double n = (double)d->residual->partial.batch;
        cost.flops += rows * (n + 3.0);
        cost.bytes += 4.0 * (rows * (n + 1.0) + images + width);
    }
    return cost;
}

/* Of q and k: RMS 5, LAYER 8 (with its mean and bias), a rotation 3; v is not touched. */
static inline ffcl_cost ffcl_qk_norm_cost(const ffcl_qk_norm_desc *d)
{
    const double n = (double)ffcl_count(&d->qkv) * 2.0 / 3.0;
    const double norm = d->norm == FFCL_NORM_LAYER ? 8.0 : d->norm == FFCL_NORM_RMS ? 5.0 : 0.0;
    const double parameters = (double)(ffcl_count(&d->weight) + ffcl_count(&d->bias));
    return (ffcl_cost){n * (norm + (d->rope.cols ? 3.0 : 0.0)),
                       n * 2.0 * ffcl_each_bytes(&d->qkv) +
                           4.0 * (parameters + (double)ffcl_count(&d->rope))};
}

/* At most a tanh and two products. */
static inline ffcl_cost ffcl_pointwise_cost(const ffcl_tensor *out)
{
    const double n = (double)ffcl_count(out);
    return (ffcl_cost){3.0 * n, 2.0 * ffcl_each_bytes(out) * n};
}

/* SiLU 4, product 1; of x, what is read. */
static inline ffcl_cost ffcl_swiglu_cost(const ffcl_tensor *out, size_t F)
{
    const double rows = (double)(out->batch * out->rows), each = ffcl_each_bytes(out);
    return (ffcl_cost){5.0 * rows * (double)F,
                       each * rows * (2.0 * (double)F + (double)out->cols)};
}

/* A copy of the patches; two sums or one for each prefix token, one more with positions. */
static inline ffcl_cost ffcl_join_tokens_cost(const ffcl_tokens_desc *d)
{
    const double n = (double)ffcl_count(&d->x), patches = (double)ffcl_count(&d->patches);
    const double prefix = n - patches, pos = d->pos ? (double)ffcl_count(d->pos) : 0.0;
    return (ffcl_cost){prefix + (d->pos ? n : 0.0),
                       4.0 * (n + patches + prefix + pos + (double)ffcl_count(&d->parameter))};
}

static inline ffcl_cost ffcl_drop_prefix_cost(size_t n)
{
    return ffcl_each_cost(n, 0.0, 8.0);
}

/* Two GEMMs of T x T x Dh a head; softmax is not counted, as is usual. */
static inline ffcl_cost ffcl_attention_cost(const ffcl_attention_desc *d)
{
    const double n = (double)ffcl_count(&d->out);
    return (ffcl_cost){4.0 * n * (double)d->out.rows, 4.0 * ffcl_each_bytes(&d->qkv) * n};
}

/* Maximum, difference, exp, sum, quotient. */
static inline ffcl_cost ffcl_softmax_cost(const ffcl_softmax_desc *d)
{
    return ffcl_each_cost(ffcl_count(&d->x), 5.0, 4.0 + ffcl_each_bytes(&d->out));
}

static inline ffcl_cost ffcl_cast_cost(size_t n)
{
    return ffcl_each_cost(n, 1.0, 6.0);
}

static inline ffcl_cost ffcl_transpose_cost(size_t n, ffcl_dtype dtype)
{
    return ffcl_each_cost(n, 0.0, 2.0 * (double)ffcl_dtype_bytes(dtype));
}

/* Exponent, exp, multiplication and cos or sin, for 256 frequencies. */
static inline ffcl_cost ffcl_embed_scalar_cost(size_t B)
{
    return (ffcl_cost){4.0 * 256.0 * (double)B, 4.0 * 257.0 * (double)B};
}

/* A sum, exp, sum and quotient. */
static inline ffcl_cost ffcl_embed_condition_cost(const ffcl_tensor *out, const ffcl_tensor *sum)
{
    ffcl_cost c = ffcl_each_cost(ffcl_count(out), 4.0, 4.0 + ffcl_each_bytes(out));
    c.bytes += (sum ? (double)ffcl_count(sum) : 0.0) * 4.0 + (double)out->batch * 4.0;
    return c;
}

/* For each token and column an inner product of C p p terms, bias and position. */
static inline ffcl_cost ffcl_patch_embed_cost(const ffcl_tensor *x, const ffcl_tensor *z,
                                              const ffcl_tensor *pos, size_t p)
{
    const double K = (double)(z->rows * p * p), D = (double)x->cols, out = (double)ffcl_count(x);
    return (ffcl_cost){out * (2.0 * K + (pos ? 2.0 : 1.0)),
                       4.0 * ((double)ffcl_count(z) + (K + 1.0) * D + out +
                              (pos ? (double)x->rows * D : 0.0))};
}

/* Of terms beside x. */
static inline ffcl_cost ffcl_latent_update_cost(size_t n, int terms)
{
    return ffcl_each_cost(n, 2.0 * terms, 8.0 + 4.0 * terms);
}

static inline ffcl_cost ffcl_latent_guide_cost(size_t n)
{
    return ffcl_each_cost(n, 3.0, 12.0);
}

static inline ffcl_cost ffcl_latent_affine_cost(size_t n)
{
    return ffcl_each_cost(n, 2.0, 8.0);
}

static inline ffcl_cost ffcl_image_channels_last_cost(size_t n)
{
    return ffcl_each_cost(n, 0.0, 8.0);
}

static inline ffcl_cost ffcl_image_bytes_cost(size_t n)
{
    return ffcl_each_cost(n, 4.0, 5.0);
}

/* The first step of a group norm: mean 1, squares 3; the last: result 3, SiLU 3. */
static inline ffcl_cost ffcl_groupnorm_sums_cost(const ffcl_groupnorm_desc *d)
{
    return ffcl_each_cost(ffcl_count(&d->x), 4.0, ffcl_each_bytes(&d->x));
}

static inline ffcl_cost ffcl_groupnorm_apply_cost(const ffcl_groupnorm_desc *d)
{
    ffcl_cost cost = ffcl_each_cost(ffcl_count(&d->x), d->act == FFCL_ACT_SILU ? 6.0 : 3.0,
                                    2.0 * ffcl_each_bytes(&d->x));
    cost.bytes += 8.0 * (double)d->x.cols;
    return cost;
}

/* The whole norm, whose operand need not be read twice. */
static inline ffcl_cost ffcl_groupnorm_cost(const ffcl_groupnorm_desc *d)
{
    ffcl_cost cost = ffcl_groupnorm_apply_cost(d);
    if (!d->moments)
        cost.flops += ffcl_groupnorm_sums_cost(d).flops;
    return cost;
}

/* Of what is computed: 4 taps, not 9, for an upsampled pixel; 36 or 25 multiplications for a
 * Winograd tile of 16 pixels; 8 columns for a narrow one. */
static inline ffcl_cost ffcl_conv_cost(const ffcl_conv_desc *d)
{
    const ffcl_conv_weight *w = d->w;
    const int narrow = w->layout == FFCL_CONV_NARROW;
    const double x = (double)(d->x.batch * d->x.rows), each = ffcl_each_bytes(&d->x);
    const double taps = w->layout == FFCL_CONV_WINOGRAD ? ffcl_winograd_multiplications(w)
                        : w->upsample                   ? 4.0
                                                        : (double)ffcl_conv_taps(w);
    const double pixels = (double)(d->out.batch * d->out.rows), per_out = d->add ? 2.0 : 1.0;
    const double computed = pixels * (narrow ? 8.0 : (double)w->out);
    const double out_each = narrow ? 4.0 : each;
    size_t count, buffers = ffcl_conv_buffers(w, &count);
    return (ffcl_cost){computed * (2.0 * taps * (double)w->in + per_out),
                       each * (x * (double)w->in + (double)(count * buffers)) +
                           4.0 * (double)w->out + out_each * pixels * (double)w->out * per_out};
}

/* Winograd's transforms of `tiles` tiles, 16 pixels of each channel to or from `points` points.
 * The two small matrix multiplications count as 12 operations a point. */
static inline ffcl_cost ffcl_winograd_cost(size_t tiles, size_t channels, size_t points)
{
    return ffcl_each_cost(tiles * channels, 12.0 * (double)points, 4.0 * (16.0 + (double)points));
}

/* A convolution of latents, after a 1 x 1 one where point is not NULL. */
static inline ffcl_cost ffcl_latent_conv_cost(const ffcl_tensor *out,
                                              const ffcl_conv_weight *point,
                                              const ffcl_conv_weight *conv)
{
    const double pixels = (double)(out->batch * out->rows);
    const double C = (double)conv->in, N = (double)conv->out;
    const double K = (double)(conv->side * conv->side) * C;
    return (ffcl_cost){pixels * ((2.0 * K + 1.0) * N + (point ? (2.0 * C + 1.0) * C : 0.0)),
                       4.0 * (pixels * C + (K + 1.0) * N + (point ? (C + 1.0) * C : 0.0)) +
                           ffcl_each_bytes(out) * pixels * N};
}

/* Three interpolations of a subtraction, a multiplication and an addition, and the normalisation,
 * for each value. */
static inline ffcl_cost ffcl_resize_cost(const ffcl_tensor *out, const ffcl_tensor *bytes)
{
    ffcl_cost cost = ffcl_each_cost(ffcl_count(out), 11.0, ffcl_each_bytes(out));
    cost.bytes += (double)ffcl_count(bytes);
    return cost;
}

/* Nine pixels a result. */
static inline ffcl_cost ffcl_pool_cost(const ffcl_tensor *out, const ffcl_tensor *x)
{
    ffcl_cost cost = ffcl_each_cost(ffcl_count(out), 9.0, ffcl_each_bytes(out));
    cost.bytes += ffcl_each_bytes(x) * (double)ffcl_count(x);
    return cost;
}

#endif
