/* SPDX-License-Identifier: MIT
 * A look at intermediate tensors, for `ffcl verify`. */
#ifndef FFCL_MODEL_TAP_H
#define FFCL_MODEL_TAP_H

#include "cl/context.h"

/* see is called with the name that the recordings use ("act.block0") and the tensor, float32; of an
 * image it is NHWC, while recordings are NCHW.  Not called while planning. */
typedef struct ffcl_tap {
    int (*see)(void *user, ffcl_ctx *ctx, const char *name, const ffcl_tensor *t);
    void *user;
} ffcl_tap;

/* Calls tap (may be NULL) with the formatted name. */
void ffcl_tap_see(const ffcl_tap *tap, ffcl_ctx *ctx, const ffcl_tensor *t, const char *format,
                  ...) __attribute__((format(printf, 4, 5)));

#endif
