/* SPDX-License-Identifier: MIT
 * From the file to the device: pieces of tensors as the reader gives them, uploaded, and cast or
 * transposed there. */
#include <string.h>

#include "cl/profile.h"
#include "gemm.h"
#include "model/weight_reader.h"
#include "util.h"

/* Uploads of two pieces are on their way at most: the reader keeps no more. */
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

/* Into the staging buffer; the queue is in order, so what was there has been used by then. */
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

/* A matrix that has its buffer to itself and lies in the file as it is wanted, used where it is.
 * Small ones are not worth a buffer over part of the file. */
static int map_matrix(ffcl_ctx *ctx, ffcl_tensor_file *file, const ffcl_weight_row *r)
{
    enum { LEAST = 1 << 18 };
    if (r->kind != FFCL_ROW_MATRIX || !r->to->nmajor || r->found->count != r->to->floats ||
        r->found->count < LEAST)
        return 0;
    const float *at = ffcl_tensor_file_map(file, r->found);
    return at ? ffcl_buffer_over(ctx, &r->to->mem, at, r->found->count * sizeof *at) : 0;
}

/* The buffer that a row fills, unless an earlier row has made it. */
static int place_row(ffcl_ctx *ctx, ffcl_tensor_file *file, ffcl_weight_row *r)
{
    const int is_bias = r->kind == FFCL_ROW_CONV_BIAS, is_half = ffcl_weight_is_half(r);
    r->placed = 0;
    if (r->kind == FFCL_ROW_CONV) {
        size_t parts, each = ffcl_conv_floats(r->conv, &parts) * (is_half ? 2 : 4);
        int rc = 0;
        if (is_half || ffcl_is_winograd(r->conv->kind))
            return ffcl_buffer_create(ctx, &r->conv->weight[0], parts * each, r->name);
        for (size_t i = 0; rc == 0 && i < parts; i++)
            rc = ffcl_buffer_create(ctx, &r->conv->weight[i], each, r->name);
        return rc;
    }
    cl_mem *to = is_bias ? &r->conv->bias : &r->to->mem;
    if (*to)
        return 0;
    int rc = map_matrix(ctx, file, r);
    r->placed = *to != NULL;
    if (rc || *to)
        return rc;
    size_t floats = is_bias ? ffcl_round_up(r->conv->out, 8) : r->to->floats;
    rc = ffcl_buffer_create(ctx, to, floats * (is_half ? 2 : 4), r->name);
    if (rc == 0 && (is_bias || is_half))
        rc = ffcl_buffer_zero(ctx, *to, floats * (is_half ? 2 : 4));
    return rc;
}

static int load_matrix(uploader *u, const ffcl_weight_row *r, const ffcl_weight_piece *p)
{
    const size_t K = r->found->count / r->shape[0], first = p->first / K, rows = p->n / K;
    if (r->to->nmajor)
        return upload(u, r->to->mem, (r->at + first) * K, p->data, p->n);
    int rc = stage(u, p->data, p->n);
    if (rc == 0 && r->half)
        rc = ffcl_cast_to_tiles(u->ctx, r->to->mem, u->staging, r->at + first, rows, K);
    else if (rc == 0)
        rc = ffcl_transpose(u->ctx, r->to->mem, r->at + first, r->ld, u->staging, rows, K);
    return rc;
}

/* Output channels in pieces, laid out on the device; or a weight that the reader laid out. */
static int load_conv(uploader *u, const ffcl_weight_row *r, const ffcl_weight_piece *p)
{
    const ffcl_conv_weight *conv = r->conv;
    size_t parts, each = ffcl_conv_floats(conv, &parts);
    const int is_winograd = ffcl_is_winograd(conv->kind);
    if (!is_winograd && !ffcl_weight_is_half(r))
        return upload(u, conv->weight[p->first], 0, p->data, each);
    int rc = stage(u, p->data, is_winograd ? p->n : each);
    if (rc == 0 && is_winograd) {
        const size_t channel = r->found->count / conv->out;
        rc = ffcl_winograd_weights(u->ctx, conv->weight[0], u->staging, conv, p->first / channel,
                                   p->n / channel);
    } else if (rc == 0) {
        rc = ffcl_cast_to_half(u->ctx, conv->weight[0], p->first * each, u->staging, each);
    }
    return rc;
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
            rc = upload(u, r->kind == FFCL_ROW_PLAIN ? r->to->mem : r->conv->bias,
                        r->at + p.first, p.data, p.n);
    }
    return rc;
}

int ffcl_weights_load(ffcl_weights *w, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    uploader u = {.ctx = ctx};
    ffcl_weight_reader *reader = NULL;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++)
        rc = place_row(ctx, w->file, &w->rows[i]);
    if (rc == 0)
        rc = ffcl_weight_reader_open(&reader, ffcl_tensor_file_path(w->file), w->rows, w->n_rows,
                                     ctx->err);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++) {
        if (!w->rows[i].placed)
            rc = load_row(&u, reader, &w->rows[i]);
        *done += ffcl_weight_row_bytes(&w->rows[i]);
        if (rc == 0)
            ffcl_report(ctx->obs, FFCL_PHASE_LOAD, NULL, *done, total);
    }
    if (rc == 0)
        rc = ffcl_finish(ctx);
    uploader_close(&u);
    ffcl_weight_reader_close(&reader);
    return rc;
}
