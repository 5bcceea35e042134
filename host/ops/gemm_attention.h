/* SPDX-License-Identifier: MIT
 * Attention by batches of GEMMs with the scores in memory between them: two variants of
 * ffcl_attention, of which a description is an ffcl_attention_desc. */
#ifndef FFCL_OPS_GEMM_ATTENTION_H
#define FFCL_OPS_GEMM_ATTENTION_H

#include "ops/ops.h"

/* float32 heads, a GEMM a head, where the back end has batches. */
int ffcl_attention_gemms_can(const ffcl_ctx *ctx, const void *desc);
void ffcl_attention_gemms(ffcl_ctx *ctx, const void *desc);

/* The same of half operands, copied to float32 an image at a time, where the back end copies them
 * anyway. */
int ffcl_attention_copied_can(const ffcl_ctx *ctx, const void *desc);
void ffcl_attention_copied(ffcl_ctx *ctx, const void *desc);

/* One half head, a GEMM an image, where the matrix unit has batches. */
int ffcl_attention_gemms_half_can(const ffcl_ctx *ctx, const void *desc);
void ffcl_attention_gemms_half(ffcl_ctx *ctx, const void *desc);

#endif
