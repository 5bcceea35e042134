/* SPDX-License-Identifier: MIT */
#include "model/weights.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/profile.h"
#include "gemm.h"
#include "util.h"

int ffcl_weights_open(ffcl_weights *w, const char *path, ffcl_rename *rename, void *user,
                      ffcl_error *err)
{
    memset(w, 0, sizeof *w);
    int rc = ffcl_tensor_file_open(&w->file, path, err);
    if (rc)
        return rc;
    size_t n = ffcl_tensor_file_count(w->file);
    w->names = calloc(n + 1, sizeof *w->names);
    if (!w->names) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the tensors of %s", path);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(w->file, i);
        char *name = rename(info->name, user);
        if (name)
            w->names[w->n_names++] = (ffcl_name){name, info, 0};
    }
out:
    if (rc)
        ffcl_weights_close(w);
    return rc;
}

void ffcl_weights_close(ffcl_weights *w)
{
    for (size_t i = 0; i < w->n_names; i++)
        free(w->names[i].name);
    free(w->names);
    free(w->rows);
    ffcl_tensor_file_close(&w->file);
    memset(w, 0, sizeof *w);
}

static ffcl_name *find(const ffcl_weights *w, const char *name)
{
    for (size_t i = 0; i < w->n_names; i++)
        if (strcmp(w->names[i].name, name) == 0)
            return &w->names[i];
    return NULL;
}

const ffcl_tensor_info *ffcl_weights_find(const ffcl_weights *w, const char *format, ...)
{
    char name[96];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    const ffcl_name *found = find(w, name);
    return found ? found->info : NULL;
}

int ffcl_weights_has(const ffcl_weights *w, const char *format, ...)
{
    char prefix[96];
    va_list args;
    va_start(args, format);
    vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    for (size_t i = 0; i < w->n_names; i++)
        if (strncmp(w->names[i].name, prefix, strlen(prefix)) == 0)
            return 1;
    return 0;
}

void ffcl_weights_add(ffcl_weights *w, const ffcl_weight_row *row, const char *format, ...)
{
    if (w->n_rows == w->room) {
        size_t room = w->room ? 2 * w->room : 256;
        ffcl_weight_row *grown = realloc(w->rows, room * sizeof *grown);
        if (!grown) {
            w->out_of_memory = 1;
            return;
        }
        w->rows = grown;
        w->room = room;
    }
    ffcl_weight_row *r = &w->rows[w->n_rows++];
    *r = *row;
    va_list args;
    va_start(args, format);
    vsnprintf(r->name, sizeof r->name, format, args);
    va_end(args);
}

/* Equal but for trailing ones: attention weights come as (C, C) or (C, C, 1, 1). */
static int same_shape(const ffcl_weight_row *r, const ffcl_tensor_info *info)
{
    for (int i = 0; i < FFCL_MAX_RANK; i++) {
        size_t want = i < r->rank ? r->shape[i] : 1;
        size_t got = i < info->rank ? info->shape[i] : 1;
        if (want != got)
            return 0;
    }
    return 1;
}

/* A growing, bounded list of complaints. */
typedef struct complaints {
    char text[3600];
    size_t used, shown, n;
} complaints;

