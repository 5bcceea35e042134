/* SPDX-License-Identifier: MIT */
#include "model/weight_reader.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "os/threads.h"
#include "util.h"

enum {
    MOST_THREADS = 6,           /* some GB/s of checksums each; more only wait for the upload */
    KEPT = 3                    /* pieces that the caller may still be uploading from */
};

typedef struct slot {
    float *data;
    size_t room;                /* floats */
    int is_filled, rc;
    ffcl_error err;             /* of rc */
} slot;

struct ffcl_weight_reader {
    const ffcl_tensor_file *opened; /* the same file, of which the rows are */
    const ffcl_weight_row *rows;
    size_t n_rows;
    size_t *step;               /* (n_rows) elements a piece */
    size_t *begin;              /* (n_rows + 1) number of the row's first piece, over all rows */
    pthread_mutex_t lock;
    pthread_cond_t filled, emptied;
    pthread_t threads[MOST_THREADS];
    size_t n_threads, n_slots;
    slot *slots;                /* (n_slots) piece i is in slot i % n_slots */
    size_t next_row;            /* the first that no thread has taken */
    size_t given;               /* pieces that the caller has got */
    size_t row;                 /* of the last of them */
    int is_over;
};

/* Does the host lay out the row's weight, part by part?  A part is a piece then. */
static int is_laid_out(const ffcl_weight_row *r)
{
    return r->kind == FFCL_ROW_CONV && ffcl_conv_parts(r->conv);
}

/* *step: elements of a piece of the row (1 where a piece is a part); *n: its pieces.  Pieces are
 * whole rows of a matrix, and of a convolution multiples of FFCL_CONV_STEP outputs. */
static int measure(const ffcl_weight_row *r, size_t *step, size_t *n, ffcl_error *err)
{
    const char *name = r->found->name;
    const size_t count = r->found->count;
    size_t line = 1, lines = FFCL_PIECE_FLOATS;
    if (is_laid_out(r)) {
        *n = ffcl_conv_parts(r->conv);
        *step = 1;
        return 0;
    }
    if (r->kind == FFCL_ROW_CONV) {
        line = count / r->conv->out;
        lines = FFCL_PIECE_FLOATS / line / FFCL_CONV_STEP * FFCL_CONV_STEP;
    } else if (r->kind == FFCL_ROW_MATRIX) {
        line = count / r->shape[0];
        lines = FFCL_PIECE_FLOATS / line;
    }
    if (lines == 0)
        return ffcl_fail(err, FFCL_EWEIGHTS, "%s has rows of %zu numbers, more than any model",
                         name, line);
    *step = lines * line;
    *n = ffcl_div_up(count, *step);
    return 0;
}

static int reserve(slot *s, size_t floats, ffcl_error *err)
{
    if (s->room >= floats)
        return 0;
    free(s->data);
    s->room = 0;
    s->data = malloc(floats * sizeof *s->data);
    if (!s->data)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for reading weights");
    s->room = floats;
    return 0;
}

/* What a thread reads: its own open file, the tensor of its row and, where the host lays that out,
 * all of it as it is in the file. */
typedef struct source {
    ffcl_tensor_file *file;
    const ffcl_tensor_info *info;
    float *raw;
} source;

/* Multiplies elements first .. first+n-1 of a convolution with the factors of their outputs. */
static void scale_outputs(const ffcl_weight_row *r, float *data, size_t first, size_t n)
{
    const size_t each = r->found->count / r->shape[0];
    for (size_t i = 0; r->scale && i < n; i++)
        data[i] *= r->scale[(first + i) / each];
}

static int begin_row(source *from, const ffcl_weight_row *r, const ffcl_tensor_file *opened,
                     ffcl_error *err)
{
    const char *path = ffcl_tensor_file_path(from->file);
    from->info = ffcl_tensor_file_find(from->file, r->found->name);
    if (!ffcl_tensor_file_same(from->file, opened) || !from->info ||
        from->info->count != r->found->count || from->info->dtype != r->found->dtype)
        return ffcl_fail(err, FFCL_EFILE, "%s was changed while it was read", path);
    if (!is_laid_out(r))
        return 0;
    from->raw = malloc(from->info->count * sizeof *from->raw);
    if (!from->raw)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", r->name);
    int rc = ffcl_tensor_file_read_f32(from->file, from->info, 0, from->info->count, from->raw,
                                       err);
    if (rc == 0)
        scale_outputs(r, from->raw, 0, from->info->count);
    return rc;
}

/* Reads or lays out piece i of the row into s. */
static int fill(const source *from, const ffcl_weight_row *r, size_t step, size_t i, slot *s,
                ffcl_error *err)
{
    if (from->raw) {
        int rc = reserve(s, ffcl_conv_part_count(r->conv), err);
        if (rc == 0)
            ffcl_conv_fill(r->conv, i, from->raw, s->data);
        return rc;
    }
    int rc = reserve(s, FFCL_PIECE_FLOATS, err);
    size_t n = ffcl_min(step, from->info->count - i * step);
    if (rc == 0)
        rc = ffcl_tensor_file_read_f32(from->file, from->info, i * step, n, s->data, err);
    if (rc == 0)
        scale_outputs(r, s->data, i * step, n);
    return rc;
}

/* Waits until the slot of piece i is free; returns 0 where the reader is being closed. */
static int wait_for_slot(ffcl_weight_reader *t, size_t i)
{
    pthread_mutex_lock(&t->lock);
    while (!t->is_over && i + KEPT >= t->given + t->n_slots)
        pthread_cond_wait(&t->emptied, &t->lock);
    int is_wanted = !t->is_over;
    pthread_mutex_unlock(&t->lock);
    return is_wanted;
}

