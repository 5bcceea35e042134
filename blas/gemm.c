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
    static const char *const names[] = {"auto", "clblast", "cblas", "builtin", "mma",
                                        "wgmma", "wmma", "mfma", "dpas"};
    int known = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known |= strcmp(name, names[i]) == 0;
    if (!known)
        return ffcl_fail(ctx->err, FFCL_ECONFIG,
                         "[blas] backend = %s is unknown; known are auto, clblast, cblas, builtin, "
                         "mma, wgmma, wmma, mfma and dpas",
                         name);
    int automatic = strcmp(name, "auto") == 0, rc = 0;
    ctx->blas_checked = 0;
    if (strcmp(name, "cblas") == 0 || (automatic && ffcl_cblas_fits(ctx))) {
        ctx->blas = &ffcl_blas_cblas;
        rc = ctx->blas->open(ctx);
        if (rc == 0 || !may_do_without(ctx, rc, automatic))
            return rc;
    }
    ctx->blas = strcmp(name, "builtin") == 0 ? &ffcl_blas_builtin : &ffcl_blas_clblast;
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
    return ffcl_gemm_in_parts(ctx, p, NULL);
}

int ffcl_gemm_in_parts(ffcl_ctx *ctx, const ffcl_product *p, ffcl_parts *parts)
{
    if (parts)
        *parts = (ffcl_parts){{0}, 0};
    if (p->half)
        return ffcl_half_gemm(ctx, p, parts);
    /* One row reads the weights once and needs no tile; but its sums are not those of many. */
    int slim = (p->slim || (p->m == 1 && !ctx->any_batch)) && !p->w_nmajor;
    if (slim && (p->unpatch || !ctx->blas->takes_slim))
        return ffcl_slim_gemm(ctx, p);
    if (ctx->planning && ctx->see_product)
        ctx->see_product(ctx->see_user, p);
    int rc = ctx->blas_checked ? 0 : ffcl_blas_check(ctx);
    return rc ? rc : ctx->blas->gemm(ctx, p);
}

/* How many products p stands for. */
static double count_of(const ffcl_product *p)
{
    return p->batch ? (double)p->batch : p->gather && p->gather->upsample ? 4.0 : 1.0;
}

ffcl_cost ffcl_bare_cost(const ffcl_product *p, int bare)
{
    const double m = (double)p->m, n = (double)p->n, k = (double)p->k, count = count_of(p);
    const double each = p->half ? 2.0 : 4.0, out = p->out_half && !bare ? 2.0 : 4.0;
    /* A gathered operand is a picture, of which every parity reads the same. */
    const double a = p->gather ? m * (double)p->gather->C : count * m * k;
    return (ffcl_cost){2.0 * count * m * n * k,
                       each * (a + count * k * n) + out * count * m * n};
}

ffcl_cost ffcl_after_cost(const ffcl_product *p)
{
    const ffcl_epilogue *e = &p->epilogue;
    const double m = (double)p->m, n = (double)p->n, count = count_of(p);
    const double act = e->act == FFCL_ACT_SILU ? 3.0 : e->act == FFCL_ACT_GELU ? 8.0 : 0.0;
    ffcl_cost cost = {count * m * n * act, 0.0};
    if (e->has_bias) {
        cost.flops += count * m * n;
        cost.bytes += 4.0 * n;
    }
    if (e->has_gate) {
        cost.flops += count * m * n;
        cost.bytes += 4.0 * (double)ffcl_div_up(p->m, e->gate_rows) * n;
    }
    if (e->has_add) {
        cost.flops += count * m * n;
        cost.bytes += (p->out_half ? 2.0 : 4.0) * count * (double)ffcl_min(p->m, e->add_rows) * n;
    }
    return cost;
}

ffcl_cost ffcl_gemm_cost(const ffcl_product *p)
{
    const ffcl_cost product = ffcl_bare_cost(p, 0), after = ffcl_after_cost(p);
    return (ffcl_cost){product.flops + after.flops, product.bytes + after.bytes};
}

int ffcl_epilogue_flags(const ffcl_epilogue *e)
{
    return (e->has_bias ? 1 : 0) | (e->has_gate ? 2 : 0) | (e->has_add ? 4 : 0);
}

/* Columns of a row that an item of the CPU's kernel takes: all that a block of SiT has, and parts
 * of the one row of its modulations. */
enum { ROW_PART = 8192 };

int ffcl_epilogue_run(ffcl_ctx *ctx, const ffcl_product *p)
{
    const ffcl_epilogue *e = &p->epilogue;
    if (!e->has_bias && !e->has_gate && !e->has_add && e->act == FFCL_ACT_NONE)
        return 0;
    const int by_rows = (ctx->device.caps.type & CL_DEVICE_TYPE_CPU) && p->n % 4 == 0;
    const ffcl_arg args[] = {FFCL_BUF(p->out), FFCL_I32(p->out_at), FFCL_I32(p->out_ld),
                             FFCL_EPILOGUE(p), FFCL_I32(p->m), FFCL_I32(p->n),
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
    ffcl_cost cost = ffcl_after_cost(p);
    cost.bytes += 8.0 * (double)p->m * (double)p->n;
    ffcl_work(ctx, cost);
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
