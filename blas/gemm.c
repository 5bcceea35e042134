/* SPDX-License-Identifier: MIT */
#include "gemm.h"

#include <stdio.h>
#include <string.h>

#include "backend.h"
#include "cblas.h"
#include "cl/launch.h"
#include "util.h"

/* Does CLBlast do in place of cblas, which could not be opened?  A missing library is a hint, one
 * that fails its check a warning. */
static int may_do_without(const ffcl_ctx *ctx, int rc, int automatic)
{
    int missing = rc == FFCL_EFILE && !ctx->blas_library, wrong = rc == FFCL_EDEVICE;
    if (!automatic || !(missing || wrong))
        return 0;
    ffcl_report(ctx->obs, missing ? FFCL_PHASE_NOTE : FFCL_PHASE_WARN, ctx->err->text, 0, 0);
    return 1;
}

int ffcl_blas_open(ffcl_ctx *ctx, const char *name)
{
    static const char *const names[] = {"auto", "clblast", "cblas", "mma",
                                        "wgmma", "wmma", "mfma", "dpas"};
    int known = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known |= strcmp(name, names[i]) == 0;
    if (!known)
        return ffcl_fail(ctx->err, FFCL_ECONFIG,
                         "[blas] backend = %s is unknown; known are auto, clblast, cblas, mma, "
                         "wgmma, wmma, mfma and dpas",
                         name);
    int automatic = strcmp(name, "auto") == 0, rc = 0;
    if (strcmp(name, "cblas") == 0 || (automatic && ffcl_cblas_fits(ctx))) {
        ctx->blas = &ffcl_blas_cblas;
        rc = ctx->blas->open(ctx);
        if (rc == 0 || !may_do_without(ctx, rc, automatic))
            return rc;
    }
    ctx->blas = &ffcl_blas_clblast;
    return ctx->blas->open(ctx);
}

void ffcl_blas_close(ffcl_ctx *ctx)
{
    if (ctx->blas)
        ctx->blas->close(ctx);
    ctx->blas = NULL;
}

const char *ffcl_blas_name(const ffcl_ctx *ctx)
{
    return ctx->cblas ? ffcl_cblas_text(ctx) : ctx->blas->name;
}

int ffcl_gemm_takes_nmajor(const ffcl_ctx *ctx)
{
    return ctx->cblas != NULL;
}

int ffcl_gemm(ffcl_ctx *ctx, const ffcl_product *p)
{
    return p->half ? ffcl_half_gemm(ctx, p) : ctx->blas->gemm(ctx, p);
}

/* Columns of a row that an item of the CPU's kernel takes: all that a block of SiT has, and parts
 * of the one row of its modulations. */
enum { ROW_PART = 8192 };

int ffcl_epilogue_run(ffcl_ctx *ctx, const ffcl_product *p)
{
    const ffcl_epilogue *e = &p->epilogue;
    if (!e->has_bias && !e->has_gate && !e->has_add && e->act == FFCL_ACT_NONE)
        return 0;
    const int flags = (e->has_bias ? 1 : 0) | (e->has_gate ? 2 : 0) | (e->has_add ? 4 : 0);
    const int by_rows = (ctx->device.caps.type & CL_DEVICE_TYPE_CPU) && p->n % 4 == 0;
    ffcl_arg args[] = {FFCL_BUF(p->out), FFCL_I32(p->out_at),
                       FFCL_I32(p->out_ld), FFCL_BUF(e->has_bias ? e->bias : p->out),
                       FFCL_I32(e->bias_at),
                       FFCL_BUF(e->has_gate ? e->gate : p->out), FFCL_I32(e->gate_at),
                       FFCL_I32(e->gate_ld), FFCL_I32(e->has_gate ? e->gate_rows : 1),
                       FFCL_BUF(e->has_add ? e->add : p->out), FFCL_I32(e->add_at),
                       FFCL_I32(e->add_ld), FFCL_I32(e->has_add ? e->add_rows : 1),
                       FFCL_I32(e->act), FFCL_I32(flags), FFCL_I32(p->m), FFCL_I32(p->n),
                       FFCL_I32(ROW_PART)};
    const size_t n_args = sizeof args / sizeof *args;
    const ffcl_kernel *k;
    char options[16] = "";
    if (by_rows)
        snprintf(options, sizeof options, "-DVW=%d", p->n % 16 ? 4 : 16);
    int rc = ffcl_kernel_get(ctx, &k, "epilogue", by_rows ? "epilogue_row_f32" : "epilogue_f32",
                             options);
    if (rc)
        return rc;
    if (by_rows) {
        size_t local[2] = {ffcl_local_size(ctx, k, 8), 1};
        size_t global[2] = {ffcl_round_up(p->m, local[0]), ffcl_div_up(p->n, ROW_PART)};
        return ffcl_launch_args(ctx, k, 2, global, local, args, n_args);
    }
    size_t total = ffcl_local_size(ctx, k, 256);
    size_t local[2] = {ffcl_min(64, total), ffcl_max(total / 64, 1)};
    size_t global[2] = {ffcl_round_up(p->n, local[0]),
                        ffcl_round_up(ffcl_div_up(p->m, 8), local[1])};
    return ffcl_launch_args(ctx, k, 2, global, local, args, n_args - 1);
}
