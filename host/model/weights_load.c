/* SPDX-License-Identifier: MIT
 * From the file to the device: uploads the pieces of the reader, and casts or transposes them
 * there. */
#include <string.h>

#include "cl/profile.h"
#include "gemm.h"
#include "model/weight_reader.h"
#include "model/weights_map.h"
#include "util.h"

/* At most two uploads are in flight, as the reader keeps no more pieces. */
typedef struct uploader {
    ffcl_ctx *ctx;
    cl_event busy[2];
    cl_mem staging;             /* float32 on the device, before a cast or transpose */
    size_t room;                /* of staging, in floats */
    int turn;
} uploader;

static void uploader_close(uploader *u)
{
    clFinish(u->ctx->queue);
    for (int i = 0; i < 2; i++)
        if (u->busy[i])
            clReleaseEvent(u->busy[i]);
    if (u->staging)
        clReleaseMemObject(u->staging);
}

static int upload(uploader *u, cl_mem to, size_t at, const float *from, size_t n)
{
    cl_event *busy = &u->busy[u->turn];
    u->turn = !u->turn;
    if (*busy) {
        int rc = FFCL_CL(u->ctx->err, clWaitForEvents(1, busy));
        clReleaseEvent(*busy);
        *busy = NULL;
        if (rc)
            return rc;
    }
    int rc = FFCL_CL(u->ctx->err, clEnqueueWriteBuffer(u->ctx->queue, to, CL_FALSE,
                                                       at * sizeof(float), n * sizeof(float), from,
                                                       0, NULL, busy));
    ffcl_profile_note(u->ctx, "write", n * sizeof(float), *busy);
    return rc;
}

/* Writes n floats into the staging buffer.  The queue is in order, so earlier kernels have read
 * what was there. */
static int stage(uploader *u, const float *from, size_t n)
{
    if (u->room < n) {
        int rc = ffcl_finish(u->ctx);
        if (u->staging)
            clReleaseMemObject(u->staging);
        u->staging = NULL;
        u->room = ffcl_max(n, FFCL_PIECE_FLOATS);
        if (rc == 0)
            rc = ffcl_buffer_create(u->ctx, &u->staging, u->room * sizeof(float), "staging");
        if (rc) {
            u->room = 0;
            return rc;
        }
    }
    return upload(u, u->staging, 0, from, n);
}

static int place_conv(ffcl_ctx *ctx, const ffcl_weight_row *r)
{
    ffcl_conv_weight *conv = r->conv;
    size_t count, n = ffcl_conv_buffers(conv, &count);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = ffcl_buffer_create(ctx, &conv->weight[i].mem, count * ffcl_dtype_bytes(conv->dtype),
                                r->name);
    return rc;
}

/* Creates the buffer that a row fills, unless an earlier row has. */
static int place_row(ffcl_ctx *ctx, ffcl_weight_row *r)
{
    const int is_bias = r->kind == FFCL_ROW_CONV_BIAS || r->kind == FFCL_ROW_CONV_ZEROS;
    ffcl_tensor *to = is_bias ? &r->conv->bias : r->to;
    r->placed |= r->kind == FFCL_ROW_HOST || r->kind == FFCL_ROW_CONV_ZEROS;
    if (r->kind == FFCL_ROW_HOST)
        return 0;
    if (r->kind == FFCL_ROW_CONV)
        return place_conv(ctx, r);
    if (to->mem)
        return 0;
    const size_t bytes = ffcl_weight_count(to) * ffcl_dtype_bytes(to->dtype);
    int rc = ffcl_buffer_create(ctx, &to->mem, bytes, r->name);
    if (rc == 0 && (is_bias || to->layout == FFCL_TILES))
        rc = ffcl_buffer_zero(ctx, to->mem, bytes);
    return rc;
}

/* rows x cols floats in the staging buffer. */
static ffcl_tensor staged(const uploader *u, size_t rows, size_t cols)
{
    return ffcl_tensor_in(u->staging, ffcl_tensor_of(FFCL_F32, 1, rows, cols));
}

/* Where other weights stay as in the file: (n, K) of p into columns first .. first + n - 1 of r's
 * matrix (K, .).  They are few and small, and a program for them would take longer to compile. */
