/* SPDX-License-Identifier: MIT
 * Weights that are used where they lie in the mapped file.
 *
 * On a CPU a buffer lies over each matrix.  A GPU that shares the host's memory wants more: its
 * drivers take memory as it is only where it begins with a page and ends with a line of the cache
 * (Intel's copy it otherwise), and buffers whose memory overlaps are undefined in OpenCL.  So
 * there a buffer has whole pages, all matrices that share one are in the same buffer, and each is a
 * view that begins somewhere in it. */
#include "model/weights_map.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gemm.h"
#include "util.h"

/* Floats of the smallest matrix that is worth a buffer; bytes of the largest buffer, in which
 * kernels can count floats. */
enum { LEAST = 1 << 18 };
static const uint64_t MOST = (uint64_t)4 << 30;

/* A matrix that fills a buffer alone and is to lie as it does in the file. */
static int is_alone(const ffcl_weight_row *r)
{
    return r->kind == FFCL_ROW_MATRIX && r->to->layout == FFCL_COLUMNS &&
           r->to->dtype == FFCL_F32 && r->found && r->found->count == ffcl_count(r->to) &&
           r->found->count >= LEAST;
}

size_t ffcl_weights_mapped_bytes(const ffcl_weights *w, const ffcl_ctx *ctx)
{
    size_t bytes = 0;
    for (size_t i = 0; ffcl_gemm_takes_columns(ctx) && i < w->n_rows; i++)
        if (is_alone(&w->rows[i]) && ffcl_tensor_file_can_map(w->file, w->rows[i].found))
            bytes += ffcl_weight_row_bytes(&w->rows[i]);
    return bytes;
}

/* A matrix in the mapping, and the pages that it touches. */
typedef struct place {
    ffcl_weight_row *row;
    uintptr_t at, begin, end;
} place;

static int by_address(const void *a, const void *b)
{
    const place *x = a, *y = b;
    return (x->at > y->at) - (x->at < y->at);
}

static int find_places(ffcl_weights *w, ffcl_ctx *ctx, place *places, size_t *n)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    *n = 0;
    for (size_t i = 0; i < w->n_rows; i++) {
        ffcl_weight_row *r = &w->rows[i];
        const float *at = NULL;
        int rc = is_alone(r) ? ffcl_tensor_file_map(&at, w->file, r->found, ctx->err) : 0;
        if (rc)
            return rc;
        const uintptr_t first = (uintptr_t)at, last = first + ffcl_weight_row_bytes(r);
        if (at)
            places[(*n)++] = (place){r, first, first / page * page,
                                     (last + page - 1) / page * page};
    }
    if (*n)
        qsort(places, *n, sizeof *places, by_address);
    return 0;
}

/* A buffer over n neighbouring places, which become views of it. */
static int share_buffer(ffcl_ctx *ctx, const place *p, size_t n)
{
    cl_mem mem = NULL;
    int rc = ffcl_buffer_over(ctx, &mem, (const void *)p->begin, p[n - 1].end - p->begin);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = FFCL_CL(ctx->err, clRetainMemObject(mem));
        if (rc)
            break;
        p[i].row->to->mem = mem;
        p[i].row->to->at = (p[i].at - p->begin) / sizeof(float);
        p[i].row->placed = 1;
    }
    if (mem)
        clReleaseMemObject(mem);
    return rc;
}

/* What the driver refuses is read into buffers, as other weights are. */
static void map_pages(ffcl_ctx *ctx, const place *places, size_t n)
{
    const uint64_t most = ffcl_min((uint64_t)ctx->device.caps.max_alloc_bytes, MOST);
    ffcl_error ignored = {0}, *err = ctx->err;
    size_t end = 0, refused = 0;
    uintptr_t used = 0;
    ctx->err = &ignored;
    for (size_t first = 0; !refused && first < n; first = end) {
        const place *p = &places[first];
        for (end = first + 1; end < n && places[end].begin < places[end - 1].end &&
                              places[end].end - p->begin <= most; end++)
            ;
        /* Its first page may be in the buffer before, which would have become too large. */
        if (p->begin >= used && p->end - p->begin <= most) {
            refused = share_buffer(ctx, p, end - first) != 0;
            used = places[end - 1].end;
        }
    }
    ctx->err = err;
    if (refused)
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, "the driver does not take weights where they lie in "
                    "the file; they are read into buffers of its own", 0, 0);
}

int ffcl_weights_map(ffcl_weights *w, ffcl_ctx *ctx)
{
    if (!ffcl_gemm_takes_columns(ctx))
        return 0;
    size_t n = 0;
    place *places = calloc(w->n_rows + 1, sizeof *places);
    if (!places)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for the list of weights");
    int rc = find_places(w, ctx, places, &n);
    if (rc == 0 && !ffcl_is_cpu(ctx))
        map_pages(ctx, places, n);
    for (size_t i = 0; rc == 0 && ffcl_is_cpu(ctx) && i < n; i++) {
        ffcl_weight_row *r = places[i].row;
        rc = ffcl_buffer_over(ctx, &r->to->mem, (const void *)places[i].at,
                              ffcl_weight_row_bytes(r));
        r->placed = rc == 0;
    }
    free(places);
    return rc;
}
