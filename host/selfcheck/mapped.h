/* SPDX-License-Identifier: MIT
 * May kernels of a device that shares the host's memory read weights where they lie in the file? */
#ifndef FFCL_SELFCHECK_MAPPED_H
#define FFCL_SELFCHECK_MAPPED_H

#include "cl/context.h"

/* Sets ctx->maps_weights where a device other than a CPU shares the host's memory, and a kernel of
 * it reads a file's mapping in place: it sees what is written into the file later.  A driver that
 * refuses such memory, or copies it, is no failure: weights are then read into buffers.  Not where
 * the environment has FFCL_MAPPED=off. */
void ffcl_selfcheck_mapped(ffcl_ctx *ctx);

#endif
