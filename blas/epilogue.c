/* SPDX-License-Identifier: MIT
 * The epilogue as a kernel of its own, after a GEMM by a library. */
#include <stdio.h>

#include "backend.h"
#include "util.h"

int ffcl_epilogue_flags(const ffcl_matmul *p)
{
    return (p->bias ? 1 : 0) | (p->gate ? 2 : 0) | (p->add ? 4 : 0);
}

void ffcl_gemm_work(ffcl_ctx *ctx, const ffcl_matmul *p, ffcl_cost cost)
{
    const size_t batch = ffcl_matmul_batch(p), m = ffcl_matmul_rows(p);
    if (batch)
        ffcl_work_shape(ctx, cost, "%zux%zux%zux%zu", batch, m, p->w.cols, p->w.rows);
    else
        ffcl_work_shape(ctx, cost, "%zux%zux%zu", m, p->w.cols, p->w.rows);
}

void ffcl_epilogue_run(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    if (!ffcl_epilogue_flags(p) && p->act == FFCL_ACT_NONE)
        return;
    const int by_rows = ffcl_is_cpu(ctx) && N % 4 == 0;
    const ffcl_arg args[] = {FFCL_BUF(&p->out), FFCL_INT(p->out.at), FFCL_INT(p->out.ld),
                             FFCL_EPILOGUE(p), FFCL_INT(M), FFCL_INT(N), FFCL_INT(FFCL_ROW_PART)};
    const size_t n_args = sizeof args / sizeof *args;
    char options[16] = "";
    if (by_rows)
        snprintf(options, sizeof options, "-DVW=%d", N % 16 ? 4 : 16);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "epilogue", by_rows ? "epilogue_row_f32"
                                                                    : "epilogue_f32", options);
    ffcl_cost cost = ffcl_after_cost(p);
    cost.bytes += 8.0 * (double)M * (double)N;
    ffcl_work(ctx, cost);
    if (by_rows) {
        size_t local[2] = {ffcl_local_size(ctx, k, 8), 1};
        size_t global[2] = {ffcl_round_up(M, local[0]), ffcl_div_up(N, FFCL_ROW_PART)};
        ffcl_launch_args(ctx, k, 2, global, local, args, n_args);
        return;
    }
    size_t total = ffcl_local_size(ctx, k, 256);
    size_t local[2] = {ffcl_min(64, total), ffcl_max(total / 64, 1)};
    size_t global[2] = {ffcl_round_up(N, local[0]), ffcl_round_up(ffcl_div_up(M, 8), local[1])};
    ffcl_launch_args(ctx, k, 2, global, local, args, n_args - 1);
}
