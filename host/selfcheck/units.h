/* SPDX-License-Identifier: MIT
 * May the kernels for matrix units be used?  Decided by capability and by results, never by
 * name. */
#ifndef FFCL_SELFCHECK_UNITS_H
#define FFCL_SELFCHECK_UNITS_H

#include "cl/context.h"

/* Does the device report the capability that the unit needs?  Only a self-check shows that the unit
 * works. */
int ffcl_unit_listed(const ffcl_ctx *ctx, ffcl_matrix_unit unit);

/* The check of ffcl_selfcheck_units, made also where it is known to have passed: for AMD's and
 * Intel's units, at each start after a trial.  1: passed.  A process that died in it counts as a
 * failure of the next one's. */
int ffcl_unit_check_again(ffcl_ctx *ctx, ffcl_matrix_unit unit);

/* The same check of ffcl's own GEMM for GPUs with half operands: 1, and noted in ctx->blas, where
 * it passed; 0 also on CPUs. */
int ffcl_selfcheck_blocked_half(ffcl_ctx *ctx);

/* head: columns of a head of the attention that is wanted; a unit's check is of no other, which
 * then does not run on wgmma (ctx->checked_head). */
enum { FFCL_ANY_HEAD = 0, FFCL_NO_HEAD = 1 };

/* Sets ctx->matrix_unit: to the one that name (mma, wgmma, wmma, mfma, dpas) asks for, for auto to
 * NVIDIA's newest, for a back end's name to none.  A unit is used only if it passes its self-check:
 * its kernels build, and their results on random operands agree with reference.h's.  The
 * result is kept beside the program binaries.  Where auto finds tensor cores that fail, it reports
 * a warning and sets none; FFCL_EDEVICE where name asks for a unit that the device lacks or that
 * fails. */
int ffcl_selfcheck_units(ffcl_ctx *ctx, const char *name, size_t head);

#endif
