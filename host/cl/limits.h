/* SPDX-License-Identifier: MIT
 * A kernel's own limit on work-groups, CL_KERNEL_WORK_GROUP_SIZE, is known when its program is
 * built, after variants were chosen.  A planning pass then rules out the variants whose kernels
 * take fewer work-items than they are launched with; the next plan does without them. */
#ifndef FFCL_CL_LIMITS_H
#define FFCL_CL_LIMITS_H

#include "cl/launch.h"
#include "cl/variant.h"

/* Has a planning pass ruled v out? */
int ffcl_is_ruled_out(const ffcl_ctx *ctx, const ffcl_variant *v);

/* Is a work-group of items more than the kernel takes on this device?  In a planning pass the
 * variant that is running is ruled out then; otherwise the context keeps the failure. */
int ffcl_over_limit(ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t items);

#endif
