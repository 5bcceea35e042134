/* SPDX-License-Identifier: MIT
 * CBLAS behind gemm.h, for devices whose memory is the host's: a GEMM is a native kernel, a host
 * function in the device's queue, whose tasks a team of threads shares.
 *
 * A task is a block of the result, which the library computes on the task's thread.  How a GEMM is
 * cut into blocks follows from its sizes and the number of threads, not from which thread is free,
 * and changes no sum (SMALL), so results are always the same.  A block belongs to one image, and
 * each image is cut as if it were alone: so it is the same in any batch, with ctx->batch_invariant
 * or without, as that costs next to nothing here. */
#include "backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cblas_library.h"
#include "team.h"
#include "util.h"

/* The most rows and columns of a block.  With larger blocks the library copies operands less often,
 * with smaller ones every thread has work.  COLUMNS_VECTOR: columns of a GEMV's block, whose
 * weights should stay in cache for the rows of all images. */
enum { ROWS = 512, COLUMNS = 768, COLUMNS_VECTOR = 256 };

/* For some GEMMs of up to this many multiplications OpenBLAS has kernels that add in another order,
 * so no block may be as small.  In larger ones a sum's order depends on k and on where its row and
 * column are in tiles of 4, 8, 12 or 16 (Haswell, Zen: rows of 12), so blocks are whole tiles. */
enum { SMALL = 1000000, TILE = 48 };

typedef struct cblas {
    ffcl_cblas_library lib;
    ffcl_team *team;
    size_t threads;
} cblas;

/* A GEMM in the queue, which keeps a copy of this. */
typedef struct job {
    const cblas *blas;
    const float *a, *w;
    float *out;
    size_t m, n, k, a_ld, w_ld, out_ld;
    size_t batch, a_step, w_step, out_step;
    int a_kmajor, w_nmajor;
    size_t per_image;                   /* rows that are cut as if there were no others */
    size_t rows, columns;               /* of a block, at most */
    size_t row_blocks, column_blocks;   /* of per_image rows, of n */
    void *unused[3];                    /* where the driver writes addresses: see place */
} job;

