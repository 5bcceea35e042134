/* SPDX-License-Identifier: MIT
 * Convolution of half images, 3 x 3, on wgmma, whose tiles share their borders in local memory: a
 * variant of ffcl_conv, for large images faster than an implicit GEMM; desc is an
 * ffcl_conv_desc. */
#ifndef FFCL_OPS_HALO_CONV_H
#define FFCL_OPS_HALO_CONV_H

#include "ops/ops.h"

int ffcl_halo_conv_can(const ffcl_ctx *ctx, const void *desc);
/* Is there enough work that it is the fastest? */
int ffcl_halo_conv_pays(const ffcl_ctx *ctx, const void *desc);
void ffcl_halo_conv(ffcl_ctx *ctx, const void *desc);

#endif
