/* SPDX-License-Identifier: MIT
 * What the kernels have to do, by their algorithms: arithmetic, and the bytes of every input read
 * once and every output written once.  The wrappers declare it to the profile, and the rows of the
 * kernel registry take it from here, so that both speak of the same work.  exp and the like count
 * as one operation.  Products: ffcl_gemm_cost. */
#ifndef FFCL_OPS_COST_H
#define FFCL_OPS_COST_H

#include "cl/profile.h"
#include "ops/ops.h"

/* n elements with so many operations and bytes each. */
static inline ffcl_cost ffcl_each_cost(size_t n, double flops, double bytes)
{
    return (ffcl_cost){(double)n * flops, (double)n * bytes};
}

/* 128 chains an item, of rounds steps of a product and a sum. */
static inline ffcl_cost ffcl_ceiling_fma_cost(size_t rounds, size_t n)
{
    return ffcl_each_cost(n, 256.0 * (double)rounds, 8.0);
}

/* Mean 1, squares 3, result 5 (subtract, multiply, 1 + scale, multiply, add). */
static inline ffcl_cost ffcl_layernorm_cost(size_t B, size_t T, size_t D, ffcl_store store)
{
    double each = 4.0 + (double)ffcl_store_bytes(store), n = (double)B * (double)D;
    return (ffcl_cost){9.0 * n * (double)T, n * (each * (double)T + 8.0)};
}

/* The same after a sum of n parts, bias, gate and residual, which is written too. */
static inline ffcl_cost ffcl_layernorm_residual_cost(size_t n, size_t B, size_t T, size_t D,
                                                     ffcl_store store)
{
    ffcl_cost cost = ffcl_layernorm_cost(B, T, D, store);
    double rows = (double)(B * T) * (double)D;
    cost.flops += rows * ((double)n + 3.0);
    cost.bytes += 4.0 * (rows * ((double)n + 1.0) + (double)(B + 1) * (double)D);
    return cost;
}

/* Two products of T x T x Dh a head; softmax is not counted, as is usual. */
static inline ffcl_cost ffcl_attention_cost(size_t B, size_t T, size_t H, size_t Dh,
                                            ffcl_store store)
{
    double n = (double)(B * T * H * Dh);
    return (ffcl_cost){4.0 * n * (double)T, 4.0 * (double)ffcl_store_bytes(store) * n};
}

/* Maximum, difference, exp, sum, quotient. */
static inline ffcl_cost ffcl_softmax_cost(size_t rows, size_t n)
{
    return ffcl_each_cost(rows * n, 5.0, 6.0);
}

static inline ffcl_cost ffcl_softmax_in_place_cost(size_t rows, size_t n)
{
    return ffcl_each_cost(rows * n, 5.0, 8.0);
}

static inline ffcl_cost ffcl_cast_cost(size_t n)
{
    return ffcl_each_cost(n, 1.0, 6.0);
}

static inline ffcl_cost ffcl_transpose_cost(size_t n, ffcl_store store)
{
    return ffcl_each_cost(n, 0.0, 2.0 * (double)ffcl_store_bytes(store));
}

/* Exponent, exp, product and cos or sin, of 256 waves. */
static inline ffcl_cost ffcl_embed_scalar_cost(size_t B)
{
    return (ffcl_cost){4.0 * 256.0 * (double)B, 4.0 * 257.0 * (double)B};
}

/* A sum, exp, sum and quotient. */
static inline ffcl_cost ffcl_embed_condition_cost(size_t B, size_t D, size_t rows,
                                                  ffcl_store store)
{
    ffcl_cost c = ffcl_each_cost(B * D, 4.0, 4.0 + (double)ffcl_store_bytes(store));
    c.bytes += (double)rows * (double)D * 4.0 + (double)B * 4.0;
    return c;
}

/* A product of C p p terms a token and column, bias and position. */
static inline ffcl_cost ffcl_patch_embed_cost(size_t B, size_t C, size_t R, size_t p, size_t D,
                                              int has_pos)
{
    const double K = (double)(C * p * p), T = (double)((R / p) * (R / p));
    const double out = (double)B * T * (double)D;
    return (ffcl_cost){out * (2.0 * K + (has_pos ? 2.0 : 1.0)),
                       4.0 * ((double)(B * C * R * R) + (K + 1.0) * (double)D + out +
                              (has_pos ? T * (double)D : 0.0))};
}

