/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/ops.h"

int ffcl_layernorm_modulate(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_modulation *mod,
                            size_t B, size_t T, size_t D, float eps, ffcl_store store)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "layernorm", "layernorm_mod", ffcl_store_option(store));
    if (rc)
        return rc;
    size_t local = ffcl_local_size(ctx, k, D >= 1024 ? 256 : D >= 256 ? 128 : 64);
    size_t global = B * T * local;
    return ffcl_launch(ctx, k, 1, &global, &local, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(mod->mem),
                       FFCL_I32(D), FFCL_I32(T), FFCL_I32(mod->ld), FFCL_I32(mod->shift_at),
                       FFCL_I32(mod->scale_at), FFCL_F32(eps), FFCL_LOCAL(local * sizeof(float)));
}
