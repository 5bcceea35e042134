/* SPDX-License-Identifier: MIT
 * The operations of the models, one function each.  Sizes come from the tensors; those of one call
 * must agree.  Elements are float32 unless stated otherwise, "wide" ones float32 or half.
 * Letters: B images, T tokens, D width, H heads, Dh head size, C channels, P pixels, R latent side,
 * p patch side.  Failures are kept in the context (ffcl_ctx_check). */
#ifndef FFCL_OPS_OPS_H
#define FFCL_OPS_OPS_H

#include "gemm.h"

/* ---- the transformer ------------------------------------------------------------------------ */

/* A residual stream whose last GEMM left partial sums (ffcl_matmul): x (B, T, D) = add + gate *
 * (bias + the sum of partial).  The bias may be absent, without columns. */
typedef struct ffcl_residual {
    ffcl_tensor partial;            /* (n, B*T, D) */
    ffcl_tensor bias, add, gate;    /* (1, 1, D), (B, T, D), (B, 1, D) */
} ffcl_residual;

/* LAYER: (x - mean) / sqrt(var + eps); RMS: x / sqrt(mean of x^2 + eps) (Zhang and Sennrich, Root
 * Mean Square Layer Normalization). */
typedef enum ffcl_norm_kind { FFCL_NORM_LAYER, FFCL_NORM_RMS, FFCL_NORM_NONE } ffcl_norm_kind;

/* out (B, T, D), wide, = norm(x) weight (1 + scale) + shift; weight (1, 1, D); shift, scale (B, 1,
 * D) of one buffer.  weight, shift, or both shift and scale may be absent, without columns.  With a
 * residual, which may be NULL, x is first computed from it, and written. */
typedef struct ffcl_layernorm_desc {
    ffcl_tensor out, x, shift, scale, weight;
    const ffcl_residual *residual;
    ffcl_norm_kind norm;            /* LAYER or RMS */
    float eps;                      /* 1e-6 in SiT */
} ffcl_layernorm_desc;
void ffcl_layernorm(ffcl_ctx *ctx, const ffcl_layernorm_desc *desc);
/* Can the device norm rows of D elements with a residual? */
int ffcl_layernorm_takes_residual(const ffcl_ctx *ctx, size_t D);

/* q and k of qkv (B, T, 3*H*Dh), wide, in place, each of their H heads by itself: normed over its
 * Dh columns, times weight, and as LAYER plus bias; then turned.  weight, bias (1, 2, Dh): q, k.
 * rope (1, T, Dh) without columns: nothing is turned; else the pair (a, b) of columns 2j, 2j+1 of
 * token t becomes (a c - b s, a s + b c), c and s its columns 2j and 2j+1 of rope (cl/qk_norm.cl).
 * Norm NONE alone is no call. */
typedef struct ffcl_qk_norm_desc {
    ffcl_tensor qkv, weight, bias, rope;
    size_t heads;
    ffcl_norm_kind norm;
    float eps;
} ffcl_qk_norm_desc;
void ffcl_qk_norm(ffcl_ctx *ctx, const ffcl_qk_norm_desc *desc);

/* out (B, T, F'), F' >= F: SwiGLU of x (B, T, X), X >= 2 F: out[f] = silu(x[f]) x[F + f] of each
 * row, 0 from F on; both wide. */
void ffcl_swiglu(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, size_t F);

/* x (B, n + T, D) = n prefix tokens, then patches (B, T, D); plus pos (1, n + T, D) where it is not
 * NULL.  The first ends[0] prefix tokens are theirs of parameter (1, n, D) plus row y (B, 1, 1) of
 * table (classes + 1, D); those from ends[k] to ends[k+1] - 1, k < K, theirs plus scalars (B or 1,
 * K, D)[k], which may be some matrices of a larger tensor; ends[K] is n.  D % 4 == 0. */
