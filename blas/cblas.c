/* SPDX-License-Identifier: MIT
 * CBLAS behind gemm.h, for devices whose memory is the host's: a product is a native kernel, a host
 * function in the device's queue, whose tasks a team of threads shares.
 *
 * The library computes on one thread at a time, each task a block of the result.  How a product is
 * cut follows from its sizes and the number of threads, not from who is free, and changes no sum
 * (SMALL), so results are always the same.  A block is of one picture, and cut as it would be if
 * that were the only one: so a picture is the same in any batch, with ctx->any_batch or without, as
 * it costs next to nothing here. */
#include "cblas.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cblas_library.h"
#include "team.h"
#include "util.h"

/* The most rows and columns of a block.  Larger ones copy operands less often, smaller ones leave
 * work for every thread.  COLUMNS_VECTOR: of a product of one row, whose weights should stay in
 * cache while the rows of other pictures take their turn. */
enum { ROWS = 512, COLUMNS = 768, COLUMNS_VECTOR = 256 };

/* OpenBLAS has kernels that add in another order for some products of up to so many
 * multiplications.  All others add in an order that k alone decides, however they are cut; so no
 * part of a product is as small. */
enum { SMALL = 1000000 };

struct ffcl_cblas {
    ffcl_cblas_library lib;
    ffcl_team *team;
    size_t threads;
};

/* A product on its way through the queue, which copies it. */
typedef struct job {
    const struct ffcl_cblas *blas;
    const float *a, *w;
    float *out;
    size_t m, n, k, a_ld, w_ld, out_ld;
    size_t batch, a_step, w_step, out_step;
    int a_kmajor, w_nmajor;
    size_t each;                        /* rows that are cut as if there were no others */
    size_t rows, columns;               /* of a block, at most */
    size_t row_blocks, column_blocks;   /* of `each` rows, of n */
} job;

/* Rows of one column block: several pictures take turns with the weights. */
static void vector_task(const job *j, const float *a, const float *w, float *out, size_t columns)
{
    const ffcl_cblas_library *lib = &j->blas->lib;
    const int stride = j->a_kmajor ? (int)j->a_ld : 1;
    for (size_t m = 0; m < j->m; m++) {
        const float *x = a + (j->a_kmajor ? m : m * j->a_ld);
        float *y = out + m * j->out_ld;
        /* A library may multiply the old result with beta, and that may be NaN. */
        memset(y, 0, columns * sizeof *y);
        lib->sgemv(FFCL_CBLAS_ROW_MAJOR, j->w_nmajor ? FFCL_CBLAS_PLAIN : FFCL_CBLAS_TRANSPOSED,
                   (int)(j->w_nmajor ? columns : j->k), (int)(j->w_nmajor ? j->k : columns), 1.0f,
                   w, (int)j->w_ld, x, stride, 0.0f, y, 1);
    }
}

static void task(void *user, size_t i)
{
    const job *j = user;
    const size_t column_block = i % j->column_blocks, rest = i / j->column_blocks;
    const size_t row_blocks = j->each == 1 ? 1 : j->m / j->each * j->row_blocks;
    const size_t z = rest / row_blocks, block = rest % row_blocks;
    const size_t n0 = column_block * j->columns, columns = ffcl_min(j->columns, j->n - n0);
    const float *w = j->w + z * j->w_step + (j->w_nmajor ? n0 * j->w_ld : n0);
    const float *a = j->a + z * j->a_step;
    float *out = j->out + z * j->out_step + n0;
    if (j->each == 1) {
        vector_task(j, a, w, out, columns);
        return;
    }
    const size_t within = block % j->row_blocks * j->rows;
    const size_t m0 = block / j->row_blocks * j->each + within;
    const size_t rows = ffcl_min(j->rows, j->each - within);
    j->blas->lib.sgemm(FFCL_CBLAS_ROW_MAJOR, j->a_kmajor ? FFCL_CBLAS_TRANSPOSED : FFCL_CBLAS_PLAIN,
                       j->w_nmajor ? FFCL_CBLAS_TRANSPOSED : FFCL_CBLAS_PLAIN, (int)rows,
                       (int)columns, (int)j->k, 1.0f, a + (j->a_kmajor ? m0 : m0 * j->a_ld),
                       (int)j->a_ld, w, (int)j->w_ld, 0.0f, out + m0 * j->out_ld, (int)j->out_ld);
}

