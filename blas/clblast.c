/* SPDX-License-Identifier: MIT
 * CLBlast behind gemm.h; the only file that includes its header.
 *
 * In CLBlast's column-major terms the GEMM is  out' (N x M) = W' (N x K) A' (K x M).  N is
 * contiguous in W' and out', so CLBlast uses both in place.  It uses A' in place where A is K-major
 * and transposes it into the temporary buffer otherwise.  A matrix at an offset would be copied as
 * well; sub-buffers avoid that. */
#include "backend.h"

#include <clblast_c.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

static void keep(ffcl_ctx *ctx, CLBlastStatusCode code, const char *call, int line)
{
    ffcl_ctx_keep(ctx, ffcl_cl_check(ctx->err, (cl_int)code, call, __FILE__, line));
}
#define KEEP(ctx, call) keep((ctx), (call), #call, __LINE__)

/* A matrix as CLBlast gets it: a sub-buffer starting at the matrix where alignment permits. */
typedef struct view {
    cl_mem mem, sub;
    size_t at;
} view;

static view view_open(ffcl_ctx *ctx, const ffcl_tensor *t)
{
    view v = {t->mem, NULL, t->at};
    if (t->at == 0 || t->at * sizeof(float) % ctx->device.caps.align_bytes != 0)
        return v;
    v.at = 0;
    if (ctx->planning || ctx->status)
        return v;
    const size_t vectors = t->layout == FFCL_COLUMNS ? t->cols : t->batch * t->rows;
    const size_t width = t->layout == FFCL_COLUMNS ? t->rows : t->cols;
    cl_buffer_region region = {t->at * sizeof(float),
                               ((vectors - 1) * t->ld + width) * sizeof(float)};
    cl_int code;
    /* With the buffer's own flags: weights in a file are only read. */
    v.sub = clCreateSubBuffer(t->mem, 0, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    v.mem = v.sub;
    ffcl_ctx_keep(ctx, ffcl_cl_check(ctx->err, code, "clCreateSubBuffer", __FILE__, __LINE__));
    return v;
}

static void view_close(view *v)
{
    if (v->sub)
        clReleaseMemObject(v->sub);
}

/* out = A W. */
static void multiply(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const CLBlastTranspose ta = p->a.layout == FFCL_COLUMNS ? CLBlastTransposeYes
                                                            : CLBlastTransposeNo;
    const CLBlastTranspose tw = p->w.layout == FFCL_COLUMNS ? CLBlastTransposeYes
                                                            : CLBlastTransposeNo;
    const size_t M = ffcl_matmul_rows(p), N = p->w.cols, K = p->w.rows;
    view a = view_open(ctx, &p->a), w = view_open(ctx, &p->w), out = view_open(ctx, &p->out);
    size_t bytes = 0;
    if (!ctx->status)
        KEEP(ctx, CLBlastSGemmTempBufferSize(CLBlastLayoutColMajor, tw, ta, N, M, K, w.at,
                                             p->w.ld, a.at, p->a.ld, out.at, p->out.ld,
                                             &ctx->queue, &bytes));
    ffcl_tensor temp = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, 1,
                                                     ffcl_div_up(bytes, sizeof(float))));
    if (ctx->trace)
        fprintf(ctx->trace, "%sclblast %d %d %zux%zux%zu at %zu %zu %zu ld %zu %zu %zu temp %zu\n",
                ctx->planning ? "plan " : "", (int)ta == (int)CLBlastTransposeYes,
                (int)tw == (int)CLBlastTransposeYes, M, N, K, a.at, w.at, out.at, p->a.ld,
                p->w.ld, p->out.ld, bytes);
    ffcl_gemm_work(ctx, p, ffcl_bare_cost(p, 1));
    if (!ctx->status && !ctx->planning) {
        ffcl_profile_begin(ctx, "gemm");
        KEEP(ctx, CLBlastSgemmWithTempBuffer(CLBlastLayoutColMajor, tw, ta, N, M, K, 1.0f, w.mem,
                                             w.at, p->w.ld, a.mem, a.at, p->a.ld, 0.0f, out.mem,
                                             out.at, p->out.ld, &ctx->queue, NULL,
                                             bytes ? temp.mem : NULL));
        ffcl_profile_end(ctx);
    }
    ffcl_give(ctx, &temp);
    view_close(&out);
    view_close(&w);
    view_close(&a);
}