enum { FFCL_TOKEN_KINDS = 8 };
typedef struct ffcl_tokens_desc {
    ffcl_tensor x, patches, parameter, table, y, scalars;
    const ffcl_tensor *pos;
    size_t ends[FFCL_TOKEN_KINDS];
} ffcl_tokens_desc;
void ffcl_join_tokens(ffcl_ctx *ctx, const ffcl_tokens_desc *desc);
/* patches (B, T, D) = the last T tokens of x (B, n + T, D). */
void ffcl_drop_prefix(ffcl_ctx *ctx, const ffcl_tensor *patches, const ffcl_tensor *x);

/* out (B, T, H*Dh) = softmax(q k^T / sqrt(Dh)) v for each head, qkv (B, T, 3*H*Dh) as [q | k | v],
 * each H heads of Dh columns; both wide. */
typedef struct ffcl_attention_desc {
    ffcl_tensor out, qkv;
    size_t heads;
} ffcl_attention_desc;
void ffcl_attention(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *qkv, size_t heads);

/* out (B, T, T) = softmax of each row of scale * x (B, T, T): float32 in place of x, or half. */
typedef struct ffcl_softmax_desc {
    ffcl_tensor out, x;
    double scale;
} ffcl_softmax_desc;
void ffcl_softmax(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, double scale);

/* out (B, 1, 256) = [cos(t f) | sin(t f)], t (B, 1, 1): the sinusoidal embedding of SiT's
 * models.py. */
void ffcl_embed_scalar(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *t);
/* out (B, 1, D), wide, = silu(rows y of table + sum): table (classes + 1, D), y (B, 1, 1) int32,
 * sum (B, 1, D), (1, 1, D) for all images, or NULL. */
void ffcl_embed_condition(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *table,
                          const ffcl_tensor *y, const ffcl_tensor *sum);

/* x (B, T, D) = the patches of z (B, C, R*R), an image by channels, times w (C*p*p, D), plus bias
 * (D), plus pos (T, D) where it is not NULL; D % 4 == 0. */
void ffcl_patch_embed(ffcl_ctx *ctx, const ffcl_tensor *x, const ffcl_tensor *z,
                      const ffcl_tensor *w, const ffcl_tensor *bias, const ffcl_tensor *pos,
                      size_t p);

/* out = cx x + cy y + cF F + cn noise, all (B, C, R*R), y, F and noise NULL where they are not
 * there; out may be x or y; bad (B, 1, 1) int32 |= 1 where a latent is not finite. */
typedef struct ffcl_latent_update_desc {
    ffcl_tensor out, bad, x;
    const ffcl_tensor *y, *F, *noise;
    float cx, cy, cF, cn;
} ffcl_latent_update_desc;
void ffcl_latent_update(ffcl_ctx *ctx, const ffcl_latent_update_desc *d);

/* Classifier-free guidance: F (2*B, C, R*R), with the classes and with the null class.  out (B, C,
 * R*R), which may be F's first half, = null + scale (class - null) in the first `guided` channels,
 * else class. */
void ffcl_latent_guide(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *F, float scale,
                       size_t guided);

/* out = x table[0] + table[1], channel by channel: out, x (B, C, R*R), table (2, C). */
void ffcl_latent_affine(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x,
                        const ffcl_tensor *table);

/* bytes (B, P, C) uint8 of x (B, P, C) by the rule of cl/image.cl, an ffcl_byte_rule; bad (B, 1,
 * 1) int32 |= 1 where an image has a value that is not finite. */
void ffcl_image_bytes(ffcl_ctx *ctx, const ffcl_tensor *bytes, const ffcl_tensor *bad,
                      const ffcl_tensor *x, int rule);

/* out (B, P, C) = x (B, C, P), images by channels, dense, which may be some of a larger tensor. */
void ffcl_image_channels_last(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);

/* ---- the decoder ---------------------------------------------------------------------------- */

/* out = act(GN(x) gamma + beta), act none or SiLU (torch.nn.GroupNorm): x, out (B, P, C), wide,
 * gamma, beta (C).  moments (B, groups, 2 * chunks): (mean, sum of squared differences) of each
 * group over equal chunks of an image's pixels, as a convolution leaves them; NULL: computed. */
