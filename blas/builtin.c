/* SPDX-License-Identifier: MIT
 * The built-in float32 GEMM (cl/gemm.cl), used where CLBlast fails its self-check: right on any
 * OpenCL 1.2 device, but slow. */
#include <stdio.h>

#include "backend.h"
#include "util.h"

/* Bytes of local memory that gemm_f32_tiled takes. */
static size_t tile_bytes(size_t side)
{
    return 2 * 16 * (4 * side + 1) * sizeof(float);
}

static int tiles_fit(const ffcl_ctx *ctx, size_t side)
{
    return ctx->device.caps.max_work_group >= side * side &&
           ctx->device.caps.local_bytes >= tile_bytes(side);
}

size_t ffcl_builtin_side(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    /* The two kernels may round differently, so with batch_invariant one row takes the same one. */
    if (ffcl_matmul_rows(p) <= 2 && !ctx->batch_invariant)
        return 0;
    return tiles_fit(ctx, 16) ? 16 : tiles_fit(ctx, 8) ? 8 : 0;
}

void ffcl_builtin_gemm(ffcl_ctx *ctx, const ffcl_matmul *p, size_t side)
{
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols;
    char options[64];
    snprintf(options, sizeof options, "-DKMAJOR=%d -DSIDE=%zu%s", p->a.layout == FFCL_COLUMNS,
             side ? side : 16, p->w.layout == FFCL_COLUMNS ? " -DNMAJOR=1" : "");
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "gemm", side ? "gemm_f32_tiled" : "gemm_f32",
                                           options);
    size_t local[2] = {side, side}, global[2];
    if (side) {
        global[0] = ffcl_div_up(N, 4 * side) * side;
        global[1] = ffcl_div_up(M, 4 * side) * side;
    } else {
        local[0] = ffcl_local_size(ctx, k, 64);
        local[1] = 1;
        global[0] = ffcl_round_up(N, local[0]);
        global[1] = M;
    }
    ffcl_gemm_work(ctx, p, ffcl_gemm_cost(p));
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(&p->out), FFCL_INT(p->out.at),
                FFCL_INT(p->out.ld), FFCL_BUF(&p->a), FFCL_INT(p->a.at), FFCL_INT(p->a.ld),
                FFCL_BUF(&p->w), FFCL_INT(p->w.at), FFCL_INT(p->w.ld), FFCL_EPILOGUE(p),
                FFCL_INT(M), FFCL_INT(N), FFCL_INT(p->w.rows));
}

static int builtin_open(ffcl_ctx *ctx, const ffcl_blas_options *options)
{
    (void)ctx, (void)options;
    return 0;
}

static void builtin_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    ffcl_builtin_gemm(ctx, p, ffcl_builtin_side(ctx, p));
}

static void builtin_close(ffcl_ctx *ctx)
{
    (void)ctx;
}

const ffcl_backend ffcl_backend_builtin = {.name = "builtin", .open = builtin_open,
                                           .close = builtin_close, .gemm = builtin_gemm};