static void CL_CALLBACK run(void *args)
{
    job *j = args;
    const size_t row_blocks = j->each == 1 ? 1 : j->m / j->each * j->row_blocks;
    ffcl_team_run(j->blas->team, task, j, j->batch * row_blocks * j->column_blocks);
}

/* Parts of n, at most `most` each and about equal, in whole vectors. */
static size_t part(size_t n, size_t parts)
{
    return ffcl_min(n, ffcl_round_up(ffcl_div_up(n, parts), 16));
}

/* The last and least part of n. */
static size_t last(size_t n, size_t each)
{
    return n % each ? n % each : each;
}

/* Is a block one that the library may compute in another way than the whole? */
static int has_small_block(const job *j)
{
    return last(j->each, j->rows) * last(j->n, j->columns) * j->k <= SMALL;
}

/* Columns are cut into a whole number of parts a thread where rows do not make blocks enough. */
static void cut(const ffcl_ctx *ctx, job *j, const ffcl_product *p)
{
    const size_t threads = j->blas->threads;
    size_t each = p->each    ? p->each
                  : p->batch ? p->m     /* of one picture each */
                             : p->m / ffcl_max(ctx->pictures, 1);
    j->each = each && p->m % each == 0 ? each : p->m;
    size_t column_parts = ffcl_div_up(j->n, j->each == 1 ? COLUMNS_VECTOR : COLUMNS);
    size_t row_parts = ffcl_div_up(j->each, ROWS);
    if (row_parts * j->batch < 4 * threads && j->n >= 256)
        column_parts = ffcl_round_up(column_parts, threads);
    else if (j->batch < threads && row_parts < threads)
        row_parts = threads;
    j->columns = part(j->n, column_parts);
    j->rows = part(j->each, row_parts);
    for (; j->each > 1 && row_parts > 1 && has_small_block(j); row_parts--)
        j->rows = part(j->each, row_parts - 1);
    for (; j->each > 1 && column_parts > 1 && has_small_block(j); column_parts--)
        j->columns = part(j->n, column_parts - 1);
    j->column_blocks = ffcl_div_up(j->n, j->columns);
    j->row_blocks = ffcl_div_up(j->each, j->rows);
}

/* Where a buffer lies.  Not left to clEnqueueNativeKernel: PoCL 3.1 sorts the list of buffers that
 * it is given, but not the places for their addresses, and has no address of a sub-buffer. */
static int place(ffcl_ctx *ctx, const float **at, cl_mem mem, size_t offset)
{
    cl_mem parent = NULL;
    size_t origin = 0;
    void *host = NULL;
    int rc = FFCL_CL(ctx->err, clGetMemObjectInfo(mem, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof parent,
                                                  &parent, NULL));
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clGetMemObjectInfo(mem, CL_MEM_OFFSET, sizeof origin, &origin,
                                                  NULL));
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clGetMemObjectInfo(parent ? parent : mem, CL_MEM_HOST_PTR,
                                                  sizeof host, &host, NULL));
    assert(rc || host);         /* ffcl_buffer_create puts such devices' buffers into our memory */
    *at = (const float *)((char *)host + origin) + offset;
    return rc;
}