typedef struct ffcl_groupnorm_desc {
    ffcl_tensor out, x, gamma, beta;
    const ffcl_tensor *moments;
    size_t groups;
    float eps;
    ffcl_act act;
} ffcl_groupnorm_desc;
void ffcl_groupnorm(ffcl_ctx *ctx, const ffcl_groupnorm_desc *desc);
/* (B, groups, 2), for GPUs: mean and 1 / sqrt(var + eps) of each group, scratch memory that the
 * caller gives back; desc's out, gamma, beta and act are not looked at. */
ffcl_tensor ffcl_groupnorm_stats(ffcl_ctx *ctx, const ffcl_groupnorm_desc *desc);

/* How a convolution's weight lies, chosen when the model is opened. */
typedef enum ffcl_conv_layout {
    FFCL_CONV_IM2COL,       /* (k*k*Cin, Cout) */
    FFCL_CONV_DIRECT,       /* (Cout, k*k*Cin) */
    FFCL_CONV_TAPS,         /* at most 4 outputs: (Cin, k*k*Cout), rounded up to 4 with zeros */
    FFCL_CONV_WINOGRAD,     /* (points, Cin, Cout): of a tile, 25 of one that is upsampled */
    FFCL_CONV_TILES,        /* half, (k*k*Cin, Cout) in tiles */
    FFCL_CONV_NARROW        /* half, at most 4 outputs: (k*k*Cin, 8) in tiles, the others 0 */
} ffcl_conv_layout;

/* A convolution with zero padding, k x k, or with a window of its own; or one of 3 x 3 after a
 * nearest 2x upsample.
 * The latter is four 2 x 2 convolutions of the small image, one for each output parity, with sums
 * of taps as weights: four weights of 4*Cin rows, which as TILES lie one after the other. */
typedef struct ffcl_conv_weight {
    size_t in, out, side;       /* Cin, Cout (0: there is no such convolution), k */
    size_t tall;                /* the taps are tall x side; 0: side x side */
    size_t stride;              /* 0: 1 */
    int valid;                  /* no padding: the result is smaller */
    size_t more_in, more_out;   /* of in and out the last, which a file's weight lacks: zeros */
    ffcl_act act;               /* after bias: none or ReLU */
    int upsample;
    int is_final;               /* nothing is added to its result, which is float32: few outputs */
                                /* may be computed in a way of their own */
    ffcl_dtype dtype;           /* of images and weights */
    ffcl_conv_layout layout;
    ffcl_tensor weight[4];      /* [0] alone unless upsample is computed by im2col */
    ffcl_tensor bias;           /* (Cout), rounded up to 8 with zeros */
} ffcl_conv_weight;

/* Given in, out, side, upsample, is_final and dtype, sets the layout and the tensors' shapes for
 * this device.
 * A convolution of latents (ffcl_latent_conv) has a layout of its own.  Only ops/conv_weight.c
 * knows how weights lie. */
void ffcl_conv_lay_out(const ffcl_ctx *ctx, ffcl_conv_weight *w);
void ffcl_latent_conv_lay_out(ffcl_conv_weight *w);
/* The number of the weight's buffers; *count: elements of each. */
size_t ffcl_conv_buffers(const ffcl_conv_weight *w, size_t *count);
/* The parts in which the host lays out the weight; 0: the device does (ffcl_conv_load_channels). */
size_t ffcl_conv_parts(const ffcl_conv_weight *w);
/* Elements of a part. */
size_t ffcl_conv_part_count(const ffcl_conv_weight *w);
/* Lays out part i, as float32, of the file's weight `from` (Cout, Cin, k, k). */
void ffcl_conv_fill(const ffcl_conv_weight *w, size_t i, const float *from, float *part);
/* Fills the weight from float32 data in the device buffer `staged`: with part i; or, where there
 * are no parts, with output channels first .. first+n-1, (n, Cin, taps), first a multiple of
 * FFCL_CONV_STEP, and n too unless it ends with the last channel. */
