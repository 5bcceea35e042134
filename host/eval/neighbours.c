/* SPDX-License-Identifier: MIT */
#include "eval/neighbours.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cl/arena.h"
#include "cl/program.h"
#include "ops/ops.h"
#include "util.h"

/* Features of a block of rows, and of columns. */
enum { BLOCK = 4096 };

/* A block on the device: x (n, D), its squared lengths, and as a GEMM's weight. */
typedef struct block {
    ffcl_tensor x, lengths, weight;
    size_t first, n;
} block;

/* Two kinds of features, rows and columns, and what is computed of them; buffers without memory are
 * not wanted. */
typedef struct plane {
    ffcl_ctx *ctx;
    struct ffcl_arena *arena, *before;
    const ffcl_kept *rows, *cols;
    block row, col;
    ffcl_tensor dot;
    ffcl_tensor nearest, which;         /* (rows, FFCL_NEAREST) */
    ffcl_tensor in_row, in_col, of_row, of_col;
    float *host;                        /* (BLOCK, D) */
    size_t planned_rows, planned_cols;
} plane;

static int create(ffcl_ctx *ctx, ffcl_tensor *t, ffcl_tensor shape, const char *what)
{
    *t = shape;
    return ffcl_buffer_create(ctx, &t->mem, ffcl_count(t) * ffcl_dtype_bytes(t->dtype), what);
}

static void release(ffcl_tensor *t)
{
    if (t->mem)
        clReleaseMemObject(t->mem);
    t->mem = NULL;
}

static int open_block(plane *p, block *b, size_t n, int is_column)
{
    ffcl_ctx *ctx = p->ctx;
    const size_t D = p->rows->D;
    int rc = create(ctx, &b->x, ffcl_tensor_of(FFCL_F32, 1, n, D), "features");
    if (rc == 0)
        rc = create(ctx, &b->lengths, ffcl_tensor_of(FFCL_F32, 1, 1, n), "lengths");
    if (rc == 0 && is_column && !ffcl_gemm_takes_columns(ctx))
        rc = create(ctx, &b->weight, ffcl_tensor_of(FFCL_F32, 1, D, n), "features");
    return rc;
}

static int open_plane(plane *p, ffcl_ctx *ctx, const ffcl_kept *rows, const ffcl_kept *cols,
                      ffcl_error *err)
{
    const size_t m = ffcl_min(rows->n, BLOCK), n = ffcl_min(cols->n, BLOCK);
    *p = (plane){.ctx = ctx, .before = ctx->arena, .rows = rows, .cols = cols};
    ctx->err = err;
    p->host = malloc((size_t)BLOCK * rows->D * sizeof *p->host);
    int rc = p->host ? ffcl_arena_open(&p->arena, ctx)
                     : ffcl_fail(err, FFCL_ENOMEM, "out of memory for precision and recall");
    if (rc == 0)
        rc = open_block(p, &p->row, m, 0);
    if (rc == 0)
        rc = open_block(p, &p->col, n, 1);
    if (rc == 0)
        rc = create(ctx, &p->dot, ffcl_tensor_of(FFCL_F32, 1, m, n), "products of features");
    return rc;
}

static void close_plane(plane *p)
{
    ffcl_tensor *const all[] = {&p->row.x, &p->row.lengths, &p->col.x, &p->col.lengths,
                                &p->col.weight, &p->dot, &p->nearest, &p->which, &p->in_row,
                                &p->in_col, &p->of_row, &p->of_col};
    clFinish(p->ctx->queue);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        release(all[i]);
    ffcl_arena_close(&p->arena);
    free(p->host);
}

/* The weight (D, n) of the first n columns. */
static ffcl_tensor weight_of(const plane *p, size_t n)
{
    const size_t D = p->rows->D;
    if (!p->col.weight.mem)
        return ffcl_transposed(ffcl_tensor_in(p->col.x.mem, ffcl_tensor_of(FFCL_F32, 1, n, D)));
    return ffcl_tensor_in(p->col.weight.mem, ffcl_tensor_of(FFCL_F32, 1, D, n));
}

/* Uploads a block and computes its lengths, of columns also the weight. */
static int fill(plane *p, block *b, const ffcl_kept *from, size_t first, int is_column)
{
    ffcl_ctx *ctx = p->ctx;
    const size_t D = from->D;
    b->first = first;
    b->n = ffcl_min(BLOCK, from->n - first);
    ffcl_kept_get(from, first, b->n, p->host);
    int rc = ffcl_buffer_write(ctx, b->x.mem, 0, p->host, b->n * D * sizeof(float));
    const ffcl_tensor x = ffcl_rows(b->x, 0, b->n);
    if (rc == 0)
        ffcl_squared_lengths(ctx, &b->lengths, &x);
    if (rc == 0 && is_column && b->weight.mem) {
        const ffcl_tensor to = weight_of(p, b->n);
        ffcl_transpose(ctx, &to, &x);
    }
    return rc ? rc : ffcl_ctx_check(ctx);
}

