/* SPDX-License-Identifier: MIT
 * Opening a back end, the variants of GEMM, and what one costs. */
#include "gemm.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/choices.h"
#include "util.h"

/* ---- back ends ------------------------------------------------------------------------------ */

/* May CLBlast take the place of cblas, which could not be opened?  A missing library is reported as
 * a note, one that fails its check as a warning. */
static int may_do_without(const ffcl_ctx *ctx, int rc, const ffcl_blas_options *o)
{
    int missing = rc == FFCL_EFILE && !o->library, wrong = rc == FFCL_EDEVICE;
    if (strcmp(o->name, "auto") != 0 || !(missing || wrong))
        return 0;
    ffcl_report(ctx->obs, missing ? FFCL_PHASE_NOTE : FFCL_PHASE_WARN, ctx->err->text, 0, 0);
    return 1;
}

static int open_backend(ffcl_ctx *ctx, const ffcl_backend *backend, const ffcl_blas_options *o)
{
    *ctx->blas = (struct ffcl_blas){.backend = backend, .check = backend->describe ? o->check
                                                                                   : NULL};
    return backend->open(ctx, o);
}

int ffcl_blas_open(ffcl_ctx *ctx, const ffcl_blas_options *o)
{
    static const char *const names[] = {"auto", "clblast", "cblas", "builtin", "mma",
                                        "wgmma", "wmma", "mfma", "dpas"};
    int known = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        known |= strcmp(o->name, names[i]) == 0;
    if (!known)
        return ffcl_fail(ctx->err, FFCL_ECONFIG,
                         "[blas] backend = %s is unknown; known are auto, clblast, cblas, builtin, "
                         "mma, wgmma, wmma, mfma and dpas",
                         o->name);
    ctx->blas = calloc(1, sizeof *ctx->blas);
    if (!ctx->blas)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the GEMM back end");
    if (strcmp(o->name, "cblas") == 0 ||
        (strcmp(o->name, "auto") == 0 && ffcl_cblas_fits(ctx))) {
        int rc = open_backend(ctx, &ffcl_backend_cblas, o);
        if (rc == 0 || !may_do_without(ctx, rc, o))
            return rc;
    }
    return open_backend(ctx, strcmp(o->name, "builtin") == 0 ? &ffcl_backend_builtin
                                                             : &ffcl_backend_clblast, o);
}

void ffcl_blas_close(ffcl_ctx *ctx)
{
    if (!ctx->blas)
        return;
    ctx->blas->backend->close(ctx);
    free(ctx->blas);
    ctx->blas = NULL;
}

void ffcl_blas_fall_back(ffcl_ctx *ctx)
{
    struct ffcl_blas *b = ctx->blas;
    b->backend->close(ctx);
    b->backend = &ffcl_backend_builtin;
    b->state = NULL;
    *b->tuning = '\0';
    ffcl_choices_forget(ctx);
}

const char *ffcl_blas_name(const ffcl_ctx *ctx)
{
    const ffcl_backend *backend = ctx->blas->backend;
    return backend->text ? backend->text(ctx) : backend->name;
}

const char *ffcl_blas_tuning(const ffcl_ctx *ctx)
{
    return ctx->blas->tuning;
}

const char *ffcl_gemm_own(const ffcl_ctx *ctx)
{
    const struct ffcl_blas *b = ctx->blas;
    const int half = b->has_blocked_half && ctx->matrix_unit == FFCL_UNIT_NONE;
    return b->has_blocked ? (b->prefers_blocked ? "blocked, " : "blocked batches, ")
                          : half ? "blocked half, " : "";
}

void ffcl_gemm_leave_own(ffcl_ctx *ctx)
{
    ctx->blas->has_blocked = ctx->blas->prefers_blocked = ctx->blas->has_blocked_half = 0;
    ffcl_choices_forget(ctx);
}

int ffcl_gemm_let_own_half(ffcl_ctx *ctx, int may)
{
    const int before = ctx->blas->has_blocked_half;
    ctx->blas->has_blocked_half = may;
    return before;
}