/* A GEMV for each row, of one block of columns, whose weights stay in cache from row to row. */
static void vector_task(const job *j, const float *a, const float *w, float *out, size_t columns)
{
    const ffcl_cblas_library *lib = &j->blas->lib;
    const int stride = j->a_kmajor ? (int)j->a_ld : 1;
    for (size_t m = 0; m < j->m; m++) {
        const float *x = a + (j->a_kmajor ? m : m * j->a_ld);
        float *y = out + m * j->out_ld;
        /* A library may multiply the old result by beta, and 0 times a NaN is a NaN. */
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
    const size_t row_blocks = j->per_image == 1 ? 1 : j->m / j->per_image * j->row_blocks;
    const size_t z = rest / row_blocks, block = rest % row_blocks;
    const size_t n0 = column_block * j->columns, columns = ffcl_min(j->columns, j->n - n0);
    const float *w = j->w + z * j->w_step + (j->w_nmajor ? n0 * j->w_ld : n0);
    const float *a = j->a + z * j->a_step;
    float *out = j->out + z * j->out_step + n0;
    if (j->per_image == 1) {
        vector_task(j, a, w, out, columns);
        return;
    }
    const size_t within = block % j->row_blocks * j->rows;
    const size_t m0 = block / j->row_blocks * j->per_image + within;
    const size_t rows = ffcl_min(j->rows, j->per_image - within);
    j->blas->lib.sgemm(FFCL_CBLAS_ROW_MAJOR, j->a_kmajor ? FFCL_CBLAS_TRANSPOSED : FFCL_CBLAS_PLAIN,
                       j->w_nmajor ? FFCL_CBLAS_TRANSPOSED : FFCL_CBLAS_PLAIN, (int)rows,
                       (int)columns, (int)j->k, 1.0f, a + (j->a_kmajor ? m0 : m0 * j->a_ld),
                       (int)j->a_ld, w, (int)j->w_ld, 0.0f, out + m0 * j->out_ld, (int)j->out_ld);
}

static void CL_CALLBACK run(void *args)
{
    job *j = args;
    const size_t row_blocks = j->per_image == 1 ? 1 : j->m / j->per_image * j->row_blocks;
    ffcl_team_run(j->blas->team, task, j, j->batch * row_blocks * j->column_blocks);
}

/* The size of each of about `blocks` equal blocks of n, in whole tiles. */
static size_t block_size(size_t n, size_t blocks)
{
    return ffcl_min(n, ffcl_round_up(ffcl_div_up(n, blocks), TILE));
}

/* The size of the last block, which is the smallest. */
static size_t last(size_t n, size_t block)
{
    return n % block ? n % block : block;
}

/* Is a block so small that the library may add in another order? */
static int has_small_block(const job *j)
{
    return last(j->per_image, j->rows) * last(j->n, j->columns) * j->k <= SMALL;
}

/* Where rows alone make too few blocks, columns are cut into a multiple of the threads; where both
 * are few, rows are cut so that each thread has a block. */
static void cut(job *j, size_t per_image)
{
    const size_t threads = j->blas->threads;
    j->per_image = j->m % per_image == 0 ? per_image : j->m;
    size_t column_blocks = ffcl_div_up(j->n, j->per_image == 1 ? COLUMNS_VECTOR : COLUMNS);
    size_t row_blocks = ffcl_div_up(j->per_image, ROWS);
    if (row_blocks * j->batch < 4 * threads && j->n >= 256)
        column_blocks = ffcl_round_up(column_blocks, threads);
    else if (j->batch < threads && row_blocks < threads)
        row_blocks = threads;
    j->columns = block_size(j->n, column_blocks);
    j->rows = block_size(j->per_image, row_blocks);
    for (; j->per_image > 1 && row_blocks > 1 && has_small_block(j); row_blocks--)
        j->rows = block_size(j->per_image, row_blocks - 1);
    for (; j->per_image > 1 && column_blocks > 1 && has_small_block(j); column_blocks--)
        j->columns = block_size(j->n, column_blocks - 1);
    j->column_blocks = ffcl_div_up(j->n, j->columns);
    j->row_blocks = ffcl_div_up(j->per_image, j->rows);
}

/* The host address of t.  Not left to clEnqueueNativeKernel, which has the list of buffers all the
 * same, so that the driver knows what is used: PoCL 3.1 sorts that list but not the list of places
 * for their addresses, and gives no address for a sub-buffer. */
static float *place(ffcl_ctx *ctx, const ffcl_tensor *t)
{
    cl_mem parent = NULL;
    size_t origin = 0;
    void *host = NULL;
    if (ctx->status || ctx->planning)
        return NULL;
    int rc = FFCL_CL(ctx->err, clGetMemObjectInfo(t->mem, CL_MEM_ASSOCIATED_MEMOBJECT,
                                                  sizeof parent, &parent, NULL));
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clGetMemObjectInfo(t->mem, CL_MEM_OFFSET, sizeof origin, &origin,
                                                  NULL));
    if (rc == 0)
        rc = FFCL_CL(ctx->err, clGetMemObjectInfo(parent ? parent : t->mem, CL_MEM_HOST_PTR,
                                                  sizeof host, &host, NULL));
    if (rc == 0 && !host)       /* ffcl_buffer_create puts such devices' buffers into our memory */
        rc = ffcl_fail(ctx->err, FFCL_EDEVMEM, "out of memory: %s has an operand of a GEMM in "
                       "memory of the driver, where the CBLAS library cannot reach it",
                       ctx->device.caps.name);
    ffcl_ctx_keep(ctx, rc);
    return rc ? NULL : (float *)((char *)host + origin) + t->at;
}

static void trace(const ffcl_ctx *ctx, const ffcl_matmul *p, const job *j)
{
    fprintf(ctx->trace, "%scblas %d %d %zux%zux%zux%zu at %zu %zu %zu ld %zu %zu %zu step %zu %zu "
            "%zu cut %zu %zu %zu\n", ctx->planning ? "plan " : "", j->a_kmajor, j->w_nmajor,
            j->batch, j->m, j->n, j->k, p->a.at, p->w.at, p->out.at, j->a_ld, j->w_ld, j->out_ld,
            j->a_step, j->w_step, j->out_step, j->per_image, j->rows, j->columns);
}

