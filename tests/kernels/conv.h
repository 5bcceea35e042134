/* SPDX-License-Identifier: MIT
 * What the rows of convolutions (conv.c) share with those of windows (window.c). */
#ifndef FFCL_TESTS_KERNELS_CONV_H
#define FFCL_TESTS_KERNELS_CONV_H

#include "case.h"

/* Winograd's weight, laid out in scratch memory from operand `plain` (Cout, C, taps), and the
 * convolution that the row describes. */
void ffcl_conv_case_winograd(ffcl_case *c, size_t plain);
/* Why im2col cannot run here, or NULL. */
const char *ffcl_conv_case_skip_im2col(const ffcl_case *c);

#endif
