/* SPDX-License-Identifier: MIT
 * The kernel test registry: one row per kernel variant, used by the tests and by the benchmark. */
#ifndef FFCL_TESTS_KERNELS_REGISTRY_H
#define FFCL_TESTS_KERNELS_REGISTRY_H

#include "case.h"
#include "cl/profile.h"

typedef struct ffcl_op_test {
    const char *name;
    const char *letters;            /* "B T D": the dimensions; B, where there is one, first */
    int variant;                    /* for rows that share functions */
    unsigned fills;                 /* mask of 1 << ffcl_fill */
    const ffcl_shape *model;        /* the model's shapes, for few pictures */
    const ffcl_shape *awkward;      /* sizes that are no multiple of anything */
    int (*setup)(ffcl_case *c);     /* tensors and data from the case's random numbers */
    void (*ref)(ffcl_case *c);      /* fills c->want */
    /* Element index of the output alone, for cases that are too large for ref; or NULL. */
    double (*at)(const ffcl_case *c, size_t index);
    int (*run)(ffcl_case *c);       /* calls the host wrapper as shipped */
    /* Why this device cannot run the case, or NULL; the member is NULL where every device can. */
    const char *(*skip)(const ffcl_case *c);
    float rtol, atol;               /* |got - want| <= atol * c->scale + rtol * |want| */
    ffcl_cost (*cost)(const ffcl_case *c);      /* by host/ops/cost.h or ffcl_gemm_cost */
} ffcl_op_test;

enum {
    FFCL_NOISE = 1u << FFCL_FILL_NOISE,
    FFCL_ZEROS = 1u << FFCL_FILL_ZEROS,
    FFCL_LARGE = 1u << FFCL_FILL_LARGE,
    FFCL_OFFSET = 1u << FFCL_FILL_OFFSET,
    FFCL_CONSTANT = 1u << FFCL_FILL_CONSTANT
};

/* All rows; ends with NULL. */
extern const ffcl_op_test *const ffcl_op_tests[];

/* Text of a shape in its row's letters, "B=2 T=256 D=1152", into text. */
void ffcl_case_shape_text(const ffcl_op_test *op, const ffcl_shape *shape, char *text, size_t size);

/* "noise" and so on. */
const char *ffcl_fill_name(ffcl_fill fill);

extern const ffcl_op_test ffcl_test_layernorm_modulate, ffcl_test_layernorm_residual,
    ffcl_test_layernorm_residual_stream, ffcl_test_layernorm_modulate_group,
    ffcl_test_attn_row, ffcl_test_attn_tiled, ffcl_test_attn_batched, ffcl_test_softmax_in_place,
    ffcl_test_embed_scalar, ffcl_test_embed_condition,
    ffcl_test_patch_embed, ffcl_test_patch_embed_pos, ffcl_test_slim_unpatch,
    ffcl_test_slim_unpatch_many, ffcl_test_latent_update,
    ffcl_test_latent_conv, ffcl_test_latent_conv_point, ffcl_test_image_bytes_sit,
    ffcl_test_image_bytes_repa,
    ffcl_test_image_finite, ffcl_test_latent_finite, ffcl_test_groupnorm, ffcl_test_groupnorm_silu,
    ffcl_test_groupnorm_moments, ffcl_test_groupnorm_group, ffcl_test_groupnorm_moments_group,
    ffcl_test_transpose,
    ffcl_test_ceiling_copy, ffcl_test_ceiling_fma,
    ffcl_test_gemm, ffcl_test_gemm_bias, ffcl_test_gemm_silu, ffcl_test_gemm_gelu,
    ffcl_test_gemm_gate, ffcl_test_gemm_add, ffcl_test_gemm_gate_add, ffcl_test_slim,
    ffcl_test_slim_silu, ffcl_test_slim_gelu, ffcl_test_slim_gate_add, ffcl_test_conv_columns,
    ffcl_test_conv_point, ffcl_test_conv_direct, ffcl_test_conv_upsample, ffcl_test_builtin_plain,
    ffcl_test_builtin_plain_silu, ffcl_test_builtin_tiles_8, ffcl_test_builtin_tiles_16,
    ffcl_test_builtin_tiles_16_gelu, ffcl_test_builtin_tiles_16_bare, ffcl_test_conv_winograd,
    ffcl_test_conv_winograd_upsample;