static int product(ffcl_ctx *ctx, const ffcl_product *p)
{
    job j = {.blas = ctx->cblas, .m = p->m, .n = p->n, .k = p->k, .a_ld = p->a_ld,
             .w_ld = p->w_ld, .out_ld = p->out_ld, .batch = ffcl_max(p->batch, 1),
             .a_step = p->a_step, .w_step = p->w_step, .out_step = p->out_step,
             .a_kmajor = p->a_kmajor, .w_nmajor = p->w_nmajor};
    const float *out = NULL;
    cut(ctx, &j, p);
    if (ctx->trace)
        fprintf(ctx->trace, "%scblas %d %d %zux%zux%zux%zu at %zu %zu %zu ld %zu %zu %zu step %zu "
                "%zu %zu cut %zu %zu %zu\n", ctx->planning ? "plan " : "", j.a_kmajor, j.w_nmajor,
                j.batch, j.m, j.n, j.k, p->a_at, p->w_at, p->out_at, j.a_ld, j.w_ld, j.out_ld,
                j.a_step, j.w_step, j.out_step, j.each, j.rows, j.columns);
    if (ctx->planning)
        return 0;
    int rc = place(ctx, &j.a, p->a, p->a_at);
    if (rc == 0)
        rc = place(ctx, &j.w, p->w, p->w_at);
    if (rc == 0)
        rc = place(ctx, &out, p->out, p->out_at);
    j.out = (float *)out;
    if (rc == 0) {
        if (j.batch == 1)
            ffcl_work_shape(ctx, ffcl_bare_cost(p, 1), "%zux%zux%zu", p->m, p->n, p->k);
        else
            ffcl_work_shape(ctx, ffcl_bare_cost(p, 1), "%zux%zux%zux%zu", j.batch, p->m, p->n,
                            p->k);
        rc = FFCL_CL(ctx->err, clEnqueueNativeKernel(ctx->queue, run, &j, sizeof j, 0, NULL, NULL,
                                                     0, NULL, ffcl_profile_slot(ctx, "gemm")));
    }
    return rc == 0 && ctx->sync ? ffcl_finish(ctx) : rc;
}

static int cblas_gemm(ffcl_ctx *ctx, const ffcl_product *p)
{
    int rc = product(ctx, p);
    return rc ? rc : ffcl_epilogue_run(ctx, p);
}

int ffcl_cblas_fits(const ffcl_ctx *ctx)
{
    const ffcl_caps *caps = &ctx->device.caps;
    return (caps->type & CL_DEVICE_TYPE_CPU) && caps->unified && caps->native;
}

/* The first library that is there and is no reference implementation; that one is slower than
 * CLBlast, and seen by its being no faster than a loop. */
static int load_any(ffcl_cblas_library *lib, ffcl_error *err)
{
    static const char *const files[] = {"libopenblas.so.0", "libblis.so.4", "libmkl_rt.so.2",
                                        "libmkl_rt.so", "libblas.so.3", "libcblas.so.3"};
    static const double fast_enough = 4.0;
    char slow[300] = "";
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (ffcl_cblas_load(lib, files[i], NULL) != 0)
            continue;
        if (ffcl_cblas_speed(lib) >= fast_enough)
            return 0;
        snprintf(slow, sizeof slow, " (%s is no faster than a plain loop)", lib->name);
        ffcl_cblas_unload(lib);
    }
    return ffcl_fail(err, FFCL_EFILE,
                     "no fast CBLAS library is installed%s: with libopenblas0 or libblis4, "
                     "products on this CPU take a fraction of the time", slow);
}

static void cblas_close(ffcl_ctx *ctx)
{
    if (!ctx->cblas)
        return;
    clFinish(ctx->queue);
    ffcl_team_close(&ctx->cblas->team);
    ffcl_cblas_unload(&ctx->cblas->lib);
    free(ctx->cblas);
    ctx->cblas = NULL;
}

static int cblas_open(ffcl_ctx *ctx)
{
    const char *file = ctx->blas_library;
    if (!ffcl_cblas_fits(ctx))
        return ffcl_fail(ctx->err, FFCL_EDEVICE,
                         "[blas] backend = cblas needs a CPU device that runs native kernels, and "
                         "%s is none", ctx->device.caps.name);
    ctx->cblas = calloc(1, sizeof *ctx->cblas);
    if (!ctx->cblas)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the CBLAS back end");
    struct ffcl_cblas *c = ctx->cblas;
    c->threads = ffcl_max(ctx->device.caps.units, 1);
    int rc = file ? ffcl_cblas_load(&c->lib, file, ctx->err) : load_any(&c->lib, ctx->err);
    if (rc == 0)
        rc = ffcl_cblas_check(&c->lib, ctx->err);
    if (rc == 0)
        rc = ffcl_team_open(&c->team, c->threads, ctx->err);
    if (rc)
        cblas_close(ctx);
    return rc;
}

const char *ffcl_cblas_text(const ffcl_ctx *ctx)
{
    return ctx->cblas->lib.name;
}

/* Its own check is made as it is opened. */
const ffcl_blas ffcl_blas_cblas = {"cblas", cblas_open, cblas_gemm, cblas_close, 1, NULL};
