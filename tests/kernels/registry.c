/* SPDX-License-Identifier: MIT */
#include "registry.h"

#include <stdio.h>
#include <string.h>

const ffcl_op_test *const ffcl_op_tests[] = {
    &ffcl_test_layernorm_modulate,
    &ffcl_test_layernorm_modulate_group,
    &ffcl_test_attn_row,
    &ffcl_test_attn_tiled,
    &ffcl_test_attn_batched,
    &ffcl_test_softmax_in_place,
    &ffcl_test_embed_scalar,
    &ffcl_test_embed_label,
    &ffcl_test_add,
    &ffcl_test_silu,
    &ffcl_test_patchify,
    &ffcl_test_unpatchify,
    &ffcl_test_latent_update,
    &ffcl_test_latent_to_pixels,
    &ffcl_test_image_bytes_sit,
    &ffcl_test_image_bytes_repa,
    &ffcl_test_image_finite,
    &ffcl_test_groupnorm,
    &ffcl_test_groupnorm_silu,
    &ffcl_test_transpose,
    &ffcl_test_gemm,
    &ffcl_test_gemm_bias,
    &ffcl_test_gemm_silu,
    &ffcl_test_gemm_gelu,
    &ffcl_test_gemm_gate,
    &ffcl_test_gemm_add,
    &ffcl_test_gemm_gate_add,
    &ffcl_test_conv_columns,
    &ffcl_test_conv_point,
    &ffcl_test_conv_direct,
    &ffcl_test_conv_upsample,
    &ffcl_test_conv_winograd,
    &ffcl_test_conv_winograd_upsample,
    &ffcl_test_cast_to_half,
    &ffcl_test_cast_to_tiles,
    &ffcl_test_cast_to_float,
    &ffcl_test_layernorm_modulate_half,
    &ffcl_test_layernorm_modulate_group_half,
    &ffcl_test_groupnorm_half,
    &ffcl_test_groupnorm_silu_half,
    &ffcl_test_attn_row_half,
    &ffcl_test_softmax,
    &ffcl_test_transpose_half,
    &ffcl_test_product_bias,
    &ffcl_test_product_silu,
    &ffcl_test_product_gelu,
    &ffcl_test_product_add,
    &ffcl_test_product_float_bias,
    &ffcl_test_product_float_gate_add,
    &ffcl_test_product_float_gelu,
    &ffcl_test_conv_half_columns,
    &ffcl_test_conv_half_point,
    &ffcl_test_conv_half_narrow,
    &ffcl_test_conv_half_upsample,
    /* On AMD's and Intel's engines, emulated elsewhere. */
    &ffcl_test_wmma_gelu,
    &ffcl_test_wmma_add,
    &ffcl_test_wmma_float_gate_add,
    &ffcl_test_wmma_conv_columns,
    &ffcl_test_wmma_conv_narrow,
    &ffcl_test_wmma_conv_upsample,
    &ffcl_test_mfma_gelu,
    &ffcl_test_mfma_add,
    &ffcl_test_mfma_float_gate_add,
    &ffcl_test_mfma_conv_columns,
    &ffcl_test_mfma_conv_narrow,
    &ffcl_test_mfma_conv_upsample,
    &ffcl_test_dpas_eight_gelu,
    &ffcl_test_dpas_eight_add,
    &ffcl_test_dpas_eight_float_gate_add,
    &ffcl_test_dpas_eight_conv_columns,
    &ffcl_test_dpas_eight_conv_narrow,
    &ffcl_test_dpas_eight_conv_upsample,
    &ffcl_test_dpas_sixteen_gelu,
    &ffcl_test_dpas_sixteen_add,
    &ffcl_test_dpas_sixteen_float_gate_add,
    &ffcl_test_dpas_sixteen_conv_columns,
    &ffcl_test_dpas_sixteen_conv_narrow,
    &ffcl_test_dpas_sixteen_conv_upsample,
    /* Last, as a kernel that faults may take the device's context with it. */
    &ffcl_test_mma_bias,
    &ffcl_test_mma_silu,
    &ffcl_test_mma_gelu,
    &ffcl_test_mma_add,
    &ffcl_test_mma_float_bias,
    &ffcl_test_mma_float_gate_add,
    &ffcl_test_mma_float_gelu,
    &ffcl_test_mma_conv_columns,
    &ffcl_test_mma_conv_point,
    &ffcl_test_mma_conv_narrow,
    &ffcl_test_mma_conv_upsample,
    &ffcl_test_mma_attention,
    &ffcl_test_wgmma_bias,
    &ffcl_test_wgmma_gelu,
    &ffcl_test_wgmma_add,
    &ffcl_test_wgmma_float_gate_add,
    &ffcl_test_wgmma_conv_columns,
    &ffcl_test_wgmma_conv_narrow,
    &ffcl_test_wgmma_conv_upsample,
    &ffcl_test_wgmma_attention,
    &ffcl_test_wgmma_attention_products,
    &ffcl_test_halo_conv,
    &ffcl_test_halo_conv_upsample,
    &ffcl_test_halo_conv_moments,
    &ffcl_test_halo_conv_upsample_moments,
    NULL,
};

void ffcl_shape_text(const ffcl_op_test *op, const ffcl_shape *shape, char *text, size_t size)
{
    const char *p = op->letters;
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; *p && i < FFCL_MAX_DIMS && used < size; i++) {
        size_t length = strcspn(p, " ");
        int n = snprintf(text + used, size - used, "%s%.*s=%zu", i ? " " : "", (int)length, p,
                         shape->d[i]);
        used += (size_t)n;
        p += length + (p[length] == ' ');
    }
}

const char *ffcl_fill_name(ffcl_fill fill)
{
    static const char *const names[FFCL_N_FILLS] = {"noise", "zeros", "large", "offset",
                                                    "constant"};
    return names[fill];
}
