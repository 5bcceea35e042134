/* SPDX-License-Identifier: MIT
 * What a decoder is made of: kinds, and the tensors of an AutoencoderKL: names, shapes, where each
 * goes. */
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

/* Three convolutions with a shortcut: relu(conv3(relu(conv2(relu(conv1(x))))) + skip(x)). */
typedef struct ffcl_tiny_block {
    ffcl_conv_weight conv[3], skip;     /* skip.out is 0 where widths are equal */
} ffcl_tiny_block;

typedef struct ffcl_tiny_stage {
    size_t n;
    ffcl_tiny_block *blocks;            /* (n) */
    ffcl_conv_weight upsample;          /* without bias; out is 0 on the last stage */
} ffcl_tiny_stage;

/* A kind of decoder, by its tensors' names. */
typedef struct ffcl_vae_kind {
    const char *name;           /* the _class_name of its config.json */
    const char *activations[3]; /* act_fn there, NULL ends them */
    ffcl_rename *rename;        /* user: the number of LDM's levels (size_t) */
    /* Fills vae->d from the tensors and the configuration text (NULL: defaults). */
    int (*derive)(ffcl_vae *vae, const ffcl_vae_options *options, const char *config_path,
                  const char *config_text, ffcl_error *err);
    /* Fills vae->weights.rows as they lie on ctx's device; NULL: no device is known yet, and only
     * names and shapes in the file are to be checked. */
    int (*table)(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err);
    size_t (*largest_activation)(const ffcl_vae *vae, size_t R);
    void (*decode)(const ffcl_vae *vae, ffcl_ctx *ctx, const ffcl_tensor *out,
                   const ffcl_tensor *latent, float factor, const ffcl_tap *tap);
} ffcl_vae_kind;

/* AutoencoderTiny of diffusers, TAESD's decoder. */
extern const ffcl_vae_kind ffcl_vae_tiny;
/* Is it the name of a tensor of one's blocks? */
int ffcl_vae_is_tiny(const char *name);
int ffcl_vae_tiny_rename(char **out, const char *name, void *user);
int ffcl_vae_tiny_derive(ffcl_vae *vae, const ffcl_vae_options *options, const char *config_path,
                         const char *config_text, ffcl_error *err);
int ffcl_vae_tiny_table(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err);

struct ffcl_vae {
    const ffcl_vae_kind *kind;
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
    ffcl_tiny_stage *stages;            /* (levels) of a tiny decoder, from the latent on */
    ffcl_dtype dtype;                   /* of images between conv_in and conv_out, and weights */
    ffcl_layout layout;                 /* of float32 matrices */
};

/* Groups of every group norm where no config.json gives them. */
enum { FFCL_VAE_USUAL_GROUPS = 32 };

/* Those of AutoencoderKL, see ffcl_vae_kind. */
int ffcl_vae_derive(ffcl_vae *vae, const ffcl_vae_options *options, const char *config_path,
                    const char *config_text, ffcl_error *err);

int ffcl_vae_table(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_error *err);

/* The new diffusers name of a tensor, or NULL for one that decoding does not use.  The number of
 * levels is needed to turn LDM's order of up blocks around. */
int ffcl_vae_rename(char **out, const char *name, void *user);

/* A convolution of these sizes. */
ffcl_conv_weight ffcl_vae_conv(size_t out, size_t in, size_t side);
/* Rows of a convolution whose sizes are known.  of_latents: those, and the convolutions that read
 * them, stay float32. */
enum { FFCL_VAE_OF_LATENTS = 1, FFCL_VAE_NO_BIAS = 2 };
void ffcl_vae_add_conv(ffcl_vae *vae, const ffcl_ctx *ctx, ffcl_conv_weight *conv, int flags,
                       const char *name);
/* Calls the tap with an image that may be half. */
void ffcl_vae_see(const ffcl_vae *vae, const ffcl_tap *tap, ffcl_ctx *ctx, const ffcl_tensor *x,
                  const char *name);

#endif
