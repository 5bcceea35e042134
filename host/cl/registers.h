/* SPDX-License-Identifier: MIT
 * Options for kernels that keep many values in registers (IN_REGISTERS of cl/common.cl). */
#ifndef FFCL_CL_REGISTERS_H
#define FFCL_CL_REGISTERS_H

#include "cl/context.h"

/* The options for the program of that source: on Intel's GPUs the fewest lanes a thread, and twice
 * the registers where the compiler knows the option, which it is asked once a context; "" elsewhere
 * and for sources without such kernels.  They change no sum. */
const char *ffcl_register_options(ffcl_ctx *ctx, const char *source);

/* Have work-items few registers even so?  Intel's GPUs without matrix instructions: 4 KB a thread,
 * 128 values of each of 8 lanes. */
static inline int ffcl_has_few_registers(const ffcl_ctx *ctx)
{
    return !ffcl_is_cpu(ctx) && ctx->device.caps.few_lanes && !ctx->device.caps.intel_lanes;
}

#endif