static void multiply(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    const size_t batch = ffcl_matmul_batch(p);
    job j = {.blas = ctx->blas->state, .a = place(ctx, &p->a), .w = place(ctx, &p->w),
             .out = place(ctx, &p->out), .m = ffcl_matmul_rows(p), .n = p->w.cols, .k = p->w.rows,
             .a_ld = p->a.ld, .w_ld = p->w.ld, .out_ld = p->out.ld, .batch = ffcl_max(batch, 1),
             .a_kmajor = p->a.layout == FFCL_COLUMNS, .w_nmajor = p->w.layout == FFCL_COLUMNS};
    if (batch) {
        j.a_step = p->a.stride;
        j.w_step = p->w.stride;
        j.out_step = p->out.stride;
    }
    cut(&j, ffcl_matmul_rows_per_image(p));
    if (ctx->trace)
        trace(ctx, p, &j);
    ffcl_gemm_work(ctx, p, ffcl_bare_cost(p, 1));
    if (ctx->planning || ctx->status)
        return;
    const cl_mem used[] = {p->a.mem, p->w.mem, p->out.mem};
    const void *places[] = {&j.unused[0], &j.unused[1], &j.unused[2]};
    int rc = FFCL_CL(ctx->err, clEnqueueNativeKernel(ctx->queue, run, &j, sizeof j, 3, used, places,
                                                     0, NULL, ffcl_profile_slot(ctx, "gemm")));
    ffcl_ctx_keep(ctx, rc == 0 && ctx->sync ? ffcl_finish(ctx) : rc);
}

static void cblas_gemm(ffcl_ctx *ctx, const ffcl_matmul *p)
{
    multiply(ctx, p);
    ffcl_epilogue_run(ctx, p);
}

int ffcl_cblas_fits(const ffcl_ctx *ctx)
{
    const ffcl_caps *caps = &ctx->device.caps;
    return (caps->type & CL_DEVICE_TYPE_CPU) && caps->unified && caps->native;
}

static void cblas_close(ffcl_ctx *ctx)
{
    cblas *c = ctx->blas->state;
    if (!c)
        return;
    clFinish(ctx->queue);
    ffcl_team_close(&c->team);
    ffcl_cblas_unload(&c->lib);
    free(c);
    ctx->blas->state = NULL;
}

static int cblas_open(ffcl_ctx *ctx, const ffcl_blas_options *options)
{
    const char *file = options->library;
    if (!ffcl_cblas_fits(ctx))
        return ffcl_fail(ctx->err, FFCL_EDEVICE,
                         "[blas] backend = cblas needs a CPU device that runs native kernels, and "
                         "%s is none", ctx->device.caps.name);
    cblas *c = ctx->blas->state = calloc(1, sizeof *c);
    if (!c)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the CBLAS back end");
    c->threads = ffcl_max(ctx->device.caps.units, 1);
    int rc = file ? ffcl_cblas_load(&c->lib, file, ctx->err)
                  : ffcl_cblas_load_any(&c->lib, ctx->err);
    if (rc == 0)
        rc = ffcl_cblas_check(&c->lib, ctx->err);
    if (rc == 0)
        rc = ffcl_team_open(&c->team, c->threads, ctx->err);
    if (rc)
        cblas_close(ctx);
    return rc;
}

static const char *cblas_text(const ffcl_ctx *ctx)
{
    const cblas *c = ctx->blas->state;
    return c->lib.name;
}

static void cblas_library(const ffcl_ctx *ctx, char *text, size_t size)
{
    const cblas *c = ctx->blas->state;
    snprintf(text, size, "%s", c->lib.version);
}

/* Its check is made when it is opened (ffcl_cblas_check). */
const ffcl_backend ffcl_backend_cblas = {.name = "cblas", .open = cblas_open,
                                         .close = cblas_close, .gemm = cblas_gemm,
                                         .text = cblas_text, .library = cblas_library,
                                         .takes_skinny = 1, .takes_columns = 1,
                                         .takes_batches = 1, .takes_half = 1,
                                         .rounds_by_image = 1};