enum { FFCL_CONV_STEP = 16 };
void ffcl_conv_load_part(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t i,
                         const ffcl_tensor *staged);
void ffcl_conv_load_channels(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t first, size_t n,
                             const ffcl_tensor *staged);

/* out (B, P, Cout) = act(conv(x) + bias) (+ add, like out; not with an upsample), x (B, P', Cin),
 * both wide, but out float32 with DIRECT, TAPS and NARROW.  Without add, out may be columns of a
 * wider tensor.  x must be dense.
 * moments: NULL; or its rows are the groups of the norm that reads out next.  A variant that
 * computes out's moments for them sets *moments, scratch memory that the caller gives back; others
 * leave its batch 0.
 * norm: NULL; or, where ffcl_conv_takes_norm, the convolution is that of norm's result.  Its x is
 * this one, its out is not looked at. */
typedef struct ffcl_conv_desc {
    ffcl_tensor out, x;
    const ffcl_conv_weight *w;
    const ffcl_tensor *add;
    ffcl_tensor *moments;
    const ffcl_groupnorm_desc *norm;
} ffcl_conv_desc;
void ffcl_conv(ffcl_ctx *ctx, const ffcl_conv_desc *desc);
/* Does the variant for desc, whose norm is not looked at, compute a group norm of x as it reads
 * it? */
int ffcl_conv_takes_norm(const ffcl_ctx *ctx, const ffcl_conv_desc *desc);
/* Rows of taps; all taps; pixels of a result in one direction, of n pixels and k taps. */
static inline size_t ffcl_conv_tall(const ffcl_conv_weight *w)
{
    return w->tall ? w->tall : w->side;
}

static inline size_t ffcl_conv_taps(const ffcl_conv_weight *w)
{
    return ffcl_conv_tall(w) * w->side;
}

static inline size_t ffcl_conv_extent(const ffcl_conv_weight *w, size_t n, size_t k)
{
    const size_t stride = w->stride ? w->stride : 1;
    return w->valid ? (n - k) / stride + 1 : (n - 1) / stride + 1;
}

/* Has it a window that only some variants know: taps that are no square, a stride, no padding? */
static inline int ffcl_conv_is_special(const ffcl_conv_weight *w)
{
    return ffcl_conv_tall(w) != w->side || w->stride > 1 || w->valid;
}

/* Pixels whose im2col columns, K elements a pixel, are in memory at a time; of `pixels` in all. */
size_t ffcl_conv_band(const ffcl_caps *caps, size_t K, size_t pixels);

/* out (B, R*R, Cout), wide, = conv(point(factor * latent)), latent (B, C, R*R) by channels; point
 * is 1 x 1, C to C, or NULL for none. */
void ffcl_latent_conv(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *latent,
                      float factor, const ffcl_conv_weight *point, const ffcl_conv_weight *conv);

/* out = rule(x), both of one shape, dense and wide; out may be x: ReLU; 3 tanh(factor x / 3), which
 * holds a tiny decoder's latents (TAESD, taesd.py, Clamp); 2 x - 1, colours of 0..1 to -1..1. */
typedef enum ffcl_rule { FFCL_RULE_RELU, FFCL_RULE_TANH, FFCL_RULE_COLOURS } ffcl_rule;
void ffcl_pointwise(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, ffcl_rule rule,
                    float factor);

/* ---- Inception ------------------------------------------------------------------------------- */

/* out (B, R*R, 3), wide, an image of side R, from bytes (B, Hh*Ww, 3) uint8: bilinear and
 * normalised by the rule of cl/resize.cl, 0 (TensorFlow 1) or 1 (torch). */
void ffcl_resize_bytes(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *bytes, int rule);

/* Pools of 3 x 3 pixels: the maximum by 2 without padding; the maximum or the mean by 1, over the
 * pixels inside the image. */
