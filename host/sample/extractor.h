/* SPDX-License-Identifier: MIT
 * A device with the Inception network loaded: bytes of images in, features out.  On a device of
 * its own, or on that of an engine, whose images it then takes from the device. */
#ifndef FFCL_SAMPLE_EXTRACTOR_H
#define FFCL_SAMPLE_EXTRACTOR_H

#include "config.h"
#include "model/inception.h"

typedef struct ffcl_extractor ffcl_extractor;

typedef struct ffcl_extractor_options {
    const ffcl_config *cfg;     /* device, precision, back end */
    const char *weights;        /* of the network */
    int rule;                   /* of ffcl_resize_bytes */
    size_t height, width;       /* of the images */
    size_t batch;               /* images at a time; 0: as many as fit, at most count */
    size_t count;
    /* The device of an engine and its type of activations, where images are; NULL: one that cfg
     * selects, or `device`.  reserved: bytes of it that are taken; room: images of a lane. */
    ffcl_ctx *ctx;
    const ffcl_device *device;
    ffcl_dtype dtype;
    size_t reserved, room;
} ffcl_extractor_options;

/* What it computes for each image. */
typedef struct ffcl_features {
    size_t n;
    float *pool, *spatial, *logits;     /* (n, 2048), (n, 2023), (n, 1008) */
} ffcl_features;

/* Reads the weights, plans memory, compiles what is not cached.  The features of an image do not
 * depend on the batch. */
int ffcl_extractor_open(ffcl_extractor **out, const ffcl_extractor_options *options,
                        const ffcl_observer *obs, ffcl_error *err);
void ffcl_extractor_close(ffcl_extractor **extractor);

/* Of the images that it takes. */
void ffcl_extractor_size(const ffcl_extractor *extractor, size_t *height, size_t *width);
size_t ffcl_extractor_batch(const ffcl_extractor *extractor);
/* What it takes on the device. */
size_t ffcl_extractor_bytes(const ffcl_extractor *extractor);
/* "float32" or "half"; the device's name; the file. */
const char *ffcl_extractor_precision(const ffcl_extractor *extractor);
const char *ffcl_extractor_device(const ffcl_extractor *extractor);
const ffcl_tensor_file *ffcl_extractor_file(const ffcl_extractor *extractor);
/* Its device, whose queue must be idle when another uses it. */
ffcl_ctx *ffcl_extractor_ctx(const ffcl_extractor *extractor);

/* Starts with n images rgb (n, height, width, 3), at most a batch, which may be freed on return;
 * two may be under way.  On an engine's device, where that has nothing under way. */
int ffcl_extractor_submit(ffcl_extractor *extractor, const uint8_t *rgb, size_t n,
                          ffcl_error *err);
/* The features of the batch that was submitted first, valid until the second submit after this
 * call. */
int ffcl_extractor_wait(ffcl_extractor *extractor, ffcl_features *features, ffcl_error *err);

/* A pass with a tap over n images of one batch. */
int ffcl_extractor_show(ffcl_extractor *extractor, const uint8_t *rgb, size_t n,
                        const ffcl_tap *tap, ffcl_features *features, ffcl_error *err);

/* For an engine: enqueues the pass over bytes (n, height*width, 3) on the device as images first ..
 * of lane 0 or 1, and the reading of a lane's n features into host memory that is valid when the
 * queue has come there. */
int ffcl_extractor_enqueue(ffcl_extractor *extractor, size_t lane, size_t first,
                           const ffcl_tensor *bytes);
int ffcl_extractor_fetch(ffcl_extractor *extractor, size_t lane, size_t n,
                         ffcl_features *features);

#endif
