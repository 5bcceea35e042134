/* SPDX-License-Identifier: MIT
 * Does the device round to half as OpenCL asks, and are its native functions exact enough? */
#ifndef FFCL_SELFCHECK_NUMBERS_H
#define FFCL_SELFCHECK_NUMBERS_H

#include "cl/context.h"

/* Sets ctx->number_options, options of all programs that are built afterwards: -DROUND_HALF where
 * stores to half do not round to nearest even, -DNO_NATIVE where native_exp and native_divide do
 * not do for half results.  To be called before half kernels are planned; what cannot be found out
 * counts as wrong, as kernels are right with either option, and slower.  The result is kept beside
 * the program binaries; a line of note where the device fails, a warning where nothing was found
 * out, which another start may. */
void ffcl_selfcheck_numbers(ffcl_ctx *ctx);

#endif
