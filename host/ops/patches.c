/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* Tokens of a work-group of cl/patches.cl. */
enum { TOKENS = 8 };

int ffcl_patch_embed(ffcl_ctx *ctx, cl_mem x, cl_mem z, const ffcl_patch_weights *w, int has_pos,
                     size_t B, size_t C, size_t R, size_t p, size_t D)
{
    const ffcl_kernel *k;
    const size_t M = B * (R / p) * (R / p);
    int rc = ffcl_kernel_get(ctx, &k, "patches", "patch_embed_f32", "");
    if (rc)
        return rc;
    size_t local[2] = {ffcl_local_size(ctx, k, 64), 1};
    size_t global[2] = {ffcl_round_up(D / 4, local[0]), ffcl_div_up(M, TOKENS)};
    ffcl_work(ctx, ffcl_patch_embed_cost(B, C, R, p, D, has_pos));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(x), FFCL_BUF(z), FFCL_BUF(w->weight),
                       FFCL_BUF(w->bias), FFCL_BUF(has_pos ? w->pos : w->bias), FFCL_I32(has_pos),
                       FFCL_I32(C), FFCL_I32(R), FFCL_I32(p), FFCL_I32(D), FFCL_I32(M));
}
