/* SPDX-License-Identifier: MIT
 * Convolutions by Winograd's method (cl/winograd.cl), a variant of ffcl_conv: of stride 1 and, in
 * float32, 3 x 3 or 5 x 5 taps with padding or without, or 3 or 7 in a line. */
#ifndef FFCL_OPS_WINOGRAD_H
#define FFCL_OPS_WINOGRAD_H

#include "ops/ops.h"

/* Is there a transform for its taps?  May its weight lie transformed?  Half weights do not, as that
 * rounds them once more and takes four times the memory, but those of an upsample do, which no
 * other layout has whole. */
int ffcl_winograd_knows(const ffcl_conv_weight *w);
int ffcl_winograd_lies(const ffcl_conv_weight *w);

/* The number of GEMMs of a convolution; multiplications of an output pixel's channel. */
size_t ffcl_winograd_points(const ffcl_conv_weight *w);
double ffcl_winograd_multiplications(const ffcl_conv_weight *w);

/* Are there GEMMs for images of type dtype, whose transforms are float32 in any case? */
int ffcl_winograd_can(const ffcl_ctx *ctx, ffcl_dtype dtype);

/* Is it faster than im2col: has the back end batches, and does the convolution have enough channels
 * for its GEMMs to save more than the transforms cost? */
int ffcl_winograd_pays(const ffcl_ctx *ctx, const ffcl_conv_weight *w);

/* Can half weights that lie in tiles be transformed for each convolution, and does that pay? */
int ffcl_winograd_copied_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w);
int ffcl_winograd_copied_pays(const ffcl_ctx *ctx, const ffcl_conv_weight *w);

/* The transformed weight (points, Cin, Cout) as float32, of half ones in scratch memory, and its
 * end.  by_tiles: by the kernel for GPUs (cl/winograd_tiles.cl). */
ffcl_tensor ffcl_winograd_take_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, int by_tiles);
void ffcl_winograd_give_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, ffcl_tensor *U);

/* Output channels first .. first+n-1 of the weight, from (n, Cin, taps):
 * ffcl_conv_load_channels. */
void ffcl_winograd_weights(ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t first, size_t n,
                           const ffcl_tensor *from);

/* across, down: tiles of an image; first, tiles: those of the band, among all; ld: rows of V, M. */
typedef struct ffcl_winograd_band {
    size_t across, down, first, tiles, ld;
} ffcl_winograd_band;
/* The first one, without tiles yet; *together: tiles among which bands are cut evenly, those of an
 * image on a CPU, of all elsewhere. */
ffcl_winograd_band ffcl_winograd_first_band(const ffcl_ctx *ctx, const ffcl_conv_desc *d,
                                            size_t *together);

/* desc is an ffcl_conv_desc.  The second is for GPUs with work-groups large enough and 3 x 3 taps
 * with padding, and computes norm and moments. */
void ffcl_winograd_conv(ffcl_ctx *ctx, const void *desc);
int ffcl_winograd_gpu_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w);
void ffcl_winograd_gpu_conv(ffcl_ctx *ctx, const void *desc);

#endif