typedef enum ffcl_pool { FFCL_POOL_MAX_HALVES, FFCL_POOL_MAX, FFCL_POOL_MEAN } ffcl_pool;
/* Pixels of a result in one direction, of n. */
size_t ffcl_pool_extent(ffcl_pool pool, size_t n);
/* out (B, P', C) = pool(x), x (B, P, C), both wide; out may be columns of a wider tensor. */
typedef struct ffcl_pool_desc {
    ffcl_tensor out, x;
    ffcl_pool pool;
} ffcl_pool_desc;
void ffcl_pool_3x3(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, ffcl_pool pool);

/* out (B, 1, C) = the mean over the pixels of x (B, P, C), wide. */
void ffcl_mean_pixels(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);

/* out (B, P, n) float32 = x, n columns of a wide tensor. */
void ffcl_take_columns(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);

/* ---- neighbours among features --------------------------------------------------------------- */

/* dot (M, N) = a b^T of a block of features, aa and bb their squared lengths; a row's squared
 * distance to a column is aa + bb - 2 dot.  Row 0 is row row0 of all, column 0 column col0. */

/* nearest, which (rows, FFCL_NEAREST): the least distances of each row so far, ascending, and the
 * columns they are of (int32); before the first block they are infinite. */
enum { FFCL_NEAREST = 4 };
typedef struct ffcl_nearest_desc {
    ffcl_tensor nearest, which, dot, aa, bb;
    size_t row0, col0;
} ffcl_nearest_desc;
void ffcl_nearest(ffcl_ctx *ctx, const ffcl_nearest_desc *desc);

/* in_row (rows), in_col (columns), int32: set to 1 where a row lies within the reach of a column,
 * distance <= of_col (columns), and where a column lies within that of a row, of_row (rows). */
typedef struct ffcl_inside_desc {
    ffcl_tensor in_row, in_col, of_row, of_col, dot, aa, bb;
    size_t row0, col0;
} ffcl_inside_desc;
void ffcl_inside(ffcl_ctx *ctx, const ffcl_inside_desc *desc);

/* out (M) = the squared lengths of the rows of x (M, D), dense. */
void ffcl_squared_lengths(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);

/* ---- moving data ---------------------------------------------------------------------------- */

/* out = x, float32 to half or back; as many elements. */
void ffcl_cast(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);
/* Columns first .. first+rows-1 of the half weight `out` in tiles, from x (rows, K) float32; the
 * padding of the tiles is not written. */
void ffcl_cast_to_tiles(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, size_t first);
/* out (cols, rows) = x (rows, cols) transposed: a dense float32 matrix into rows out.ld apart, or a
 * batch of half matrices with rows x.ld apart into dense ones. */
void ffcl_transpose(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);

/* ---- ceilings, for ffcl bench ---------------------------------------------------------------- */

/* cl/ceiling.cl: out = x, the elements a multiple of 4; out = sums of 128 chains
 * v = v times + plus, rounds long, that begin with x. */
void ffcl_ceiling_copy(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x);
void ffcl_ceiling_fma(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x, float times,
                      float plus, size_t rounds);

/* ---- variants ------------------------------------------------------------------------------- */

extern const ffcl_operation ffcl_attention_operation, ffcl_softmax_operation,
    ffcl_layernorm_operation, ffcl_qk_norm_operation, ffcl_groupnorm_operation,
    ffcl_conv_operation, ffcl_pool_operation;

/* All operations that have variants, ffcl_gemm_operation among them. */
extern const ffcl_operation *const ffcl_operations[FFCL_N_OPS];

/* Forces variants for ctx, for debugging: "attention=row, gemm=builtin"; NULL or "" changes
 * nothing.  Where the forced variant cannot compute a call, another is chosen as usual.
 * FFCL_ECONFIG for an unknown name; the known ones are listed. */
int ffcl_variants_force(ffcl_ctx *ctx, const char *text);

/* What is forced, in the same form; "" for nothing. */
void ffcl_variants_forced(const ffcl_ctx *ctx, char *text, size_t size);

#endif
