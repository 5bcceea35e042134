/* SPDX-License-Identifier: MIT */
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

int ffcl_transpose(ffcl_ctx *ctx, cl_mem out, size_t out_at, size_t out_ld, cl_mem in, size_t rows,
                   size_t cols)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "transpose", "transpose_f32", "");
    if (rc)
        return rc;
    size_t local[2] = {32, 8};
    size_t global[2] = {ffcl_round_up(cols, 32), ffcl_div_up(rows, 32) * 8};
    ffcl_work(ctx, ffcl_transpose_cost(rows * cols, FFCL_STORE_FLOAT));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(out), FFCL_BUF(in), FFCL_I32(rows),
                       FFCL_I32(cols), FFCL_I32(out_ld), FFCL_I32(out_at));
}

int ffcl_transpose_half(ffcl_ctx *ctx, cl_mem out, cl_mem in, size_t B, size_t rows, size_t cols,
                        size_t in_at, size_t in_ld)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "transpose", "transpose_f16", "");
    if (rc)
        return rc;
    size_t local[3] = {32, 8, 1};
    size_t global[3] = {ffcl_round_up(cols, 32), ffcl_div_up(rows, 32) * 8, B};
    ffcl_work(ctx, ffcl_transpose_cost(B * rows * cols, FFCL_STORE_HALF));
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(in), FFCL_I32(rows),
                       FFCL_I32(cols), FFCL_I32(in_ld), FFCL_I32(in_at));
}
