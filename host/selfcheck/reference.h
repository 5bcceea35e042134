/* SPDX-License-Identifier: MIT
 * What matrix units and ffcl's own GEMM are compared with: plain C on the host, so that a first
 * start compiles no other kernel for it, and no fault of a driver is in both.  Sums are double,
 * results float32, neither rounded to half.  Weights are half ones in TILES (blas/gemm.h), given as
 * floats in the same order. */
#ifndef FFCL_SELFCHECK_REFERENCE_H
#define FFCL_SELFCHECK_REFERENCE_H

#include <stddef.h>

/* out (M, N) = GELU, by tanh, of a (M, K) w (K, N) + bias (N). */
void ffcl_reference_gemm_gelu(float *out, const float *a, const float *w, const float *bias,
                              size_t M, size_t N, size_t K);

/* out (side, side, N) = 3 x 3 convolution of x (side, side, C), zeros around it, with w (9 * C, N),
 * taps in rows of three, plus bias (N).  0, or FFCL_ENOMEM. */
int ffcl_reference_conv(float *out, const float *x, const float *w, const float *bias, size_t side,
                        size_t C, size_t N);

/* out (T, H * Dh) = softmax(q k^T / sqrt(Dh)) v of each of H heads; qkv (T, 3 * H * Dh).  0, or
 * FFCL_ENOMEM. */
int ffcl_reference_attention(float *out, const float *qkv, size_t T, size_t H, size_t Dh);

#endif
