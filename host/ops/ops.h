/* SPDX-License-Identifier: MIT
 * One wrapper for each kernel family of cl/.  All tensors are float32 device buffers, row-major.
 * Letters: B batch, T tokens, D width, H heads, Dh head size, C channels, Hh x Ww picture,
 * R latent side, p patch side, P = Hh*Ww pixels.  Buffers may be NULL while planning. */
#ifndef FFCL_OPS_OPS_H
#define FFCL_OPS_OPS_H

#include "cl/arena.h"
#include "cl/context.h"

/* The four columns of a modulation: shift and scale of one norm inside mod (B, ld). */
typedef struct ffcl_modulation {
    cl_mem mem;
    size_t ld, shift_at, scale_at;
} ffcl_modulation;

/* out = LN(x) (1 + scale) + shift: x float32, out stored as `store`, (B*T, D); eps 1e-6 in SiT. */
int ffcl_layernorm_modulate(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_modulation *mod,
                            size_t B, size_t T, size_t D, float eps, ffcl_store store);

/* A residual stream that its last product left in parts (blas/gemm.h):
 * x (B*T, D) = add + gate * (bias + the sum of n parts), gate a column of some modulation. */
typedef struct ffcl_residual {
    cl_mem parts;               /* (n, B*T, D) */
    size_t n;
    cl_mem bias, add;           /* (D), (B*T, D) */
    cl_mem gate;                /* (B, gate_ld) from column gate_at on */
    size_t gate_ld, gate_at;
} ffcl_residual;

/* The same norm of such a stream, completed on the way: x is written.  Where it fits. */
int ffcl_layernorm_residual(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_residual *residual,
                            const ffcl_modulation *mod, size_t B, size_t T, size_t D, float eps,
                            ffcl_store store);
int ffcl_layernorm_residual_fits(const ffcl_ctx *ctx, size_t D);

/* How attention is computed; AUTO: by device, storage and fit.  TILED and BATCHED take float32,
 * those after them half. */
typedef enum ffcl_attention_variant {
    FFCL_ATTENTION_AUTO, FFCL_ATTENTION_ROW, FFCL_ATTENTION_TILED, FFCL_ATTENTION_BATCHED,
    FFCL_ATTENTION_MMA,
    FFCL_ATTENTION_WGMMA, FFCL_ATTENTION_PRODUCTS
} ffcl_attention_variant;

/* out (B*T, H*Dh) = softmax(q k^T / sqrt(Dh)) v, qkv (B*T, 3*H*Dh) as [q | k | v]. */
int ffcl_attention(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H, size_t Dh,
                   ffcl_store store, ffcl_attention_variant variant);

/* Whether the attention on NVIDIA's matrix engine, by either instruction, takes heads of Dh. */
int ffcl_attention_mma_fits(const ffcl_ctx *ctx, size_t Dh);
int ffcl_attention_wgmma_fits(const ffcl_ctx *ctx, size_t Dh);

/* out (B, T, C) = attention of one head of C columns, qkv (B, T, 3*C), half, where it fits. */
int ffcl_attention_products(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t C);
int ffcl_attention_products_fit(const ffcl_ctx *ctx, size_t T, size_t H, size_t Dh);

/* The same for float32 by batches of products, where the back end takes them. */
int ffcl_attention_batched(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H,
                           size_t Dh);
int ffcl_attention_batched_fits(const ffcl_ctx *ctx);

/* x (rows, n) float32 = softmax of each row of scale * x, on a CPU. */
int ffcl_softmax_in_place(ffcl_ctx *ctx, cl_mem x, double scale, size_t rows, size_t n);

/* out (rows, n) half = softmax of each row of scale * in (rows, n) float32, where n fits. */
int ffcl_softmax(ffcl_ctx *ctx, cl_mem out, cl_mem in, double scale, size_t rows, size_t n);
int ffcl_softmax_fits(const ffcl_ctx *ctx, size_t n);

/* out (B, 256) = [cos(t f) | sin(t f)], t (B). */
int ffcl_embed_scalar(ffcl_ctx *ctx, cl_mem out, cl_mem t, size_t B);
/* out (B, D), stored as `store`, = silu(rows y (B, int32) of table (classes + 1, D) + sum), sum
 * (rows, D) with rows B, 1, or 0 where there is none. */
int ffcl_embed_condition(ffcl_ctx *ctx, cl_mem out, cl_mem table, cl_mem y, cl_mem sum, size_t rows,
                         size_t B, size_t D, ffcl_store store);

/* Of patches of p x p pixels and C channels, T of them a latent. */
typedef struct ffcl_patch_weights {
    cl_mem weight, bias, pos;   /* (C*p*p, D), (D), (T, D) */
} ffcl_patch_weights;