static void give(ffcl_weight_reader *t, size_t i, int rc, const ffcl_error *err)
{
    slot *s = &t->slots[i % t->n_slots];
    pthread_mutex_lock(&t->lock);
    s->is_filled = 1;
    s->rc = rc;
    s->err = *err;
    pthread_cond_signal(&t->filled);
    pthread_mutex_unlock(&t->lock);
}

/* Reads the pieces of a row.  A failure goes to the caller in place of the piece it concerns. */
static int read_row(ffcl_weight_reader *t, source *from, size_t row)
{
    const ffcl_weight_row *r = &t->rows[row];
    const size_t n = t->begin[row + 1] - t->begin[row];
    ffcl_error err = {0};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const size_t at = t->begin[row] + i;
        if (!wait_for_slot(t, at))
            break;
        if (i == 0 && !from->file)
            rc = ffcl_tensor_file_reopen(&from->file, t->opened, &err);
        if (i == 0 && rc == 0)
            rc = begin_row(from, r, t->opened, &err);
        if (rc == 0)
            rc = fill(from, r, t->step[row], i, &t->slots[at % t->n_slots], &err);
        give(t, at, rc, &err);
    }
    free(from->raw);
    from->raw = NULL;
    return rc;
}

static void *read_rows(void *user)
{
    ffcl_weight_reader *t = user;
    source from = {0};
    int rc = 0;
    while (rc == 0) {
        pthread_mutex_lock(&t->lock);
        while (t->next_row < t->n_rows && t->begin[t->next_row] == t->begin[t->next_row + 1])
            t->next_row++;
        const size_t row = t->is_over ? t->n_rows : t->next_row;
        t->next_row += row < t->n_rows;
        pthread_mutex_unlock(&t->lock);
        if (row == t->n_rows)
            break;
        rc = read_row(t, &from, row);
    }
    ffcl_tensor_file_close(&from.file);
    return NULL;
}

static int start_threads(ffcl_weight_reader *t, ffcl_error *err)
{
    const size_t n = ffcl_min(ffcl_cores(), MOST_THREADS);
    t->n_slots = 2 * n + KEPT;
    t->slots = calloc(t->n_slots, sizeof *t->slots);
    if (!t->slots)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for reading weights");
    for (size_t i = 0; i < n; i++)
        t->n_threads += pthread_create(&t->threads[t->n_threads], NULL, read_rows, t) == 0;
    return t->n_threads ? 0 : ffcl_fail(err, FFCL_ENOMEM, "no thread can be started for reading "
                                        "weights" FFCL_THREADS_REMEDY);
}

int ffcl_weight_reader_open(ffcl_weight_reader **out, const ffcl_tensor_file *file,
                            const ffcl_weight_row *rows, size_t n_rows, ffcl_error *err)
{
    int rc = 0;
    *out = NULL;
    ffcl_weight_reader *t = calloc(1, sizeof *t);
    if (!t)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for reading weights");
    t->opened = file;
    t->rows = rows;
    t->n_rows = n_rows;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->filled, NULL);
    pthread_cond_init(&t->emptied, NULL);
    t->step = calloc(n_rows + 1, sizeof *t->step);
    t->begin = calloc(n_rows + 1, sizeof *t->begin);
    if (!t->step || !t->begin)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for reading weights");
    for (size_t i = 0; rc == 0 && i < n_rows; i++) {
        size_t n = 0;
        if (!rows[i].placed)
            rc = measure(&rows[i], &t->step[i], &n, err);
        t->begin[i + 1] = t->begin[i] + n;
    }
    if (rc == 0)
        rc = start_threads(t, err);
    if (rc)
        ffcl_weight_reader_close(&t);
    *out = t;
    return rc;
}

int ffcl_weight_reader_next(ffcl_weight_reader *t, ffcl_weight_piece *piece, ffcl_error *err)
{
    slot *s = &t->slots[t->given % t->n_slots];
    pthread_mutex_lock(&t->lock);
    while (!s->is_filled)
        pthread_cond_wait(&t->filled, &t->lock);
    int rc = s->rc;
    if (rc)
        *err = s->err;
    s->is_filled = 0;
    const size_t at = t->given++;
    pthread_cond_broadcast(&t->emptied);
    pthread_mutex_unlock(&t->lock);
    if (rc)
        return rc;
    while (t->begin[t->row + 1] <= at)
        t->row++;
    const ffcl_weight_row *r = &t->rows[t->row];
    const size_t i = at - t->begin[t->row], step = t->step[t->row];
    *piece = (ffcl_weight_piece){.first = i * step, .data = s->data,
                                 .n = is_laid_out(r) ? 1
                                                     : ffcl_min(step, r->found->count - i * step),
                                 .is_last = at + 1 == t->begin[t->row + 1]};
    return 0;
}

void ffcl_weight_reader_close(ffcl_weight_reader **reader)
{
    ffcl_weight_reader *t = *reader;
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->is_over = 1;
    pthread_cond_broadcast(&t->emptied);
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < t->n_threads; i++)
        pthread_join(t->threads[i], NULL);
    for (size_t i = 0; t->slots && i < t->n_slots; i++)
        free(t->slots[i].data);
    free(t->slots);
    free(t->step);
    free(t->begin);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->filled);
    pthread_cond_destroy(&t->emptied);
    free(t);
    *reader = NULL;
}