static inline ffcl_cost ffcl_latent_update_cost(size_t n)
{
    return ffcl_each_cost(n, 2.0, 12.0);
}

static inline ffcl_cost ffcl_image_bytes_cost(size_t n)
{
    return ffcl_each_cost(n, 4.0, 5.0);
}

/* Mean 1, squares 3 are a group norm's first step, result 3 and SiLU 3 its last. */
static inline ffcl_cost ffcl_groupnorm_sums_cost(size_t n, ffcl_store store)
{
    return ffcl_each_cost(n, 4.0, (double)ffcl_store_bytes(store));
}

static inline ffcl_cost ffcl_groupnorm_apply_cost(size_t n, size_t C, int with_silu,
                                                  ffcl_store store)
{
    const double each = (double)ffcl_store_bytes(store);
    ffcl_cost cost = ffcl_each_cost(n, with_silu ? 6.0 : 3.0, 2.0 * each);
    cost.bytes += 8.0 * (double)C;
    return cost;
}

/* The whole norm, whose operand need not be read twice. */
static inline ffcl_cost ffcl_groupnorm_cost(size_t n, size_t C, int with_silu, ffcl_store store)
{
    ffcl_cost cost = ffcl_groupnorm_apply_cost(n, C, with_silu, store);
    cost.flops += ffcl_groupnorm_sums_cost(n, store).flops;
    return cost;
}

/* Of the sums as computed: an upsampled pixel takes 4 taps, not 9; by Winograd's way a tile of 16
 * pixels takes 36 or 25; a narrow one 8 columns. */
static inline ffcl_cost ffcl_conv_cost(const ffcl_conv_weight *w, size_t B, size_t Hh, size_t Ww,
                                       int has_add)
{
    const int narrow = w->kind == FFCL_CONV_NARROW;
    const int up = w->kind == FFCL_CONV_UPSAMPLE || w->kind == FFCL_CONV_WINOGRAD_UPSAMPLE;
    const double x = (double)(B * Hh * Ww), each = (double)ffcl_store_bytes(w->store);
    const double own = ffcl_is_winograd(w->kind) ? (double)ffcl_winograd_points(w->kind) / 16.0
                                                 : (double)(w->side * w->side);
    const double pixels = up ? 4.0 * x : x, taps = w->kind == FFCL_CONV_UPSAMPLE ? 4.0 : own;
    const double computed = pixels * (narrow ? 8.0 : (double)w->out);
    const double out_each = narrow || w->kind == FFCL_CONV_DIRECT ? 4.0 : each;
    size_t parts;
    const double weights = (double)ffcl_conv_floats(w, &parts);
    return (ffcl_cost){
        computed * (2.0 * taps * (double)w->in + (has_add ? 2.0 : 1.0)),
        each * (x * (double)w->in + weights * (double)parts) + 4.0 * (double)w->out +
            out_each * pixels * (double)w->out * (has_add ? 2.0 : 1.0)};
}

/* The transforms of so many tiles: 16 pixels of each channel to or from so many points, by two
 * products with matrices of small numbers, counted as an operation a point and row. */
static inline ffcl_cost ffcl_winograd_cost(size_t tiles, size_t channels, size_t points)
{
    return ffcl_each_cost(tiles * channels, 12.0 * (double)points, 4.0 * (16.0 + (double)points));
}

/* A convolution of latents, after a 1 x 1 one where point is not NULL. */
static inline ffcl_cost ffcl_latent_conv_cost(const ffcl_conv_weight *point,
                                              const ffcl_conv_weight *conv, size_t B, size_t R,
                                              ffcl_store store)
{
    const double pixels = (double)(B * R * R), C = (double)conv->in, N = (double)conv->out;
    const double K = (double)(conv->side * conv->side) * C;
    return (ffcl_cost){pixels * ((2.0 * K + 1.0) * N + (point ? (2.0 * C + 1.0) * C : 0.0)),
                       4.0 * (pixels * C + (K + 1.0) * N + (point ? (C + 1.0) * C : 0.0)) +
                           (double)ffcl_store_bytes(store) * pixels * N};
}

#endif
