/* SPDX-License-Identifier: MIT */
#include "models.h"

enum { D = FFCL_XL_WIDTH, MLP = FFCL_XL_MLP, MID = FFCL_VAE_MID };

const ffcl_model_gemm ffcl_model_gemms[] = {
    {"embedder 1", -1, D, 256, FFCL_BIAS | FFCL_SILU, 1, FFCL_IN_FLOAT},
    {"embedder 2", -1, D, D, 0, 1, FFCL_IN_FLOAT},
    {"modulations", 0, (FFCL_XL_BLOCKS * 6 + 2) * D, D, FFCL_BIAS, 1, FFCL_IN_BOTH},
    {"qkv", 1, 3 * D, D, FFCL_BIAS, 0, FFCL_IN_BOTH},
    {"proj", 1, D, D, FFCL_BIAS | FFCL_GATE | FFCL_ADD, 1, FFCL_IN_BOTH},
    {"fc1", 1, MLP, D, FFCL_BIAS | FFCL_GELU, 0, FFCL_IN_BOTH},
    {"fc2", 1, D, MLP, FFCL_BIAS | FFCL_GATE | FFCL_ADD, 1, FFCL_IN_BOTH},
    /* float32 ones are convolutions of 1 x 1: conv_point. */
    {"shortcut up2", 4 * 16, 256, MID, FFCL_BIAS, 0, FFCL_IN_HALF},
    {"shortcut up3", 4 * 64, 128, 256, FFCL_BIAS, 0, FFCL_IN_HALF},
    {"VAE qkv", 4, 3 * MID, MID, FFCL_BIAS, 0, FFCL_IN_BOTH},
    {"VAE proj", 4, MID, MID, FFCL_BIAS | FFCL_ADD, 0, FFCL_IN_BOTH},
    {NULL, 0, 0, 0, 0, 0, FFCL_IN_BOTH},
};

const ffcl_model_conv ffcl_model_convs[] = {
    {"conv mid", 1, MID, MID, 1, 0},    {"upsample 1", 1, MID, MID, 0, 1},
    {"conv up1", 2, MID, MID, 1, 0},    {"upsample 2", 2, MID, MID, 0, 1},
    {"conv up2 in", 4, MID, 256, 0, 0}, {"conv up2", 4, 256, 256, 1, 0},
    {"upsample 3", 4, 256, 256, 0, 1},  {"conv up3 in", 8, 256, 128, 0, 0},
    {"conv up3", 8, 128, 128, 1, 0},    {NULL, 0, 0, 0, 0, 0},
};

const ffcl_model_norm ffcl_model_norms[] = {
    {"norm mid", 1, MID}, {"norm up1", 2, MID}, {"norm up2 in", 4, MID}, {"norm up2", 4, 256},
    {"norm up3 in", 8, 256}, {"norm up3", 8, 128}, {NULL, 0, 0},
};

size_t ffcl_model_rows(const ffcl_model_gemm *gemm, const ffcl_images_of *of)
{
    if (gemm->quarters < 0)
        return 1;
    return of->B * (gemm->quarters ? (size_t)gemm->quarters * of->R * of->R / 4 : 1);
}