static void complain(complaints *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void complain(complaints *c, const char *format, ...)
{
    c->n++;
    if (c->used > sizeof c->text - 300)
        return;
    c->used += (size_t)snprintf(c->text + c->used, sizeof c->text - c->used, "%s",
                                c->shown++ ? "; " : "");
    va_list args;
    va_start(args, format);
    c->used += (size_t)vsnprintf(c->text + c->used, sizeof c->text - c->used, format, args);
    va_end(args);
}

int ffcl_weights_check(ffcl_weights *w, const char *what, ffcl_error *err)
{
    const char *path = ffcl_tensor_file_path(w->file);
    complaints c = {.used = 0};
    char want[64], got[64];
    if (w->out_of_memory)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the tensors of %s", path);
    for (size_t i = 0; i < w->n_rows; i++) {
        ffcl_weight_row *r = &w->rows[i];
        ffcl_name *found = find(w, r->name);
        ffcl_shape_text(want, sizeof want, r->shape, r->rank);
        if (!found) {
            complain(&c, "%s %s is missing", r->name, want);
            continue;
        }
        found->used = 1;
        r->found = found->info;
        if (!same_shape(r, found->info))
            complain(&c, "%s is %s and should be %s", found->info->name,
                     ffcl_shape_text(got, sizeof got, found->info->shape, found->info->rank), want);
        else if (found->info->dtype > FFCL_F64)
            complain(&c, "%s holds integers", found->info->name);
    }
    for (size_t i = 0; i < w->n_names; i++) {
        for (size_t j = i + 1; j < w->n_names; j++)
            if (strcmp(w->names[i].name, w->names[j].name) == 0)
                complain(&c, "%s and %s are the same weight", w->names[i].info->name,
                         w->names[j].info->name);
        if (!w->names[i].used)
            complain(&c, "%s is not part of the model", w->names[i].info->name);
    }
    if (c.n == 0)
        return 0;
    if (c.shown < c.n)
        snprintf(c.text + c.used, sizeof c.text - c.used, "; and %zu more", c.n - c.shown);
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s is no %s that fits: %s", path, what, c.text);
}

static size_t conv_floats(const ffcl_conv_weight *conv)
{
    size_t parts, each = ffcl_conv_floats(conv, &parts);
    return parts * each;
}

/* Is the row stored as half on the device? */
static int is_half(const ffcl_weight_row *r)
{
    if (r->kind == FFCL_ROW_CONV)
        return r->conv->store == FFCL_STORE_HALF;
    return r->half;
}

static size_t row_floats(const ffcl_weight_row *r)
{
    if (r->kind == FFCL_ROW_CONV)
        return conv_floats(r->conv);
    size_t n = 1;
    for (int i = 0; i < r->rank; i++)
        n *= r->shape[i];
    return r->half ? ffcl_tiled_halves(r->shape[0], n / r->shape[0]) : n;
}

static size_t row_bytes(const ffcl_weight_row *r)
{
    return row_floats(r) * (is_half(r) ? 2 : 4);
}

size_t ffcl_weights_bytes(const ffcl_weights *w)
{
    size_t bytes = 0;
    for (size_t i = 0; i < w->n_rows; i++)
        bytes += row_bytes(&w->rows[i]);
    return bytes;
}

size_t ffcl_weights_largest(const ffcl_weights *w)
{
    size_t largest = 0;
    for (size_t i = 0; i < w->n_rows; i++) {
        const ffcl_weight_row *r = &w->rows[i];
        size_t bytes = row_bytes(r);
        if (r->kind == FFCL_ROW_CONV && !is_half(r))
            bytes /= r->conv->kind == FFCL_CONV_UPSAMPLE ? 4 : 1;
        else if (r->kind == FFCL_ROW_PLAIN || r->kind == FFCL_ROW_MATRIX)
            bytes = r->to->floats * (r->half ? 2 : 4);
        largest = ffcl_max(largest, bytes);
    }
    return largest;
}

/* Two host pieces in turn, so that reading one overlaps with uploading the other. */
enum { PIECE_FLOATS = 4 << 20 };

typedef struct uploader {
    ffcl_ctx *ctx;
    float *host[2];
    cl_event busy[2];
    cl_mem staging[2];
    int turn;
} uploader;

static int uploader_open(uploader *u, ffcl_ctx *ctx)
{
    memset(u, 0, sizeof *u);
    u->ctx = ctx;
    for (int i = 0; i < 2; i++) {
        u->host[i] = malloc(PIECE_FLOATS * sizeof(float));
        if (!u->host[i])
            return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for reading weights");
        int rc = ffcl_buffer_create(ctx, &u->staging[i], PIECE_FLOATS * sizeof(float), "staging");
        if (rc)
            return rc;
    }
    return 0;
}

static void uploader_close(uploader *u)
{
    clFinish(u->ctx->queue);
    for (int i = 0; i < 2; i++) {
        if (u->busy[i])
            clReleaseEvent(u->busy[i]);
        if (u->staging[i])
            clReleaseMemObject(u->staging[i]);
        free(u->host[i]);
    }
}

/* The next free piece, once its last upload is done. */
static int uploader_next(uploader *u, int *piece)
{
    *piece = u->turn;
    u->turn = !u->turn;
    cl_event *busy = &u->busy[*piece];
    if (!*busy)
        return 0;
    int rc = FFCL_CL(u->ctx->err, clWaitForEvents(1, busy));
    clReleaseEvent(*busy);
    *busy = NULL;
    return rc;
}

static int upload(uploader *u, int piece, cl_mem to, size_t at, size_t n)
{
    int rc = FFCL_CL(u->ctx->err, clEnqueueWriteBuffer(u->ctx->queue, to, CL_FALSE,
                                                       at * sizeof(float), n * sizeof(float),
                                                       u->host[piece], 0, NULL, &u->busy[piece]));
    ffcl_profile_note(u->ctx, "write", n * sizeof(float), u->busy[piece]);
    return rc;
}

static int load_plain(uploader *u, ffcl_tensor_file *file, const ffcl_weight_row *r, cl_mem to)
{
    int rc = 0;
    for (size_t first = 0; rc == 0 && first < r->found->count; first += PIECE_FLOATS) {
        size_t n = ffcl_min(PIECE_FLOATS, r->found->count - first);
        int piece;
        rc = uploader_next(u, &piece);
        if (rc == 0)
            rc = ffcl_tensor_file_read_f32(file, r->found, first, n, u->host[piece], u->ctx->err);
        if (rc == 0)
            rc = upload(u, piece, to, r->at + first, n);
    }
    return rc;
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

static int load_matrix(uploader *u, ffcl_tensor_file *file, const ffcl_weight_row *r)
{
    size_t N = r->shape[0], K = r->found->count / N;
    if (K > PIECE_FLOATS)
        return ffcl_fail(u->ctx->err, FFCL_EWEIGHTS,
                         "%s has rows of %zu numbers, more than any model", r->found->name, K);
    size_t step = PIECE_FLOATS / K;
    int rc = 0;
    for (size_t first = 0; rc == 0 && first < N; first += step) {
        size_t rows = ffcl_min(step, N - first);
        int piece;
        rc = uploader_next(u, &piece);
        if (rc == 0)
            rc = ffcl_tensor_file_read_f32(file, r->found, first * K, rows * K, u->host[piece],
                                           u->ctx->err);
        if (rc == 0 && r->to->nmajor) {
            rc = upload(u, piece, r->to->mem, (r->at + first) * K, rows * K);
            continue;
        }
        if (rc == 0)
            rc = upload(u, piece, u->staging[piece], 0, rows * K);
        if (rc == 0 && r->half)
            rc = ffcl_cast_to_tiles(u->ctx, r->to->mem, u->staging[piece], r->at + first, rows, K);
        else if (rc == 0)
            rc = ffcl_transpose(u->ctx, r->to->mem, r->at + first, r->ld, u->staging[piece], rows,
                                K);
    }
    return rc;
}

/* Part i of a half weight, through a float buffer and a cast. */
static int upload_half(ffcl_ctx *ctx, ffcl_conv_weight *conv, size_t i, const float *laid_out,
                       size_t each)
{
    cl_mem staging = NULL;
    int rc = ffcl_buffer_create(ctx, &staging, each * sizeof(float), "a convolution's weight");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, staging, 0, laid_out, each * sizeof(float));
    if (rc == 0)
        rc = ffcl_cast_to_half(ctx, conv->weight[0], i * each, staging, each);
    if (rc == 0)
        rc = ffcl_finish(ctx);
    if (staging)
        clReleaseMemObject(staging);
    return rc;
}

static int load_conv(ffcl_ctx *ctx, ffcl_tensor_file *file, const ffcl_weight_row *r)
{
    ffcl_conv_weight *conv = r->conv;
    const int half = is_half(r);
    size_t parts, each = ffcl_conv_floats(conv, &parts);
    float *raw = malloc(r->found->count * sizeof *raw), *laid_out = malloc(each * sizeof *laid_out);
    int rc = 0;
    if (!raw || !laid_out)
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s", r->name);
    if (rc == 0)
        rc = ffcl_tensor_file_read_f32(file, r->found, 0, r->found->count, raw, ctx->err);
    if (rc == 0 && half)
        rc = ffcl_buffer_create(ctx, &conv->weight[0], parts * each * 2, r->name);
    for (size_t i = 0; rc == 0 && i < parts; i++) {
        ffcl_conv_layout(conv->kind, conv->store, i, raw, conv->in, conv->out, conv->side,
                         laid_out);
        if (half) {
            rc = upload_half(ctx, conv, i, laid_out, each);
            continue;
        }
        rc = ffcl_buffer_create(ctx, &conv->weight[i], each * sizeof(float), r->name);
        if (rc == 0)
            rc = ffcl_buffer_write(ctx, conv->weight[i], 0, laid_out, each * sizeof(float));
    }
    free(raw);
    free(laid_out);
    return rc;
}

/* Output channels in pieces, laid out on the device. */
static int load_winograd(uploader *u, ffcl_tensor_file *file, const ffcl_weight_row *r)
{
    ffcl_conv_weight *conv = r->conv;
    size_t parts, floats = ffcl_conv_floats(conv, &parts), each = r->found->count / conv->out;
    size_t step = PIECE_FLOATS / each / FFCL_WINOGRAD_STEP * FFCL_WINOGRAD_STEP;
    if (step == 0)
        return ffcl_fail(u->ctx->err, FFCL_EWEIGHTS, "%s has %zu input channels, more than any "
                         "model", r->found->name, conv->in);
    int rc = ffcl_buffer_create(u->ctx, &conv->weight[0], floats * sizeof(float), r->name);
    for (size_t first = 0; rc == 0 && first < conv->out; first += step) {
        size_t rows = ffcl_min(step, conv->out - first);
        int piece;
        rc = uploader_next(u, &piece);
        if (rc == 0)
            rc = ffcl_tensor_file_read_f32(file, r->found, first * each, rows * each,
                                           u->host[piece], u->ctx->err);
        if (rc == 0)
            rc = upload(u, piece, u->staging[piece], 0, rows * each);
        if (rc == 0)
            rc = ffcl_winograd_weights(u->ctx, conv->weight[0], u->staging[piece], conv, first,
                                       rows);
    }
    return rc;
}

static int zero(ffcl_ctx *ctx, cl_mem mem, size_t bytes)
{
    static const float nothing = 0.0f;
    return FFCL_CL(ctx->err, clEnqueueFillBuffer(ctx->queue, mem, &nothing, sizeof nothing, 0,
                                                 bytes, 0, NULL,
                                                 ffcl_profile_copy(ctx, "fill", bytes)));
}

static int load_row(uploader *u, ffcl_tensor_file *file, const ffcl_weight_row *r)
{
    if (r->kind == FFCL_ROW_CONV)
        return ffcl_is_winograd(r->conv->kind) ? load_winograd(u, file, r)
                                               : load_conv(u->ctx, file, r);
    int is_bias = r->kind == FFCL_ROW_CONV_BIAS;
    cl_mem *to = is_bias ? &r->conv->bias : &r->to->mem;
    if (!*to) {
        int rc = map_matrix(u->ctx, file, r);
        if (rc || *to)
            return rc;
    }
    if (!*to) {
        size_t floats = is_bias ? ffcl_round_up(r->conv->out, 8) : r->to->floats;
        int rc = ffcl_buffer_create(u->ctx, to, floats * (r->half ? 2 : 4), r->name);
        if (rc == 0 && (is_bias || r->half))
            rc = zero(u->ctx, *to, floats * (r->half ? 2 : 4));
        if (rc)
            return rc;
    }
    return r->kind == FFCL_ROW_MATRIX ? load_matrix(u, file, r) : load_plain(u, file, r, *to);
}

int ffcl_weights_load(ffcl_weights *w, ffcl_ctx *ctx, uint64_t *done, uint64_t total)
{
    uploader u;
    int rc = uploader_open(&u, ctx);
    for (size_t i = 0; rc == 0 && i < w->n_rows; i++) {
        rc = load_row(&u, w->file, &w->rows[i]);
        *done += row_bytes(&w->rows[i]);
        if (rc == 0)
            ffcl_report(ctx->obs, FFCL_PHASE_LOAD, NULL, *done, total);
    }
    if (rc == 0)
        rc = ffcl_finish(ctx);
    uploader_close(&u);
    return rc;
}

void ffcl_weight_release(ffcl_weight *weight)
{
    if (weight->mem)
        clReleaseMemObject(weight->mem);
    weight->mem = NULL;
}

void ffcl_conv_release(ffcl_conv_weight *conv)
{
    for (int i = 0; i < 4; i++) {
        if (conv->weight[i])
            clReleaseMemObject(conv->weight[i]);
        conv->weight[i] = NULL;
    }
    if (conv->bias)
        clReleaseMemObject(conv->bias);
    conv->bias = NULL;
}
