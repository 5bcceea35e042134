/* SPDX-License-Identifier: MIT
 * Inception v3 as FID uses it (the network of 2015-12-05): bytes of images to features.  Names are
 * those of pt_inception-2015-12-05-6726825d.pth, which pytorch-fid and torch-fidelity read. */
#ifndef FFCL_MODEL_INCEPTION_H
#define FFCL_MODEL_INCEPTION_H

#include "model/tap.h"
#include "model/weights.h"

enum {
    FFCL_INCEPTION_SIDE = 299,          /* of its input */
    FFCL_INCEPTION_POOL = 2048,         /* features, of FID, precision and recall */
    FFCL_INCEPTION_SPATIAL = 2023,      /* 17 x 17 x 7, of sFID */
    FFCL_INCEPTION_CLASSES = 1008,
    /* Numbers of an image that travel together, in this order: pool, spatial, logits. */
    FFCL_INCEPTION_ALL = FFCL_INCEPTION_POOL + FFCL_INCEPTION_SPATIAL + FFCL_INCEPTION_CLASSES
};

typedef struct ffcl_inception ffcl_inception;

/* Checks names and shapes of the weights at path; no device is needed.  FFCL_EWEIGHTS. */
int ffcl_inception_open(ffcl_inception **out, const char *path, ffcl_error *err);
void ffcl_inception_close(ffcl_inception **inception);

const ffcl_tensor_file *ffcl_inception_file(const ffcl_inception *inception);

/* As those of vae.h: the type of images and weights, bytes for the memory plan, the load, in which
 * batch norms are folded into the convolutions. */
int ffcl_inception_prepare(ffcl_inception *inception, ffcl_ctx *ctx, ffcl_dtype dtype);
size_t ffcl_inception_bytes(const ffcl_inception *inception);
size_t ffcl_inception_largest_bytes(const ffcl_inception *inception);
/* Elements of the largest activation of one image. */
size_t ffcl_inception_largest_activation(void);
int ffcl_inception_load(ffcl_inception *inception, ffcl_ctx *ctx, uint64_t *done, uint64_t total);

/* What a pass leaves, float32; one whose batch is 0 is not wanted. */
typedef struct ffcl_inception_out {
    ffcl_tensor pool;                   /* (B, 1, 2048): means over the last 8 x 8 pixels */
    ffcl_tensor spatial;                /* (B, 289, 7): Mixed_6d.branch1x1, its first channels */
    ffcl_tensor logits;                 /* (B, 1, 1008) without fc.bias */
} ffcl_inception_out;

/* rule: of ffcl_resize_bytes.  bytes (B, Hh*Ww, 3) uint8.  tap may be NULL. */
void ffcl_inception_forward(ffcl_inception *inception, ffcl_ctx *ctx,
                            const ffcl_inception_out *out, const ffcl_tensor *bytes, int rule,
                            const ffcl_tap *tap);

/* Writes weights made by a rule, as safetensors, for trying and for tests: numbers by them compare
 * with each other and with nothing else.  Tensor k of the network, element i and seed give
 * c = seed 2^48 + k 2^24 + i, splitmix64's output for c, and by its upper 24 bits v in [-1, 1):
 * convolutions v sqrt(6 / fan_in), bn.weight 1 + v/4, bn.running_var 1 + v/2, all others v/4. */
int ffcl_inception_generate(const char *path, unsigned seed, ffcl_error *err);

#endif
