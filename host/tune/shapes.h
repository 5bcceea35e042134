/* SPDX-License-Identifier: MIT
 * The float32 GEMMs of a model, as ffcl tune times them. */
#ifndef FFCL_TUNE_SHAPES_H
#define FFCL_TUNE_SHAPES_H

#include "cl/device.h"
#include "config.h"

enum { FFCL_TUNE_SHAPES = 12 };

/* A (m, k), or (k, m) if a_kmajor; W (k, n); count: how often a batch has it. */
typedef struct ffcl_tune_shape {
    size_t m, n, k;
    int a_kmajor;
    size_t count;
} ffcl_tune_shape;

/* The shapes that make up nearly all of the work, at most FFCL_TUNE_SHAPES, those of least work
 * first: of cfg's checkpoint and VAE where cfg comes from an INI file, else of XL/2 256. */
int ffcl_tune_shapes(ffcl_tune_shape *list, size_t *n, const ffcl_config *cfg,
                     const ffcl_device *device, const ffcl_observer *obs, ffcl_error *err);

/* "256 x 3456 x 1152", and " K-major" where A is. */
void ffcl_tune_shape_text(const ffcl_tune_shape *s, char *text, size_t size);

static inline double ffcl_tune_work(const ffcl_tune_shape *s)
{
    return 2.0 * (double)s->m * (double)s->n * (double)s->k;
}

#endif
