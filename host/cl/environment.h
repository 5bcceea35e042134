/* SPDX-License-Identifier: MIT
 * Variables of the environment by which drivers compile, or libraries multiply, otherwise. */
#ifndef FFCL_CL_ENVIRONMENT_H
#define FFCL_CL_ENVIRONMENT_H

/* Those that are set, "POCL_EXTRA_BUILD_FLAGS=-g, MKL_CBWR=AVX2", or "none"; the caller's to free.
 * NULL when memory is short. */
char *ffcl_environment(void);

#endif
