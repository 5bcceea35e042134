/* SPDX-License-Identifier: MIT
 * Convolutions by Winograd's method (cl/winograd.cl), a variant of ffcl_conv: of stride 1 and, in
 * float32, 3 x 3 or 5 x 5 taps with padding or without, or 3 or 7 in a line. */
#ifndef FFCL_OPS_WINOGRAD_H
#define FFCL_OPS_WINOGRAD_H

#include "ops/ops.h"

/* Is there a transform for its taps? */
int ffcl_winograd_knows(const ffcl_conv_weight *w);

/* The number of GEMMs of a convolution; multiplications of an output pixel's channel. */
size_t ffcl_winograd_points(const ffcl_conv_weight *w);
double ffcl_winograd_multiplications(const ffcl_conv_weight *w);

/* Are there GEMMs for images of type dtype, whose transforms are float32 in any case? */
int ffcl_winograd_can(const ffcl_ctx *ctx, ffcl_dtype dtype);

/* Is it faster than im2col: has the back end batches, and does the convolution have enough channels
 * for its GEMMs to save more than the transforms cost? */
int ffcl_winograd_pays(const ffcl_ctx *ctx, const ffcl_conv_weight *w);

/* Output channels first .. first+n-1 of the weight, from (n, Cin, taps):
 * ffcl_conv_load_channels. */
void ffcl_winograd_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t first, size_t n,
                           const ffcl_tensor *from);

/* desc is an ffcl_conv_desc. */
void ffcl_winograd_conv(ffcl_ctx *ctx, const void *desc);

#endif