/* The products of the two blocks and what is wanted of them; also planned. */
static int compute(plane *p)
{
    ffcl_ctx *ctx = p->ctx;
    ffcl_tensor dot = p->dot;
    dot.rows = p->row.n;
    dot.cols = dot.ld = p->col.n;
    dot.stride = dot.rows * dot.cols;
    ffcl_gemm(ctx, &(ffcl_matmul){.out = dot, .a = ffcl_rows(p->row.x, 0, p->row.n),
                                  .w = weight_of(p, p->col.n)});
    if (p->nearest.rows)
        ffcl_nearest(ctx, &(ffcl_nearest_desc){
            .nearest = p->nearest, .which = p->which, .dot = dot, .aa = p->row.lengths,
            .bb = p->col.lengths, .row0 = p->row.first, .col0 = p->col.first});
    if (p->in_row.rows)
        ffcl_inside(ctx, &(ffcl_inside_desc){
            .in_row = p->in_row, .in_col = p->in_col, .of_row = p->of_row, .of_col = p->of_col,
            .dot = dot, .aa = p->row.lengths, .bb = p->col.lengths, .row0 = p->row.first,
            .col0 = p->col.first});
    return ffcl_ctx_check(ctx);
}

static int ready(plane *p)
{
    int rc = 0;
    if (p->planned_rows != p->row.n || p->planned_cols != p->col.n) {
        const ffcl_tensor x = ffcl_rows(p->col.x, 0, p->col.n), to = weight_of(p, p->col.n);
        ffcl_arena_plan(p->arena);
        p->ctx->planning = 1;
        ffcl_squared_lengths(p->ctx, &p->row.lengths, &p->row.x);
        if (p->col.weight.mem)
            ffcl_transpose(p->ctx, &to, &x);
        rc = compute(p);
        p->ctx->planning = 0;
        if (rc == 0)
            rc = ffcl_programs_build(p->ctx);
        if (rc == 0)
            rc = ffcl_arena_commit(p->arena);
        p->planned_rows = p->row.n;
        p->planned_cols = p->col.n;
    }
    ffcl_arena_rewind(p->arena);
    return rc;
}

/* All rows with all columns. */
static int pass(plane *p)
{
    ffcl_ctx *ctx = p->ctx;
    const int invariant = ctx->batch_invariant;
    int rc = 0;
    ctx->arena = p->arena;
    ctx->batch_invariant = 1;
    /* Programs are named before anything runs. */
    p->row.n = ffcl_min(p->rows->n, BLOCK);
    p->col.n = ffcl_min(p->cols->n, BLOCK);
    rc = ready(p);
    for (size_t i = 0; rc == 0 && i < p->rows->n; i += BLOCK) {
        rc = fill(p, &p->row, p->rows, i, 0);
        for (size_t j = 0; rc == 0 && j < p->cols->n; j += BLOCK) {
            rc = fill(p, &p->col, p->cols, j, 1);
            if (rc == 0)
                rc = ready(p);
            if (rc == 0)
                rc = compute(p);
        }
    }
    if (rc == 0)
        rc = ffcl_finish(ctx);
    ctx->arena = p->before;
    ctx->batch_invariant = invariant;
    return rc;
}

/* Lists of the nearest for each row, empty so far. */
static int want_nearest(plane *p)
{
    ffcl_ctx *ctx = p->ctx;
    const size_t n = p->rows->n * FFCL_NEAREST;
    float *none = malloc(n * sizeof *none);
    int rc = none ? create(ctx, &p->nearest, ffcl_tensor_of(FFCL_F32, 1, p->rows->n, FFCL_NEAREST),
                           "neighbours")
                  : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for precision and recall");
    for (size_t i = 0; rc == 0 && i < n; i++)
        none[i] = INFINITY;
    if (rc == 0)
        rc = create(ctx, &p->which, ffcl_tensor_of(FFCL_I32, 1, p->rows->n, FFCL_NEAREST),
                    "neighbours");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, p->nearest.mem, 0, none, n * sizeof *none);
    free(none);
    return rc;
}

