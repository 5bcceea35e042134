/* SPDX-License-Identifier: MIT
 * Programs compiled by processes of their own: a driver that compiles one program of a process at a
 * time, as NVIDIA's does, leaves most processors idle in a first start. */
#ifndef FFCL_CL_COMPILE_APART_H
#define FFCL_CL_COMPILE_APART_H

#include "cl/context.h"

/* Processes that are worth it for n programs; below 2: none. */
size_t ffcl_compile_processes(const ffcl_ctx *ctx, size_t n);

/* jobs: for each of n processes its lines "SOURCE OPTIONS", in all `total`.  They put what they
 * compile into the cache.  FFCL_PHASE_COMPILE reports how many are done.  Never fatal: what is not
 * in the cache afterwards is the caller's to compile. */
void ffcl_compile_apart(ffcl_ctx *ctx, char *const *jobs, size_t n, size_t total);

#endif
