/* SPDX-License-Identifier: MIT
 * Programs of one kernel that are built as parts of a larger one: cl/together.cl. */
#ifndef FFCL_CL_TOGETHER_H
#define FFCL_CL_TOGETHER_H

/* Is what cl/`source`.cl is with options part of cl/together.cl, with FFCL_TOGETHER_OPTIONS?
 * *suffix: of its kernels' names there. */
int ffcl_is_together(const char *source, const char *options, const char **suffix);

#define FFCL_TOGETHER "together"
#define FFCL_TOGETHER_OPTIONS "-DVW=16"

#endif
