/* SPDX-License-Identifier: MIT
 * Programs: built at run time from the embedded sources (or FFCL_CL_DIR), their binaries kept on
 * disk.  The cache is best effort: any mismatch falls back to the source. */
#ifndef FFCL_CL_PROGRAM_H
#define FFCL_CL_PROGRAM_H

#include "cl/context.h"

/* A kernel of a program; handle is NULL while only planning. */
typedef struct ffcl_kernel {
    char *name, *options;       /* as it was asked for */
    char *entry;                /* its name in its program, where that has several like it */
    cl_kernel handle;
    cl_uint n_args;
    size_t max_work_group;      /* CL_KERNEL_WORK_GROUP_SIZE */
} ffcl_kernel;

typedef struct ffcl_programs ffcl_programs;

int ffcl_programs_open(ffcl_programs **out, ffcl_ctx *ctx);
void ffcl_programs_close(ffcl_programs **programs);

/* The kernel `name` of cl/`source`.cl built with options ("" or "-DDH=72 ..."), the context's.
 * While planning the program is only noted; otherwise it is built where it is not yet.  NULL after
 * a failure, which the context keeps: FFCL_EBUILD with the compiler's log, FFCL_EFILE for a source
 * missing in FFCL_CL_DIR. */
const ffcl_kernel *ffcl_kernel_get(ffcl_ctx *ctx, const char *source, const char *name,
                                   const char *options);

/* The build option of kernels that store activations so: "" or "-DHALF" (cl/common.cl). */
const char *ffcl_dtype_option(ffcl_dtype dtype);

/* What the binaries of all noted programs depend on: their sources, options, and the device, driver
 * and platform, as text.  *out is the caller's to free. */
int ffcl_programs_key(ffcl_ctx *ctx, char **out);

/* Builds every noted program, reporting FFCL_PHASE_COMPILE for those not in the cache. */
int ffcl_programs_build(ffcl_ctx *ctx);

/* Gives the built programs of another list to the context's, which takes those that it needs: a
 * driver takes as long for a binary as for a small program's text.  *from is NULL then. */
void ffcl_programs_hand_over(ffcl_ctx *ctx, ffcl_programs **from);

/* How many programs were compiled from source, and how many came from the disk cache. */
void ffcl_programs_counts(const ffcl_ctx *ctx, size_t *compiled, size_t *cached);

#endif
