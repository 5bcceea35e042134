/* SPDX-License-Identifier: MIT
 * SiT-XL/2 and the Stable Diffusion decoder of the published sizes, planned without their weights:
 * files with names and shapes, and a hole for the rest. */
#ifndef FFCL_TUNE_XL2_H
#define FFCL_TUNE_XL2_H

#include "gemm.h"
#include "sample/engine.h"

typedef struct ffcl_xl2 {
    size_t side;                /* of an image in pixels: 256, 512 */
    size_t batch;
    const char *const *settings;    /* "section.key=value" beside those, NULL after the last */
} ffcl_xl2;

/* ffcl_engine_shapes of it for device, with cfg's other settings; see is called with each GEMM of
 * a batch, and may be NULL.  The files lie in TMPDIR or /tmp and are gone afterwards.  FFCL_EOUTPUT
 * where they cannot be written. */
int ffcl_xl2_plan(const ffcl_xl2 *xl2, const ffcl_config *cfg, const ffcl_device *device,
                  void (*see)(void *user, const ffcl_matmul *p), void *user,
                  const ffcl_observer *obs, ffcl_error *err);

#endif