void ffcl_gemm_describe(const ffcl_ctx *ctx, char *text, size_t size)
{
    const char *tuning = ctx->blas->tuning;
    snprintf(text, size, "%s%s%s%s%s%s", ffcl_gemm_own(ctx), ffcl_blas_name(ctx),
             *tuning ? ", tuning " : "", tuning, ctx->maps_weights ? ", weights by columns" : "",
             ctx->no_winograd ? ", no winograd" : "");
}

void ffcl_blas_library(const ffcl_ctx *ctx, char *text, size_t size)
{
    *text = '\0';
    if (ctx->blas->backend->library)
        ctx->blas->backend->library(ctx, text, size);
}

int ffcl_blas_is_untuned(const ffcl_ctx *ctx)
{
    const int is_used = !(ctx->blas->has_blocked && ctx->blas->prefers_blocked);
    return ctx->blas->is_untuned && is_used;
}

void ffcl_blas_observe(ffcl_ctx *ctx, void (*see)(void *user, const ffcl_matmul *p), void *user)
{
    ctx->blas->see = see;
    ctx->blas->see_user = user;
}

int ffcl_gemm_takes_columns(const ffcl_ctx *ctx)
{
    return ctx->blas && (ctx->blas->backend->takes_columns || ctx->maps_weights);
}

/* Does ffcl's own GEMM for GPUs compute half operands, without a matrix unit? */
static int is_blocked_half(const ffcl_ctx *ctx)
{
    return ctx->blas && ctx->blas->has_blocked_half && ctx->matrix_unit == FFCL_UNIT_NONE;
}

int ffcl_gemm_copies_half(const ffcl_ctx *ctx)
{
    return ctx->blas && ctx->blas->backend->takes_half && ctx->matrix_unit == FFCL_UNIT_NONE;
}

int ffcl_gemm_takes_batches(const ffcl_ctx *ctx, ffcl_dtype dtype)
{
    if (dtype == FFCL_F16)
        return is_blocked_half(ctx) || ffcl_gemm_copies_half(ctx);
    return ctx->blas && (ctx->blas->backend->takes_batches || ctx->blas->has_blocked);
}

ffcl_dtype ffcl_gemm_activations(const ffcl_ctx *ctx, ffcl_dtype dtype)
{
    return is_blocked_half(ctx) || ffcl_gemm_copies_half(ctx) ? FFCL_F32 : dtype;
}

int ffcl_gemm_mixes(const ffcl_ctx *ctx)
{
    return ffcl_blocked_can(ctx) || ffcl_gemm_copies_half(ctx);
}

/* ffcl's own GEMM adds up K in one order, whatever the rows and the tile: bands of one image each,
 * which on small images leave most of a GPU idle, are for libraries. */
int ffcl_gemm_rounds_by_image(const ffcl_ctx *ctx)
{
    const ffcl_variant *forced = ctx->forced[FFCL_OP_GEMM];
    if (ctx->blas && ctx->blas->has_blocked && ctx->blas->prefers_blocked &&
        (!forced || strcmp(forced->name, "blocked") == 0))
        return 0;
    return ctx->batch_invariant || (ctx->blas && ctx->blas->backend->rounds_by_image);
}

/* ---- variants ------------------------------------------------------------------------------- */

static int is_half(const ffcl_matmul *p)
{
    return p->a.dtype == FFCL_F16;
}

static int is_plain_float(const ffcl_matmul *p)
{
    return !is_half(p) && p->w.dtype == FFCL_F32 && !p->unpatch;
}

static int builtin_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_matmul *p = desc;
    (void)ctx;
    return is_plain_float(p) && !ffcl_matmul_batch(p);
}

static int builtin_pays(const ffcl_ctx *ctx, const void *desc)
{
    (void)desc;
    return ctx->blas && ctx->blas->backend == &ffcl_backend_builtin;
}

static void builtin_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_backend_builtin.gemm(ctx, desc);
}