int ffcl_neighbours_reach(float *reach, ffcl_ctx *ctx, const ffcl_kept *of, ffcl_error *err)
{
    plane p;
    float *all = malloc(of->n * FFCL_NEAREST * sizeof *all);
    int rc = open_plane(&p, ctx, of, of, err);
    if (rc == 0 && !all)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for precision and recall");
    if (rc == 0)
        rc = want_nearest(&p);
    if (rc == 0)
        rc = pass(&p);
    if (rc == 0)
        rc = ffcl_buffer_read(ctx, p.nearest.mem, 0, all, of->n * FFCL_NEAREST * sizeof *all);
    /* The 0th is the image itself. */
    for (size_t i = 0; rc == 0 && i < of->n; i++)
        reach[i] = all[i * FFCL_NEAREST + 3];
    close_plane(&p);
    free(all);
    return rc;
}

/* The share of flags that are set. */
static int share(double *out, ffcl_ctx *ctx, const ffcl_tensor *flags)
{
    const size_t n = ffcl_count(flags);
    int32_t *set = malloc(n * sizeof *set);
    int rc = set ? ffcl_buffer_read(ctx, flags->mem, 0, set, n * sizeof *set)
                 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for precision and recall");
    size_t count = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        count += set[i] != 0;
    free(set);
    *out = (double)count / (double)n;
    return rc;
}

/* A reach on the device, and flags that are 0. */
static int want_inside(plane *p, ffcl_tensor *reach, ffcl_tensor *flags, const float *from,
                       size_t n)
{
    int rc = create(p->ctx, reach, ffcl_tensor_of(FFCL_F32, 1, 1, n), "reaches");
    if (rc == 0)
        rc = create(p->ctx, flags, ffcl_tensor_of(FFCL_I32, 1, 1, n), "flags");
    if (rc == 0)
        rc = ffcl_buffer_write(p->ctx, reach->mem, 0, from, n * sizeof *from);
    return rc ? rc : ffcl_buffer_zero(p->ctx, flags->mem, n * sizeof(int32_t));
}

/* Of samples and reference together, whose reaches are known. */
static int cross(ffcl_neighbours *out, ffcl_ctx *ctx, const ffcl_kept *samples,
                 const ffcl_kept *reference, const float *of_sample, const float *of_reference,
                 ffcl_error *err)
{
    plane p;
    const size_t n = samples->n * FFCL_NEAREST;
    float *distances = malloc(n * sizeof *distances);
    int32_t *which = malloc(n * sizeof *which);
    int rc = open_plane(&p, ctx, samples, reference, err);
    if (rc == 0 && (!distances || !which))
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for precision and recall");
    if (rc == 0)
        rc = want_nearest(&p);
    if (rc == 0)
        rc = want_inside(&p, &p.of_row, &p.in_row, of_sample, samples->n);
    if (rc == 0)
        rc = want_inside(&p, &p.of_col, &p.in_col, of_reference, reference->n);
    if (rc == 0)
        rc = pass(&p);
    if (rc == 0)
        rc = share(&out->precision, ctx, &p.in_row);
    if (rc == 0)
        rc = share(&out->recall, ctx, &p.in_col);
    if (rc == 0)
        rc = ffcl_buffer_read(ctx, p.nearest.mem, 0, distances, n * sizeof *distances);
    if (rc == 0)
        rc = ffcl_buffer_read(ctx, p.which.mem, 0, which, n * sizeof *which);
    for (size_t i = 0; rc == 0 && i < samples->n; i++) {
        out->distance[i] = distances[i * FFCL_NEAREST];
        out->nearest[i] = which[i * FFCL_NEAREST];
    }
    close_plane(&p);
    free(distances);
    free(which);
    return rc;
}

int ffcl_neighbours_compute(ffcl_neighbours *out, ffcl_ctx *ctx, const ffcl_kept *samples,
                            const ffcl_kept *reference, ffcl_error *err)
{
    float *of_sample = malloc(samples->n * sizeof *of_sample);
    float *of_reference = malloc(reference->n * sizeof *of_reference);
    *out = (ffcl_neighbours){.distance = malloc(samples->n * sizeof *out->distance),
                             .nearest = malloc(samples->n * sizeof *out->nearest)};
    int rc = of_sample && of_reference && out->distance && out->nearest
                 ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for precision and recall");
    if (rc == 0)
        rc = ffcl_neighbours_reach(of_sample, ctx, samples, err);
    if (rc == 0)
        rc = ffcl_neighbours_reach(of_reference, ctx, reference, err);
    if (rc == 0)
        rc = cross(out, ctx, samples, reference, of_sample, of_reference, err);
    if (rc)
        ffcl_neighbours_close(out);
    free(of_sample);
    free(of_reference);
    return rc;
}

void ffcl_neighbours_close(ffcl_neighbours *n)
{
    free(n->distance);
    free(n->nearest);
    *n = (ffcl_neighbours){0};
}