static int transpose_on_host(uploader *u, const ffcl_weight_row *r, const ffcl_weight_piece *p,
                             size_t first, size_t n)
{
    const size_t K = p->n / n, bytes = ffcl_weight_count(r->to) * sizeof(float);
    cl_int code;
    float *to = clEnqueueMapBuffer(u->ctx->queue, r->to->mem, CL_TRUE, CL_MAP_WRITE, 0, bytes, 0,
                                   NULL, NULL, &code);
    int rc = FFCL_CL_CODE(u->ctx->err, code, "clEnqueueMapBuffer");
    if (rc)
        return rc;
    for (size_t k = 0; k < K; k++)
        for (size_t i = 0; i < n; i++)
            to[r->to->at + k * r->to->ld + first + i] = p->data[i * K + k];
    return FFCL_CL(u->ctx->err, clEnqueueUnmapMemObject(u->ctx->queue, r->to->mem, to, 0, NULL,
                                                        NULL));
}

static int load_matrix(uploader *u, const ffcl_weight_row *r, const ffcl_weight_piece *p)
{
    /* A weight in tiles may have more rows, which stay 0. */
    const size_t K = r->found->count / r->shape[0], first = r->at + p->first / K, n = p->n / K;
    if (r->to->layout == FFCL_COLUMNS)
        return upload(u, r->to->mem, first * K, p->data, p->n);
    if (r->to->layout == FFCL_ROWS && r->to->dtype == FFCL_F32 && ffcl_gemm_takes_columns(u->ctx))
        return transpose_on_host(u, r, p, first, n);
    int rc = stage(u, p->data, p->n);
    if (rc)
        return rc;
    const ffcl_tensor from = staged(u, n, K), to = ffcl_cols(*r->to, first, n);
    if (r->to->layout == FFCL_TILES)
        ffcl_cast_to_tiles(u->ctx, r->to, &from, first);
    else
        ffcl_transpose(u->ctx, &to, &from);
    return ffcl_ctx_check(u->ctx);
}

/* A piece of a convolution: output channels, which the device lays out, or a part that the reader
 * laid out. */
static int load_conv(uploader *u, const ffcl_weight_row *r, const ffcl_weight_piece *p)
{
    const ffcl_conv_weight *conv = r->conv;
    const size_t each = ffcl_conv_part_count(conv), parts = ffcl_conv_parts(conv);
    if (parts && conv->dtype == FFCL_F32)
        return upload(u, conv->weight[p->first].mem, 0, p->data, each);
    const size_t count = parts ? each : p->n, channel = r->found->count / conv->out;
    int rc = stage(u, p->data, count);
    if (rc)
        return rc;
    const ffcl_tensor from = staged(u, 1, count);
    if (parts)
        ffcl_conv_load_part(u->ctx, conv, p->first, &from);
    else
        ffcl_conv_load_channels(u->ctx, conv, p->first / channel, p->n / channel, &from);
    return ffcl_ctx_check(u->ctx);
}

static int load_row(uploader *u, ffcl_weight_reader *reader, const ffcl_weight_row *r)
{
    ffcl_weight_piece p = {0};
    int rc = 0;
    while (rc == 0 && !p.is_last) {
        rc = ffcl_weight_reader_next(reader, &p, u->ctx->err);
        if (rc)
            break;
        if (r->kind == FFCL_ROW_MATRIX)
            rc = load_matrix(u, r, &p);
        else if (r->kind == FFCL_ROW_CONV)
            rc = load_conv(u, r, &p);
        else
            rc = upload(u, r->kind == FFCL_ROW_PLAIN ? r->to->mem : r->conv->bias.mem,
                        r->at + p.first, p.data, p.n);
    }
    return rc;
}

int ffcl_weights_load(ffcl_weights *w, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    uploader u = {.ctx = ctx};
    ffcl_weight_reader *reader = NULL;
    int rc = ffcl_weights_map(w, ctx);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++)
        rc = place_row(ctx, &w->rows[i]);
    if (rc == 0)
        rc = ffcl_weight_reader_open(&reader, w->file, w->rows, w->n_rows, ctx->err);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++) {
        if (!w->rows[i].placed)
            rc = load_row(&u, reader, &w->rows[i]);
        const size_t bytes = ffcl_weight_row_bytes(&w->rows[i]);
        *done += bytes;
        if (rc == 0 && bytes)       /* the end is reported once, whatever follows it */
            ffcl_report(ctx->obs, FFCL_PHASE_LOAD, NULL, *done, total);
    }
    if (rc == 0)
        rc = ffcl_finish(ctx);
    uploader_close(&u);
    ffcl_weight_reader_close(&reader);
    return rc ? rc : ffcl_tensor_file_check(w->file, ctx->err);
}
