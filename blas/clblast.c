/* SPDX-License-Identifier: MIT
 * CLBlast behind gemm.h; the only file that includes it.
 *
 * In CLBlast's column-major terms the product is  out' (N x M) = W' (N x K) A' (K x M).  W' has
 * its N contiguous and out' too, so both are used in place; A' is used in place when it is
 * K-major and is transposed into the temporary buffer by CLBlast otherwise.  A matrix at an
 * offset would also be copied, hence the sub-buffers. */
#include "backend.h"

#include <clblast_c.h>

#include "cl/arena.h"
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

/* One row: a matrix-vector product reads the weights once, where a product of one row would be
 * padded to a tile's many. */
static int vector_product(ffcl_ctx *ctx, const ffcl_product *p)
{
    static const float nothing = 0.0f;
    size_t stride = p->a_kmajor ? p->a_ld : 1;
    CLBlastTranspose tw = p->w_nmajor ? CLBlastTransposeYes : CLBlastTransposeNo;
    if (ctx->planning)
        return 0;
    /* CLBlast's kernel multiplies the old result with beta even where that is 0, and what the
     * buffer held before may be NaN. */
    int rc = FFCL_CL(ctx->err, clEnqueueFillBuffer(ctx->queue, p->out, &nothing, sizeof nothing,
                                                   p->out_at * sizeof(float),
                                                   p->n * sizeof(float), 0, NULL, NULL));
    if (rc)
        return rc;
    return CHECK(ctx, CLBlastSgemv(CLBlastLayoutColMajor, tw, p->w_nmajor ? p->k : p->n,
                                   p->w_nmajor ? p->n : p->k, 1.0f, p->w, p->w_at, p->w_ld, p->a,
                                   p->a_at, stride, 0.0f, p->out, p->out_at, 1, &ctx->queue,
                                   NULL));
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
    if (rc == 0 && !ctx->planning)
        rc = CHECK(ctx, CLBlastSgemmWithTempBuffer(CLBlastLayoutColMajor, tw, tb, p->n, p->m, p->k,
                                                   1.0f, w.mem, w.at, p->w_ld, a.mem, a.at, p->a_ld,
                                                   0.0f, out.mem, out.at, p->out_ld, &ctx->queue,
                                                   NULL, bytes ? temp.mem : NULL));
    if (rc == 0)
        ffcl_give(ctx, &temp);
    view_close(&out);
    view_close(&w);
    view_close(&a);
    return rc;
}

static int clblast_gemm(ffcl_ctx *ctx, const ffcl_product *p)
{
    int rc = p->m == 1 && !ctx->any_batch ? vector_product(ctx, p) : product(ctx, p);
    return rc ? rc : ffcl_epilogue_run(ctx, p);
}

/* CLBlast's database has no entry for most CPU devices, and its defaults are those of GPUs.  This
 * row was the best of a search on two Zen 4 cores under PoCL 3.1: 1.4 to 3 times the defaults on
 * the shapes of SiT and VAE (docs/performance.md).  It is legal on every device of 64 work-items
 * and needs no local memory. */
static int clblast_open(ffcl_ctx *ctx)
{
    static const char *names[] = {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB",
                                  "NDIMC", "NWG", "SA", "SB", "STRM", "STRN", "VWM", "VWN"};
    static const size_t values[] = {0, 1, 32, 2, 8, 8, 128, 8, 8, 16, 0, 0, 0, 0, 8, 2};
    static const char *routine[] = {"XGEMM_MIN_INDIRECT_SIZE"};
    static const size_t always[] = {1};
    /* Small products take a kernel of their own otherwise; what is small depends on the batch. */
    if (ctx->any_batch)
        (void)CLBlastOverrideParameters(ctx->device.id, "GemmRoutine", CLBlastPrecisionSingle, 1,
                                        routine, always);
    if (!(ctx->device.caps.type & CL_DEVICE_TYPE_CPU))
        return 0;
    return CHECK(ctx, CLBlastOverrideParameters(ctx->device.id, "Xgemm", CLBlastPrecisionSingle,
                                                sizeof values / sizeof *values, names, values));
}

/* CLBlast's static caches hold programs of this context and can outlive the driver. */
static void clblast_close(ffcl_ctx *ctx)
{
    (void)ctx;
    CLBlastClearCache();
}

const ffcl_blas ffcl_blas_clblast = {"clblast", clblast_open, clblast_gemm, clblast_close};