static int library_can(const ffcl_ctx *ctx, const ffcl_matmul *p, const ffcl_backend *backend)
{
    return is_plain_float(p) && ctx->blas && ctx->blas->backend == backend &&
           (!ffcl_matmul_batch(p) || backend->takes_batches);
}

static int clblast_can(const ffcl_ctx *ctx, const void *desc)
{
    return library_can(ctx, desc, &ffcl_backend_clblast);
}

static int cblas_can(const ffcl_ctx *ctx, const void *desc)
{
    return library_can(ctx, desc, &ffcl_backend_cblas);
}

/* The first call runs the self-check, which may replace the back end. */
static void library_run(ffcl_ctx *ctx, const void *desc)
{
    int (*check)(ffcl_ctx *ctx) = ctx->blas->check;
    if (ctx->planning && ctx->blas->see)
        ctx->blas->see(ctx->blas->see_user, desc);
    ctx->blas->check = NULL;
    if (check)
        ffcl_ctx_keep(ctx, check(ctx));
    if (!ctx->status)
        ctx->blas->backend->gemm(ctx, desc);
}

static int blocked_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_matmul *p = desc;
    return is_plain_float(p) && ffcl_blocked_can(ctx);
}

/* Single GEMMs only where it was measured to be faster than CLBlast (host/selfcheck/choice.c);
 * batches where the library has none, those of half convolutions (Winograd's) included, which are
 * part of the check of half operands. */
static int blocked_pays(const ffcl_ctx *ctx, const void *desc)
{
    if (!ctx->blas)
        return 0;
    return ffcl_matmul_batch(desc) ? !ctx->blas->backend->takes_batches
                                   : ctx->blas->has_blocked && ctx->blas->prefers_blocked;
}

/* ffcl tune asks what CLBlast would compute, too. */
static void blocked_run(ffcl_ctx *ctx, const void *desc)
{
    if (ctx->planning && ctx->blas && ctx->blas->see && !ffcl_matmul_batch(desc))
        ctx->blas->see(ctx->blas->see_user, desc);
    ffcl_blocked_gemm(ctx, desc);
}

static int skinny_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_matmul *p = desc;
    (void)ctx;
    return !is_half(p) && p->w.dtype == FFCL_F32 && !ffcl_matmul_batch(p);
}

/* With one row a tile is of no use; but its sums have another order than those of many rows. */
static int skinny_pays(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_matmul *p = desc;
    if (p->unpatch)
        return 1;
    return (p->skinny || (ffcl_matmul_rows(p) == 1 && !ctx->batch_invariant)) &&
           !(ctx->blas && ctx->blas->backend->takes_skinny);
}

static void skinny_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_skinny_gemm(ctx, desc);
}

static int unpatch_row_can(const ffcl_ctx *ctx, const void *desc)
{
    return skinny_can(ctx, desc) && ffcl_unpatch_row_can(desc);
}

static int unpatch_row_pays(const ffcl_ctx *ctx, const void *desc)
{
    (void)desc;
    return ffcl_is_cpu(ctx);
}

static void unpatch_row_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_unpatch_row(ctx, desc);
}

static int half_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_matmul *p = desc;
    (void)ctx;
    return is_half(p) && p->w.layout == FFCL_TILES;
}

static void half_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_half_plain(ctx, desc);
}

static int blocked_half_can(const ffcl_ctx *ctx, const void *desc)
{
    return ffcl_blocked_half_can(ctx, desc);
}

/* Others take W in tiles alone. */
static int blocked_half_pays(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_matmul *p = desc;
    return p->w.layout != FFCL_TILES || (ctx->blas && ctx->blas->has_blocked_half);
}

static void blocked_half_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_blocked_gemm(ctx, desc);
}

static int cblas_half_can(const ffcl_ctx *ctx, const void *desc)
{
    return ffcl_cblas_half_can(ctx, desc);
}

static void cblas_half_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_cblas_half(ctx, desc);
}

