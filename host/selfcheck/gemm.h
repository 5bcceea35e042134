/* SPDX-License-Identifier: MIT
 * Does the GEMM library compute right here?  CLBlast 1.4 to 1.6.2 has a kernel that does not for
 * some parameters, and drivers miscompile. */
#ifndef FFCL_SELFCHECK_GEMM_H
#define FFCL_SELFCHECK_GEMM_H

#include "cl/context.h"

/* The check of ffcl_blas_options.  Runs the open back end's GEMM on random operands, unless the
 * result of an earlier start is stored; where it computes wrong or fails, the built-in GEMM takes
 * its place, with a warning.  FFCL_ENOMEM; a failed check is no error. */
int ffcl_selfcheck_gemm(ffcl_ctx *ctx);

/* Lets ctx choose ffcl's own float32 GEMM for GPUs ("blocked") if this is a GPU that can run it and
 * its results are right; after a back end is open, before weights are laid out.  A failure is a
 * warning. */
void ffcl_selfcheck_blocked(ffcl_ctx *ctx);

#endif
