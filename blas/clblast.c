/* SPDX-License-Identifier: MIT
 * CLBlast behind gemm.h; the only file that includes it.
 *
 * In CLBlast's column-major terms the product is  out' (N x M) = W' (N x K) A' (K x M).  W' has
 * its N contiguous and out' too, so both are used in place; A' is used in place when it is
 * K-major and is transposed into the temporary buffer by CLBlast otherwise.  A matrix at an
 * offset would also be copied, hence the sub-buffers. */
#include "backend.h"

#include <clblast_c.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/arena.h"
#include "cl/profile.h"
#include "util.h"

static int check(ffcl_ctx *ctx, CLBlastStatusCode code, const char *call, int line)
{
    return ffcl_cl_check(ctx->err, (cl_int)code, call, __FILE__, line);
}
#define CHECK(ctx, call) check((ctx), (call), #call, __LINE__)

/* A matrix as CLBlast gets it: a sub-buffer starting at the matrix where alignment permits. */
typedef struct view {
    cl_mem mem, sub;
    size_t at;
} view;

static int view_open(ffcl_ctx *ctx, view *v, cl_mem mem, size_t at, size_t n)
{
    *v = (view){mem, NULL, at};
    if (at == 0 || at * sizeof(float) % ctx->device.caps.align_bytes != 0)
        return 0;
    v->at = 0;
    if (ctx->planning)
        return 0;
    cl_buffer_region region = {at * sizeof(float), n * sizeof(float)};
    cl_int code;
    v->sub = clCreateSubBuffer(mem, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region,
                               &code);
    v->mem = v->sub;
    return ffcl_cl_check(ctx->err, code, "clCreateSubBuffer", __FILE__, __LINE__);
}

static void view_close(view *v)
{
    if (v->sub)
        clReleaseMemObject(v->sub);
}

/* The bare product into out. */
static int product(ffcl_ctx *ctx, const ffcl_product *p)
{
    CLBlastTranspose tb = p->a_kmajor ? CLBlastTransposeYes : CLBlastTransposeNo;
    CLBlastTranspose tw = p->w_nmajor ? CLBlastTransposeYes : CLBlastTransposeNo;
    size_t w_span = p->w_nmajor ? (p->n - 1) * p->w_ld + p->k : (p->k - 1) * p->w_ld + p->n;
    size_t a_span = p->a_kmajor ? (p->k - 1) * p->a_ld + p->m : (p->m - 1) * p->a_ld + p->k;
    view a = {0}, w = {0}, out = {0};
    ffcl_buf temp = {0};
    size_t bytes = 0;
    int rc = view_open(ctx, &a, p->a, p->a_at, a_span);
    if (rc == 0)
        rc = view_open(ctx, &w, p->w, p->w_at, w_span);
    if (rc == 0)
        rc = view_open(ctx, &out, p->out, p->out_at, (p->m - 1) * p->out_ld + p->n);
    if (rc == 0)
        rc = CHECK(ctx, CLBlastSGemmTempBufferSize(CLBlastLayoutColMajor, tw, tb, p->n, p->m, p->k,
                                                   w.at, p->w_ld, a.at, p->a_ld, out.at, p->out_ld,
                                                   &ctx->queue, &bytes));
    if (rc == 0)
        rc = ffcl_take(ctx, &temp, ffcl_div_up(bytes, sizeof(float)));
    if (ctx->trace)
        fprintf(ctx->trace, "%sclblast %d %d %zux%zux%zu at %zu %zu %zu ld %zu %zu %zu temp %zu\n",
                ctx->planning ? "plan " : "", p->a_kmajor, p->w_nmajor, p->m, p->n, p->k, a.at,
                w.at, out.at, p->a_ld, p->w_ld, p->out_ld, bytes);
    if (rc == 0 && !ctx->planning) {
        ffcl_work_shape(ctx, ffcl_bare_cost(p, 1), "%zux%zux%zu", p->m, p->n, p->k);
        ffcl_profile_begin(ctx, "gemm");
        rc = CHECK(ctx, CLBlastSgemmWithTempBuffer(CLBlastLayoutColMajor, tw, tb, p->n, p->m,
                                                   p->k, 1.0f, w.mem, w.at, p->w_ld, a.mem, a.at,
                                                   p->a_ld, 0.0f, out.mem, out.at, p->out_ld,
                                                   &ctx->queue, NULL, bytes ? temp.mem : NULL));
        ffcl_profile_end(ctx);
    }
    if (rc == 0)
        ffcl_give(ctx, &temp);
    view_close(&out);
    view_close(&w);
    view_close(&a);
    return rc;
}

static int clblast_gemm(ffcl_ctx *ctx, const ffcl_product *p)
{
    int rc = product(ctx, p);
    return rc ? rc : ffcl_epilogue_run(ctx, p);
}

/* The name of the library's file, which has its version in it. */
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

/* The parameters that a context of this kind shall have. */
static int parameters(ffcl_ctx *ctx, ffcl_tuning *t)
{
    ffcl_tuning_home here;
    ffcl_clblast_home(ctx, &here);
    int rc = ffcl_tuning_choose(ctx, t, &here);
    /* Small products take a kernel of their own otherwise; what is small depends on the batch. */
    if (ctx->any_batch)
        t->value[ffcl_tuning_find("XGEMM_MIN_INDIRECT_SIZE")] = 1;
    return rc;
}

static int clblast_open(ffcl_ctx *ctx)
{
    ffcl_tuning t;
    int rc = parameters(ctx, &t);
    if (rc == 0)
        rc = ffcl_clblast_apply(ctx, &t);
    if (rc == 0)
        ctx->parameters = ffcl_tuning_line(&t);
    if (rc == 0 && !ctx->parameters)
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for CLBlast's parameters");
    return rc;
}

/* Results depend on the kernels that run, hence on device, driver, library and parameters. */
static char *clblast_describe(ffcl_ctx *ctx)
{
    ffcl_tuning_home home;
    ffcl_clblast_home(ctx, &home);
    return ffcl_format("device %s\nplatform %s\ndriver %s\nlibrary %s\nparameters %s\n",
                       home.device, home.platform, home.driver, home.library, ctx->parameters);
}

/* CLBlast's static caches hold programs of this context and can outlive the driver. */
static void clblast_close(ffcl_ctx *ctx)
{
    free(ctx->parameters);
    ctx->parameters = NULL;
    CLBlastClearCache();
}

const ffcl_blas ffcl_blas_clblast = {"clblast", clblast_open, clblast_gemm, clblast_close, 0,
                                     clblast_describe};
