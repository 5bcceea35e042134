/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* Tokens of a work-group of cl/patches.cl, of a work-item of cl/patches_row.cl, and its columns. */
enum { TOKENS = 8, TOKENS_OF_ITEM = 4, WIDE = 16 };

void ffcl_patch_embed(ffcl_ctx *ctx, const ffcl_tensor *x, const ffcl_tensor *z,
                      const ffcl_tensor *w, const ffcl_tensor *bias, const ffcl_tensor *pos,
                      size_t p)
{
    const size_t M = x->batch * x->rows, D = x->cols;
    const int by_rows = ffcl_is_cpu(ctx) && D % WIDE == 0;
    const ffcl_kernel *k = by_rows
        ? ffcl_kernel_get(ctx, "patches_row", "patch_embed_row", "-DVW=16")
        : ffcl_kernel_get(ctx, "patches", "patch_embed_f32", "");
    size_t local[2] = {ffcl_local_size(ctx, k, 64), 1};
    size_t global[2] = {ffcl_round_up(D / 4, local[0]), ffcl_div_up(M, TOKENS)};
    if (by_rows) {
        local[0] = ffcl_local_size(ctx, k, 8);
        global[0] = ffcl_round_up(ffcl_div_up(M, TOKENS_OF_ITEM), local[0]);
        global[1] = 1;
    }
    ffcl_work(ctx, ffcl_patch_embed_cost(x, z, pos, p));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(x), FFCL_DENSE(z), FFCL_DENSE(w),
                FFCL_DENSE(bias), FFCL_BUF(pos ? pos : bias), FFCL_INT(pos != NULL),
                FFCL_INT(z->rows), FFCL_INT(z->width), FFCL_INT(p), FFCL_INT(D), FFCL_INT(M));
}