static void clblast_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    multiply(ctx, p);
    ffcl_epilogue_run(ctx, p);
}

/* The name of the library's file, which contains its version. */
static void library_name(char *text, size_t size)
{
    CLBlastStatusCode (*function)(void) = CLBlastClearCache;
    void *address = NULL;
    Dl_info info = {0};
    memcpy(&address, &function, sizeof address);
    char *path = dladdr(address, &info) && info.dli_fname ? realpath(info.dli_fname, NULL) : NULL;
    const char *slash = path ? strrchr(path, '/') : NULL;
    if (slash && strstr(slash, "clblast"))
        snprintf(text, size, "%s", slash + 1);
    else        /* linked statically */
        snprintf(text, size, "CLBlast %d.%d.%d", CLBLAST_VERSION_MAJOR, CLBLAST_VERSION_MINOR,
                 CLBLAST_VERSION_PATCH);
    free(path);
}

void ffcl_clblast_home(const ffcl_ctx *ctx, ffcl_tuning_home *home)
{
    char library[130];
    library_name(library, sizeof library);
    ffcl_tuning_home_of(home, &ctx->device, library);
}

int ffcl_clblast_apply(ffcl_ctx *ctx, const ffcl_tuning *t)
{
    const char *names[FFCL_TUNING_ROWS];
    size_t end = 0;
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++)
        names[i] = ffcl_tuning_rows[i].name;
    for (size_t first = 0; first < FFCL_TUNING_ROWS; first = end) {
        end = ffcl_tuning_end(first);
        if (t->value[first] == FFCL_TUNING_UNSET)
            continue;
        const char *kernel = ffcl_tuning_rows[first].kernel;
        CLBlastStatusCode code = CLBlastOverrideParameters(
            ctx->device.id, kernel, CLBlastPrecisionSingle, end - first, names + first,
            t->value + first);
        if (code != CLBlastSuccess)
            return ffcl_fail(ctx->err, FFCL_ECONFIG, "CLBlast refuses the parameters of %s (%s)",
                             kernel, ffcl_cl_name((cl_int)code) ? ffcl_cl_name((cl_int)code)
                                                                : "unknown error");
    }
    return 0;
}

/* The parameters for ctx. */
static int parameters(ffcl_ctx *ctx, ffcl_tuning *t, const char *tuning)
{
    ffcl_tuning_home here;
    ffcl_clblast_home(ctx, &here);
    int rc = ffcl_tuning_choose(ctx, t, &here, tuning);
    /* Otherwise small GEMMs take another kernel, and which are small depends on the batch. */
    if (ctx->batch_invariant)
        t->value[ffcl_tuning_find("XGEMM_MIN_INDIRECT_SIZE")] = 1;
    return rc;
}

/* The state is the parameters, as text. */
static int clblast_open(ffcl_ctx *ctx, const ffcl_blas_options *options)
{
    ffcl_tuning t;
    int rc = parameters(ctx, &t, options->tuning);
    if (rc == 0)
        rc = ffcl_clblast_apply(ctx, &t);
    if (rc)
        return rc;
    ctx->blas->state = ffcl_tuning_line(&t);
    return ctx->blas->state ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM,
                                            "out of memory for CLBlast's parameters");
}

/* Results depend on the kernels that run, hence on device, driver, library and parameters. */
static char *clblast_describe(ffcl_ctx *ctx)
{
    ffcl_tuning_home home;
    ffcl_clblast_home(ctx, &home);
    return ffcl_format("device %s\nplatform %s\ndriver %s\nlibrary %s\nparameters %s\n",
                       home.device, home.platform, home.driver, home.library,
                       (const char *)ctx->blas->state);
}

static void clblast_library(const ffcl_ctx *ctx, char *text, size_t size)
{
    (void)ctx;
    library_name(text, size);
}

/* CLBlast's static caches hold programs of this context and can outlive the driver. */
static void clblast_close(ffcl_ctx *ctx)
{
    free(ctx->blas->state);
    CLBlastClearCache();
}

const ffcl_backend ffcl_backend_clblast = {.name = "clblast", .open = clblast_open,
                                           .close = clblast_close, .gemm = clblast_gemm,
                                           .describe = clblast_describe,
                                           .library = clblast_library};