/* Of tensors stored as half. */
extern const ffcl_op_test ffcl_test_cast_to_half, ffcl_test_cast_to_float,
    ffcl_test_layernorm_modulate_half, ffcl_test_layernorm_residual_half,
    ffcl_test_layernorm_modulate_group_half,
    ffcl_test_groupnorm_half, ffcl_test_groupnorm_silu_half, ffcl_test_groupnorm_moments_half,
    ffcl_test_groupnorm_silu_group_half, ffcl_test_groupnorm_moments_group_half,
    ffcl_test_attn_row_half, ffcl_test_product_bias, ffcl_test_product_silu,
    ffcl_test_product_gelu, ffcl_test_product_add, ffcl_test_product_float_bias,
    ffcl_test_product_float_gate_add, ffcl_test_product_float_gelu, ffcl_test_conv_half_columns,
    ffcl_test_conv_half_point, ffcl_test_conv_half_narrow, ffcl_test_conv_half_upsample,
    ffcl_test_latent_conv_point_half, ffcl_test_embed_condition_half,
    ffcl_test_softmax, ffcl_test_cast_to_tiles,
    ffcl_test_transpose_half;

/* On the matrix engine. */
extern const ffcl_op_test ffcl_test_mma_bias, ffcl_test_mma_silu, ffcl_test_mma_gelu,
    ffcl_test_mma_add, ffcl_test_mma_float_bias, ffcl_test_mma_float_gate_add,
    ffcl_test_mma_float_gelu, ffcl_test_mma_conv_columns, ffcl_test_mma_conv_point,
    ffcl_test_mma_conv_narrow, ffcl_test_mma_conv_upsample, ffcl_test_mma_attention,
    ffcl_test_wgmma_attention, ffcl_test_wgmma_attention_products,
    ffcl_test_wgmma_bias, ffcl_test_wgmma_float_bias, ffcl_test_wgmma_gelu, ffcl_test_wgmma_add,
    ffcl_test_wgmma_float_gate_add, ffcl_test_wgmma_conv_columns, ffcl_test_wgmma_conv_narrow,
    ffcl_test_wgmma_conv_upsample, ffcl_test_halo_conv, ffcl_test_halo_conv_upsample,
    ffcl_test_halo_conv_moments, ffcl_test_halo_conv_upsample_moments,
    ffcl_test_halo_conv_wide, ffcl_test_halo_conv_upsample_wide, ffcl_test_halo_conv_moments_wide,
    ffcl_test_halo_conv_upsample_moments_wide;

/* On AMD's and Intel's, emulated elsewhere. */
extern const ffcl_op_test ffcl_test_wmma_gelu, ffcl_test_wmma_add, ffcl_test_wmma_float_gate_add,
    ffcl_test_wmma_conv_columns, ffcl_test_wmma_conv_narrow, ffcl_test_wmma_conv_upsample,
    ffcl_test_mfma_gelu, ffcl_test_mfma_add, ffcl_test_mfma_float_gate_add,
    ffcl_test_mfma_conv_columns, ffcl_test_mfma_conv_narrow, ffcl_test_mfma_conv_upsample,
    ffcl_test_dpas_eight_gelu, ffcl_test_dpas_eight_add, ffcl_test_dpas_eight_float_gate_add,
    ffcl_test_dpas_eight_conv_columns, ffcl_test_dpas_eight_conv_narrow,
    ffcl_test_dpas_eight_conv_upsample, ffcl_test_dpas_sixteen_gelu, ffcl_test_dpas_sixteen_add,
    ffcl_test_dpas_sixteen_float_gate_add, ffcl_test_dpas_sixteen_conv_columns,
    ffcl_test_dpas_sixteen_conv_narrow, ffcl_test_dpas_sixteen_conv_upsample;

#endif
