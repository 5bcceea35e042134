/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* Tokens of a work-group of cl/patches.cl. */
enum { TOKENS = 8 };

void ffcl_patch_embed(ffcl_ctx *ctx, const ffcl_tensor *x, const ffcl_tensor *z,
                      const ffcl_tensor *w, const ffcl_tensor *bias, const ffcl_tensor *pos,
                      size_t p)
{
    const size_t M = x->batch * x->rows, D = x->cols;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "patches", "patch_embed_f32", "");
    size_t local[2] = {ffcl_local_size(ctx, k, 64), 1};
    size_t global[2] = {ffcl_round_up(D / 4, local[0]), ffcl_div_up(M, TOKENS)};
    ffcl_work(ctx, ffcl_patch_embed_cost(x, z, pos, p));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(x), FFCL_DENSE(z), FFCL_DENSE(w),
                FFCL_DENSE(bias), FFCL_BUF(pos ? pos : bias), FFCL_INT(pos != NULL),
                FFCL_INT(z->rows), FFCL_INT(z->width), FFCL_INT(p), FFCL_INT(D), FFCL_INT(M));
}
