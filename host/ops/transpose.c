/* SPDX-License-Identifier: MIT */
#include <assert.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

static void of_floats(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    char option[16];
    size_t local[2] = {32, ffcl_tile_lines(ctx, option)};
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "transpose", "transpose_f32", option);
    size_t global[2] = {ffcl_round_up(x->cols, 32), ffcl_div_up(x->rows, 32) * local[1]};
    assert(x->batch == 1 && x->at == 0 && x->ld == x->cols);
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(out), FFCL_BUF(x), FFCL_INT(x->rows),
                FFCL_INT(x->cols), FFCL_INT(out->ld), FFCL_INT(out->at));
}

static void of_halves(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    char option[16];
    size_t local[3] = {32, ffcl_tile_lines(ctx, option), 1};
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "transpose", "transpose_f16", option);
    size_t global[3] = {ffcl_round_up(x->cols, 32), ffcl_div_up(x->rows, 32) * local[1],
                        x->batch};
    assert(out->at == 0 && out->ld == x->rows);
    ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(x), FFCL_INT(x->rows),
                FFCL_INT(x->cols), FFCL_INT(x->ld), FFCL_INT(x->at));
}

void ffcl_transpose(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *x)
{
    ffcl_work(ctx, ffcl_transpose_cost(ffcl_count(x), x->dtype));
    if (x->dtype == FFCL_F16)
        of_halves(ctx, out, x);
    else
        of_floats(ctx, out, x);
}
