/* SPDX-License-Identifier: MIT
 * ffcl's own float32 products behind gemm.h (cl/gemm.cl): what is left where CLBlast fails its
 * check.  They are right on any OpenCL 1.2 device; nobody should choose them for speed. */
#include <stdio.h>

#include "backend.h"
#include "cl/launch.h"
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

size_t ffcl_builtin_side(const ffcl_ctx *ctx, const ffcl_product *p)
{
    /* The two kernels may round otherwise, so not even one row is an exception in a set. */
    if (p->m <= 2 && !ctx->any_batch)
        return 0;
    return tiles_fit(ctx, 16) ? 16 : tiles_fit(ctx, 8) ? 8 : 0;
}

int ffcl_builtin_gemm(ffcl_ctx *ctx, const ffcl_product *p, size_t side)
{
    char options[64];
    const ffcl_kernel *k;
    snprintf(options, sizeof options, "-DKMAJOR=%d -DSIDE=%zu", p->a_kmajor, side ? side : 16);
    int rc = ffcl_kernel_get(ctx, &k, "gemm", side ? "gemm_f32_tiled" : "gemm_f32", options);
    if (rc)
        return rc;
    size_t local[2] = {side, side}, global[2];
    if (side) {
        global[0] = ffcl_div_up(p->n, 4 * side) * side;
        global[1] = ffcl_div_up(p->m, 4 * side) * side;
    } else {
        local[0] = ffcl_local_size(ctx, k, 64);
        local[1] = 1;
        global[0] = ffcl_round_up(p->n, local[0]);
        global[1] = p->m;
    }
    ffcl_work_shape(ctx, ffcl_gemm_cost(p), "%zux%zux%zu", p->m, p->n, p->k);
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(p->out), FFCL_I32(p->out_at),
                       FFCL_I32(p->out_ld), FFCL_BUF(p->a), FFCL_I32(p->a_at), FFCL_I32(p->a_ld),
                       FFCL_BUF(p->w), FFCL_I32(p->w_at), FFCL_I32(p->w_ld), FFCL_EPILOGUE(p),
                       FFCL_I32(p->m), FFCL_I32(p->n), FFCL_I32(p->k));
}

static int builtin_open(ffcl_ctx *ctx)
{
    (void)ctx;
    return 0;
}

static int builtin_gemm(ffcl_ctx *ctx, const ffcl_product *p)
{
    return ffcl_builtin_gemm(ctx, p, ffcl_builtin_side(ctx, p));
}

static void builtin_close(ffcl_ctx *ctx)
{
    (void)ctx;
}

const ffcl_blas ffcl_blas_builtin = {.name = "builtin", .open = builtin_open, .gemm = builtin_gemm,
                                     .close = builtin_close};
