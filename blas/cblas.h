/* SPDX-License-Identifier: MIT
 * Products on CPU devices by a CBLAS library of the system, on the buffers where they lie. */
#ifndef FFCL_BLAS_CBLAS_H
#define FFCL_BLAS_CBLAS_H

#include "backend.h"

/* Can host functions of this device's queue read its buffers?  Asked before anything is loaded. */
int ffcl_cblas_fits(const ffcl_ctx *ctx);

/* The library in use, for messages. */
const char *ffcl_cblas_text(const ffcl_ctx *ctx);

#endif
