/* SPDX-License-Identifier: MIT
 * The sizes of SiT-XL/2 and of the Stable Diffusion decoder, for benchmarks: the one table. */
#ifndef FFCL_TESTS_KERNELS_MODELS_H
#define FFCL_TESTS_KERNELS_MODELS_H

#include "case.h"

enum {
    FFCL_XL_WIDTH = 1152, FFCL_XL_HEADS = 16, FFCL_XL_MLP = 4608, FFCL_XL_BLOCKS = 28,
    FFCL_XL_CLASSES = 1001, FFCL_XL_PATCH = 2, FFCL_XL_CHANNELS = 4,
    FFCL_VAE_MID = 512, FFCL_VAE_GROUPS = 32
};

/* B images whose latents have R x R pixels. */
typedef struct ffcl_images_of {
    size_t B, R;
} ffcl_images_of;

static inline size_t ffcl_xl_tokens(const ffcl_images_of *of)
{
    return of->R / FFCL_XL_PATCH * (of->R / FFCL_XL_PATCH);
}

/* What a model has a row for, and its shape there. */
typedef struct ffcl_use {
    const char *role;
    ffcl_shape shape;
} ffcl_use;

enum { FFCL_USES_MOST = 16 };

/* What follows a GEMM. */
enum { FFCL_BIAS = 1, FFCL_SILU = 2, FFCL_GELU = 4, FFCL_GATE = 8, FFCL_ADD = 16 };

/* A GEMM of both models; `float_out`: its result is float32 where the operands are half, too.  In a
 * precision that is not named another operation's row has it. */
typedef struct ffcl_model_gemm {
    const char *role;
    /* Rows of an image, in quarters of a latent's pixels (SiT has a token for each); 0: one row an
     * image, -1: one row for all. */
    int quarters;
    size_t N, K;
    int after, float_out;
    enum { FFCL_IN_BOTH, FFCL_IN_FLOAT, FFCL_IN_HALF } precision;
} ffcl_model_gemm;

/* A 3 x 3 convolution at `scale` times the latent's side; add: with the residual, as the second of
 * a block has it; upsample: after a nearest 2x upsample. */
typedef struct ffcl_model_conv {
    const char *role;
    size_t scale, in, out, add, upsample;
} ffcl_model_conv;

/* A group norm with SiLU. */
typedef struct ffcl_model_norm {
    const char *role;
    size_t scale, channels;
} ffcl_model_norm;

/* All of them; each ends with a role NULL. */
extern const ffcl_model_gemm ffcl_model_gemms[];
extern const ffcl_model_conv ffcl_model_convs[];
extern const ffcl_model_norm ffcl_model_norms[];

/* M of a GEMM. */
size_t ffcl_model_rows(const ffcl_model_gemm *gemm, const ffcl_images_of *of);

#endif