static int gemv_can(const ffcl_ctx *ctx, const void *desc)
{
    return is_half(desc) && ffcl_half_gemv_can(ctx, desc);
}

static int gemv_pays(const ffcl_ctx *ctx, const void *desc)
{
    (void)desc;
    return !ffcl_gemm_copies_half(ctx);
}

static void gemv_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_half_gemv(ctx, desc);
}

static int unit_can(const ffcl_ctx *ctx, const ffcl_matmul *p, ffcl_matrix_unit unit)
{
    return is_half(p) && ctx->matrix_unit == unit && ffcl_gemm_unit_can(ctx, p);
}

static void unit_run(ffcl_ctx *ctx, const void *desc)
{
    ffcl_half_unit(ctx, desc);
}

#define UNIT_CAN(name, UNIT)                                    \
    static int name##_can(const ffcl_ctx *ctx, const void *desc) \
    {                                                           \
        return unit_can(ctx, desc, UNIT);                       \
    }
UNIT_CAN(mma, FFCL_UNIT_MMA)
UNIT_CAN(wgmma, FFCL_UNIT_WGMMA)
UNIT_CAN(wmma, FFCL_UNIT_WMMA)
UNIT_CAN(mfma, FFCL_UNIT_MFMA)
UNIT_CAN(dpas8, FFCL_UNIT_DPAS8)
UNIT_CAN(dpas16, FFCL_UNIT_DPAS16)

static ffcl_cost cost(const void *desc)
{
    return ffcl_gemm_cost(desc);
}

static const ffcl_variant variants[] = {
    {"builtin", "where no library computes right: float32, slow, right on any OpenCL 1.2 device",
     builtin_can, builtin_pays, cost, builtin_run},
    {"clblast", "float32 on GPUs, and on CPUs without a CBLAS library", clblast_can, NULL, cost,
     library_run},
    {"cblas", "float32 on CPUs: the library knows the processor", cblas_can, NULL, cost,
     library_run},
    {"blocked", "float32 on GPUs where it beats the library, and batches: tiles in registers",
     blocked_can, blocked_pays, cost, blocked_run},
    {"skinny", "float32 with so few rows or columns that a tile would be empty", skinny_can,
     skinny_pays, cost, skinny_run},
    {"unpatch-row", "the last GEMM of a transformer on CPUs: a work-item has a token, no barriers",
     unpatch_row_can, unpatch_row_pays, cost, unpatch_row_run},
    {"half", "half operands on any device: a work-item has a result", half_can, NULL, cost,
     half_run},
    {"blocked-half", "half operands on GPUs without matrix units: tiles in registers, in float32",
     blocked_half_can, blocked_half_pays, cost, blocked_half_run},
    {"wmma", "half operands on AMD's RDNA 3", wmma_can, NULL, cost, unit_run},
    {"mfma", "half operands on AMD's CDNA", mfma_can, NULL, cost, unit_run},
    {"dpas8", "half operands on Intel's XMX in sub-groups of 8", dpas8_can, NULL, cost, unit_run},
    {"dpas16", "half operands on Intel's XMX in sub-groups of 16", dpas16_can, NULL, cost,
     unit_run},
    {"mma", "half operands on NVIDIA's tensor cores from compute capability 8.0 on", mma_can, NULL,
     cost, unit_run},
    {"wgmma", "half operands on NVIDIA's tensor cores of compute capability 9.0", wgmma_can, NULL,
     cost, unit_run},
    {"cblas-half", "half operands on CPUs: the library multiplies float32 copies, piece by piece",
     cblas_half_can, NULL, cost, cblas_half_run},
    {"gemv", "one half row: the memory's time for the weights", gemv_can, gemv_pays, cost,
     gemv_run},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_matmul *p = desc;
    const ffcl_tensor *operands[] = {&p->out, &p->a, &p->w, p->bias, p->gate, p->add};
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++)
        ffcl_sizes_tensor(s, operands[i]);
    ffcl_sizes_add(s, p->act);
    ffcl_sizes_add(s, ffcl_matmul_rows_per_image(p));
    ffcl_sizes_add(s, (size_t)p->skinny);
    ffcl_sizes_add(s, p->partial != NULL);
    ffcl_sizes_add(s, p->unpatch ? p->unpatch->p : 0);
    ffcl_sizes_add(s, p->gather ? p->gather->kw : 0);
    ffcl_sizes_add(s, p->gather ? (size_t)p->gather->upsample : 0);
    ffcl_sizes_add(s, p->gather ? p->gather->stride : 0);
}