/* x (B*T, D) = the patches of z (B, C, R, R), embedded, plus pos where has_pos; D % 4 == 0. */
int ffcl_patch_embed(ffcl_ctx *ctx, cl_mem x, cl_mem z, const ffcl_patch_weights *w, int has_pos,
                     size_t B, size_t C, size_t R, size_t p, size_t D);

/* latent = z + sign F, (B, each); bad[b] (B, int32) |= 1 where latent b is not finite. */
int ffcl_latent_update(ffcl_ctx *ctx, cl_mem latent, cl_mem bad, cl_mem z, cl_mem F, float sign,
                       size_t B, size_t each);

/* bytes (B, each) by rule 0 (sit) or 1 (repa) of x (B, each); bad[bad_at + b] |= 1 where picture b
 * has a value that is not finite; bad int32. */
int ffcl_image_bytes(ffcl_ctx *ctx, cl_mem bytes, cl_mem bad, size_t bad_at, cl_mem x, int rule,
                     size_t B, size_t each);

/* What a group norm needs of a picture, where the convolution that wrote the picture leaves it:
 * (mean, sum of squared differences) of equal chunks of its pixels. */
typedef struct ffcl_moments {
    cl_mem mem;             /* (B, G, chunks, 2) */
    size_t chunks;          /* 0: there are none */
} ffcl_moments;

/* out = GN(x) gamma + beta, then SiLU where asked: x, out (B, P, C), gamma, beta (C), G groups.
 * x's moments: NULL or none where they are to be computed. */
int ffcl_groupnorm(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_moments *moments, cl_mem gamma,
                   cl_mem beta, size_t B, size_t P, size_t C, size_t G, float eps, int with_silu,
                   ffcl_store store);

/* out[at ..] = x, n elements, float32 to half; and half to float32. */
int ffcl_cast_to_half(ffcl_ctx *ctx, cl_mem out, size_t at, cl_mem x, size_t n);
int ffcl_cast_to_float(ffcl_ctx *ctx, cl_mem out, cl_mem x, size_t n);

/* x (rows, K) float32 as columns first .. of a half weight in tiles (blas/gemm.h), of which what no
 * column fills stays as it is. */
int ffcl_cast_to_tiles(ffcl_ctx *ctx, cl_mem out, cl_mem x, size_t first, size_t rows, size_t K);

/* out (cols, out_ld) at element out_at = in (rows, cols) transposed. */
int ffcl_transpose(ffcl_ctx *ctx, cl_mem out, size_t out_at, size_t out_ld, cl_mem in, size_t rows,
                   size_t cols);

/* out (B, cols, rows) = columns in_at .. in_at+cols-1 of in (B, rows, in_ld) transposed, half. */
int ffcl_transpose_half(ffcl_ctx *ctx, cl_mem out, cl_mem in, size_t B, size_t rows, size_t cols,
                        size_t in_at, size_t in_ld);

/* out = in, n floats, a multiple of 4; and out (n) = the sum of 128 chains v = v times + plus of
 * in (n): what the device can do at most, for ffcl bench. */
int ffcl_ceiling_copy(ffcl_ctx *ctx, cl_mem out, cl_mem in, size_t n);
int ffcl_ceiling_fma(ffcl_ctx *ctx, cl_mem out, cl_mem in, float times, float plus, size_t rounds,
                     size_t n);

/* How a convolution is computed, fixed when its weight is laid out. */
typedef enum ffcl_conv_kind {
    FFCL_CONV_COLUMNS,      /* im2col and one product; weight (k*k*Cin, Cout) */
    FFCL_CONV_POINT,        /* 1 x 1: the product alone; weight (Cin, Cout) */
    FFCL_CONV_DIRECT,       /* few outputs (at most 4): one kernel; weight (Cout, k*k*Cin) */
    FFCL_CONV_NARROW,       /* few outputs of half pictures: a product of 8 columns, the others 0 */
    /* 3 x 3 after a nearest 2x upsample, as four 2 x 2 convolutions of the small picture with
     * taps summed beforehand, one for each output parity; weight[py*2+px] (4*Cin, Cout). */
    FFCL_CONV_UPSAMPLE,
    /* COLUMNS and UPSAMPLE of 3 x 3, float32, by fewer products (cl/winograd.cl); weight
     * (ffcl_winograd_points, Cin, Cout). */
    FFCL_CONV_WINOGRAD, FFCL_CONV_WINOGRAD_UPSAMPLE
} ffcl_conv_kind;

