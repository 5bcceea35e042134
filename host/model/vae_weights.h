/* SPDX-License-Identifier: MIT
 * The tensors of an AutoencoderKL decoder: names, shapes, where each goes. */
#ifndef FFCL_MODEL_VAE_WEIGHTS_H
#define FFCL_MODEL_VAE_WEIGHTS_H

#include "model/vae.h"

typedef struct ffcl_vae_norm {
    ffcl_tensor gamma, beta;            /* (1, C) */
} ffcl_vae_norm;

typedef struct ffcl_vae_resnet {
    ffcl_vae_norm norm1, norm2;
    ffcl_conv_weight conv1, conv2, shortcut;    /* shortcut.out is 0 where widths are equal */
} ffcl_vae_resnet;

/* One head over all pixels. */
typedef struct ffcl_vae_attention {
    ffcl_vae_norm norm;
    ffcl_linear qkv, proj;              /* (C, 3*C), (C, C); qkv.w.cols is 0 where there is none */
} ffcl_vae_attention;

typedef struct ffcl_vae_level {
    ffcl_vae_resnet *resnets;           /* (layers) */
    ffcl_vae_attention *attentions;     /* (layers) after each of them */
    ffcl_conv_weight upsample;          /* out is 0 on the last level */
} ffcl_vae_level;

struct ffcl_vae {
    ffcl_vae_dims d;
    ffcl_weights weights;
    ffcl_conv_weight post_quant;        /* out is 0 where the model has none */
    ffcl_conv_weight conv_in, conv_out;
    ffcl_vae_resnet mid[2];
    int is_attentive;                   /* whether the middle block has attention */
    ffcl_vae_attention attention;
    ffcl_vae_norm norm_out;
    int is_ldm;                         /* the file has the names of latent-diffusion */
    ffcl_vae_level *up;                 /* (levels), the deepest first */
    ffcl_dtype dtype;                   /* of images between conv_in and conv_out, and weights */
    ffcl_layout layout;                 /* of float32 matrices */
};

/* Groups of every group norm where no config.json gives them. */
enum { FFCL_VAE_USUAL_GROUPS = 32 };

/* Fills vae->d from the tensors and the configuration text (NULL: defaults). */
int ffcl_vae_derive(ffcl_vae *vae, const ffcl_vae_options *options, const char *config_path,
                    const char *config_text, ffcl_error *err);

/* Fills vae->weights.rows as they lie on ctx's device; NULL: no device is known yet, and only names
 * and shapes in the file are to be checked. */
int ffcl_vae_table(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err);

/* The new diffusers name of a tensor, or NULL for one that decoding does not use.  user is the
 * number of levels (size_t), needed to turn LDM's order of up blocks around. */
int ffcl_vae_rename(char **out, const char *name, void *user);

#endif
