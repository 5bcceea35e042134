/* SPDX-License-Identifier: MIT
 * The decoder of AutoencoderKL (diffusers; the Stable Diffusion VAE), or of AutoencoderTiny
 * (TAESD), whichever the tensors' names say: latent to image. */
#ifndef FFCL_MODEL_VAE_H
#define FFCL_MODEL_VAE_H

#include "model/tap.h"
#include "model/weights.h"

/* The architecture, read off the tensors' shapes and config.json. */
typedef struct ffcl_vae_dims {
    size_t zc, out;             /* latent and image channels */
    size_t levels, layers;      /* up blocks; resnets in each, 0 where they differ */
    size_t groups;              /* of every group norm; 0: there is none */
    size_t mid;                 /* channels of the middle block */
    size_t upscale;             /* image side / latent side: 2^(levels - 1) */
    int is_tiny;                /* TAESD's kind: it reads latents as the generator makes them */
    int has_config;             /* else groups were assumed */
    char unknown[200];          /* keys of config.json that nobody here knows, "a, b"; "": none */
    int has_norm;               /* the file has a batch norm of latents, too (REPA-E) */
    double scaling, shift;      /* config.json's scaling_factor, 0: none; shift_factor */
    float *mean, *std;          /* (zc) its latents_mean and latents_std; NULL: none */
} ffcl_vae_dims;

typedef struct ffcl_vae ffcl_vae;

/* How a VAE's file is read: see ffcl_tensor_file_open_as.  Groups of the group norms: those given,
 * else config.json's, else the hint, else 32; 0: not known. */
typedef struct ffcl_vae_options {
    const char *wrapper;
    size_t groups, groups_hint;
} ffcl_vae_options;

/* Reads the directory of the weights at path and config.json beside them (or NAME.config.json for
 * NAME.safetensors), derives and checks the architecture.  Old and new attention names and the
 * original LDM names, with attention beside any ResNet of the up blocks, are known; the encoder and
 * all else is ignored.  No device is needed. */
int ffcl_vae_open(ffcl_vae **out, const char *path, const ffcl_vae_options *options,
                  ffcl_error *err);
void ffcl_vae_close(ffcl_vae **vae);

/* config.json of the weights at path: NAME.config.json, else config.json in the same folder; *text
 * is NULL where neither name is there; both are the caller's to free.  One that is there and cannot
 * be read is a failure: without it the images would be others.  FFCL_EFILE, FFCL_EFORMAT. */
int ffcl_vae_find_config(const char *path, char **config, char **text, ffcl_error *err);

const ffcl_vae_dims *ffcl_vae_dims_of(const ffcl_vae *vae);
const ffcl_tensor_file *ffcl_vae_file(const ffcl_vae *vae);

/* Which tensors it has, see ffcl_weights_describe. */
void ffcl_vae_describe(const ffcl_vae *vae, char *text, size_t size);
/* Chooses how images between conv_in and conv_out, and the weights, are stored, float32 or half;
 * before load and decode.  Norm statistics and softmax stay float32. */
int ffcl_vae_prepare(ffcl_vae *vae, ffcl_ctx *ctx, ffcl_dtype dtype);
size_t ffcl_vae_bytes(const ffcl_vae *vae);
int ffcl_vae_load(ffcl_vae *vae, ffcl_ctx *ctx, uint64_t *done, uint64_t total);

/* Bytes of the largest buffer of weights. */
size_t ffcl_vae_largest_bytes(const ffcl_vae *vae);
/* Of those, bytes that are used where they lie in the file; after ffcl_vae_prepare. */
size_t ffcl_vae_mapped_bytes(const ffcl_vae *vae, const ffcl_ctx *ctx);

/* Elements of the largest activation of one image of latent side R. */
size_t ffcl_vae_largest_activation(const ffcl_vae *vae, size_t R);

/* out (B, P, 3), an image of side R * upscale, from latent (B, zc, R*R), by channels, of width R,
 * multiplied with factor (1 / scale).  tap may be NULL. */
void ffcl_vae_decode(ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *out,
                     const ffcl_tensor *latent, float factor, const ffcl_tap *tap);

#endif