const ffcl_operation ffcl_gemm_operation = {FFCL_OP_GEMM, "gemm", variants,
                                            sizeof variants / sizeof *variants, sizes};

int ffcl_gemm_leaves_partial(const ffcl_ctx *ctx, ffcl_dtype dtype)
{
    if (dtype == FFCL_F16)
        return ffcl_has_tensor_cores(ctx) || is_blocked_half(ctx);
    return ctx->blas && ctx->blas->has_blocked && ctx->blas->prefers_blocked;
}

int ffcl_gemm_can(const ffcl_ctx *ctx, const ffcl_matmul *p)
{
    int can = 0;
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        can |= variants[i].can(ctx, p) && (!variants[i].pays || variants[i].pays(ctx, p));
    return can;
}

void ffcl_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    assert(ffcl_matmul_batch(p) || p->a.batch <= 1 || p->a.layout == FFCL_ROWS);
    if (p->partial)
        *p->partial = (ffcl_tensor){0};
    ffcl_dispatch(ctx, &ffcl_gemm_operation, p);
}

/* ---- cost ----------------------------------------------------------------------------------- */

/* How many GEMMs p stands for. */
static double count_of(const ffcl_matmul *p)
{
    const size_t batch = ffcl_matmul_batch(p);
    return batch ? (double)batch : p->gather && p->gather->upsample ? 4.0 : 1.0;
}

ffcl_cost ffcl_bare_cost(const ffcl_matmul *p, int bare)
{
    const double m = (double)ffcl_matmul_rows(p), n = (double)p->w.cols, k = (double)p->w.rows;
    const double count = count_of(p), each = (double)ffcl_dtype_bytes(p->a.dtype);
    const double out = bare ? 4.0 : (double)ffcl_dtype_bytes(p->out.dtype);
    /* A gathered operand is an image, which all parities share. */
    const double a = p->gather ? (double)(p->a.batch * p->a.rows * p->a.cols) : count * m * k;
    return (ffcl_cost){2.0 * count * m * n * k,
                       each * (a + count * k * n) + out * count * m * n};
}

ffcl_cost ffcl_after_cost(const ffcl_matmul *p)
{
    const size_t M = ffcl_matmul_rows(p);
    const double m = (double)M, n = (double)p->w.cols, count = count_of(p);
    const double act = p->act == FFCL_ACT_SILU ? 3.0 : p->act == FFCL_ACT_GELU ? 8.0
                       : p->act == FFCL_ACT_RELU                                  ? 1.0 : 0.0;
    ffcl_cost cost = {count * m * n * act, 0.0};
    if (p->bias) {
        cost.flops += count * m * n;
        cost.bytes += 4.0 * n;
    }
    if (p->gate) {
        cost.flops += count * m * n;
        cost.bytes += 4.0 * (double)ffcl_div_up(M, ffcl_matmul_rows_per_image(p)) * n;
    }
    if (p->add) {
        const size_t rows = ffcl_min(M, p->add->batch * p->add->rows);
        cost.flops += count * m * n;
        cost.bytes += (double)ffcl_dtype_bytes(p->out.dtype) * count * (double)rows * n;
    }
    return cost;
}

ffcl_cost ffcl_gemm_cost(const ffcl_matmul *p)
{
    const ffcl_cost bare = ffcl_bare_cost(p, 0), after = ffcl_after_cost(p);
    return (ffcl_cost){bare.flops + after.flops, bare.bytes + after.bytes};
}
