/* SPDX-License-Identifier: MIT
 * A look at intermediate tensors, for `ffcl verify`. */
#ifndef FFCL_MODEL_TAP_H
#define FFCL_MODEL_TAP_H

#include "cl/context.h"

/* see is called with the name that the recordings use ("act.block0"), the buffer, its shape as
 * (outer, inner) and how it is laid out: pixels 0 for (outer, inner) rows; otherwise it is NHWC
 * with that many pixels a picture, while recordings are NCHW.  Not called while planning. */
typedef struct ffcl_tap {
    int (*see)(void *user, ffcl_ctx *ctx, const char *name, cl_mem mem, size_t outer, size_t inner,
               size_t pixels);
    void *user;
} ffcl_tap;

/* Calls tap (may be NULL) with the formatted name. */
int ffcl_tap_see(const ffcl_tap *tap, ffcl_ctx *ctx, cl_mem mem, size_t outer, size_t inner,
                 size_t pixels, const char *format, ...) __attribute__((format(printf, 7, 8)));

#endif
