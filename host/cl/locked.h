/* SPDX-License-Identifier: MIT
 * Page-locked memory of the host, mapped as long as it lives: some drivers have the host wait for
 * the device when it reads into any other. */
#ifndef FFCL_CL_LOCKED_H
#define FFCL_CL_LOCKED_H

#include "cl/context.h"

typedef struct ffcl_locked {
    cl_mem mem;
    void *mapped;
} ffcl_locked;

int ffcl_locked_open(ffcl_ctx *ctx, ffcl_locked *locked, size_t bytes);
void ffcl_locked_close(ffcl_ctx *ctx, ffcl_locked *locked);

/* The next n bytes behind *used of memory; NULL, but counted, while memory is NULL and sizes are
 * added up. */
void *ffcl_locked_part(char *memory, size_t *used, size_t n);

#endif
