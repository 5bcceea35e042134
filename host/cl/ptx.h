/* SPDX-License-Identifier: MIT
 * Instructions that NVIDIA's OpenCL compiler does not assemble for its default target.
 *
 * The driver compiles OpenCL C for sm_90 and gives programs out, and takes them in, as PTX text.
 * wgmma needs the target sm_90a.  Kernel sources hold such instructions as inline PTX comments
 * that start with "//sm_90a "; here the built program's text is taken, the comments are uncovered,
 * the target raised, and the program built again from that text. */
#ifndef FFCL_CL_PTX_H
#define FFCL_CL_PTX_H

#include "cl/context.h"

/* Replaces *program, built with options, by its uncovered version where its text has such comments;
 * leaves it alone otherwise.  FFCL_EBUILD where the device's programs are no PTX for sm_90. */
int ffcl_ptx_uncover(ffcl_ctx *ctx, cl_program *program, const char *name, const char *options);

#endif