typedef struct ffcl_conv_weight {
    ffcl_conv_kind kind;
    size_t in, out, side;       /* Cin, Cout, k */
    ffcl_store store;           /* of pictures and weights; HALF: weights (Cout, taps*Cin) in */
                                /* tiles, those of UPSAMPLE one after the other in weight[0] */
    cl_mem weight[4];           /* [0] alone unless float32 FFCL_CONV_UPSAMPLE */
    cl_mem bias;                /* (Cout), rounded up to 8 with zeros */
} ffcl_conv_weight;

/* The kind for a convolution of `side` x `side`, after an upsample or not. */
ffcl_conv_kind ffcl_conv_kind_of(size_t out, size_t side, int upsample, ffcl_store store);

static inline int ffcl_is_winograd(ffcl_conv_kind kind)
{
    return kind == FFCL_CONV_WINOGRAD || kind == FFCL_CONV_WINOGRAD_UPSAMPLE;
}

/* The Winograd kind in place of *kind, where there is one for `in` channels. */
void ffcl_winograd_kind(ffcl_conv_kind *kind, size_t in, size_t side);

/* Floats of one weight of the kind, and how many there are. */
size_t ffcl_conv_floats(const ffcl_conv_weight *w, size_t *parts);

/* Weight i of the kind, from w (Cout, Cin, k, k), into laid_out of ffcl_conv_floats.  Order
 * (taps*Cin, Cout), four taps for UPSAMPLE; for FFCL_STORE_HALF tiles, still as floats.  Not for
 * the Winograd kinds, which ffcl_winograd_weights lays out on the device. */
void ffcl_conv_layout(ffcl_conv_kind kind, ffcl_store store, size_t i, const float *w, size_t in,
                      size_t out, size_t side, float *laid_out);

/* Pixels of `pixels` whose columns, K a pixel, are held at a time: a share of the device's memory,
 * in whole steps. */
size_t ffcl_conv_band(const ffcl_caps *caps, size_t K, size_t pixels);

/* out (B, Hh, Ww, Cout) = conv(x) + bias (+ add, of out's shape; has_add), zero padding.  With
 * FFCL_CONV_UPSAMPLE x is (B, Hh, Ww, Cin), out (B, 2 Hh, 2 Ww, Cout) and add is not offered.
 * x, out and add are stored as w->store says, but DIRECT's and NARROW's out is always float32. */
int ffcl_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B, size_t Hh,
              size_t Ww, int has_add, cl_mem add);

/* out (B, R, R, Cout), stored as `store`, = conv(point(factor * x)), where x are the latents
 * first .. first+B-1 of latent (., C, R, R) and point is 1 x 1, C to C, or NULL for none.  Both
 * weights are float32 of kinds other than UPSAMPLE. */
int ffcl_latent_conv(ffcl_ctx *ctx, cl_mem out, cl_mem latent, size_t first, float factor,
                     const ffcl_conv_weight *point, const ffcl_conv_weight *conv, size_t B,
                     size_t R, ffcl_store store);
/* ffcl_conv of the Winograd kinds, and output channels first .. first+n-1 of their weight `of`,
 * from w (n, Cin, 3, 3) into out; first a multiple of FFCL_WINOGRAD_STEP, and so is n but where it
 * ends with the last channel.  They are for devices with batches of products. */
enum { FFCL_WINOGRAD_STEP = 16 };
int ffcl_winograd_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                       size_t Hh, size_t Ww, int has_add, cl_mem add);
int ffcl_winograd_weights(ffcl_ctx *ctx, cl_mem out, cl_mem w, const ffcl_conv_weight *of,
                          size_t first, size_t n);
int ffcl_winograd_fits(const ffcl_ctx *ctx);
/* Products that a convolution of the kind is made of. */
size_t ffcl_winograd_points(ffcl_conv_kind kind);

/* What the halo convolution does on the way; members without their has_* may be NULL. */
typedef struct ffcl_halo {
    int has_add;
    cl_mem add;             /* as ffcl_conv's; not for UPSAMPLE */
    size_t groups;          /* 0, or out's moments for that many groups are wanted in moments: */
    cl_mem moments;         /* (B, groups, ffcl_halo_conv_chunks(), 2) */
} ffcl_halo;

/* ffcl_conv of half pictures, 3 x 3, on wgmma: for large pictures faster than as a product. */
int ffcl_halo_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                   size_t Hh, size_t Ww, const ffcl_halo *halo);

/* Can the device and this convolution use it? */
int ffcl_halo_conv_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w);

/* And is there enough work that it is the fastest way? */
int ffcl_halo_conv_fits(const ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t B, size_t Hh,
                        size_t Ww);

/* Chunks of a picture in the moments; 0 where the sizes do not allow moments. */
size_t ffcl_halo_conv_chunks(const ffcl_conv_weight *w, size_t Hh, size_t Ww, size_t groups);

#endif
