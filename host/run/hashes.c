/* SPDX-License-Identifier: MIT */
#include "run/hashes.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "files/input.h"
#include "files/shards.h"
#include "os/threads.h"
#include "util.h"

/* Bytes of a piece, of a read; a thread computes a GB/s or so. */
enum { FILES = 2, PIECE = 32 << 20, READ = 1 << 20, MOST_THREADS = 8 };

/* A weight file in pieces, which threads take one after another. */
typedef struct file {
    const char *path;               /* borrowed from the configuration or an index */
    int fd;
    ffcl_file_id id;                /* as it was opened */
    uint64_t bytes;
    size_t n;                       /* pieces */
    uLong *crc;                     /* (n) */
} file;

/* A file that the configuration names and, where that is an index, its shards. */
typedef struct weights {
    const char *path;
    ffcl_shards shards;
    size_t first, n;                /* of the files */
    char text[64];
} weights;

struct ffcl_hashes {
    weights of[FILES];
    file *files;                    /* (n_files) */
    size_t n_files;
    size_t next;                    /* piece, counted over all files */
    pthread_mutex_t lock;           /* of next, rc and err */
    pthread_t threads[MOST_THREADS];
    size_t n_threads;
    int rc;
    atomic_int cancelled;
    ffcl_error err;
};

static int open_file(file *f, ffcl_error *err)
{
    struct stat st;
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (f->fd < 0 || fstat(f->fd, &st) != 0)
        return ffcl_fail(err, FFCL_EFILE, "cannot open %s: %s", f->path, strerror(errno));
    if (ffcl_file_id_get(&f->id, f->fd))
        return ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", f->path, strerror(errno));
    f->bytes = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    f->n = (size_t)((f->bytes + PIECE - 1) / PIECE);
    f->crc = calloc(f->n + 1, sizeof *f->crc);
    return f->crc ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory while reading %s", f->path);
}

static uint64_t piece_bytes(const file *f, size_t piece)
{
    return piece + 1 < f->n ? PIECE : f->bytes - (uint64_t)piece * PIECE;
}

static int hash_piece(ffcl_hashes *h, file *f, size_t piece, uint8_t *memory, ffcl_error *err)
{
    uint64_t at = (uint64_t)piece * PIECE, end = at + piece_bytes(f, piece);
    uLong crc = crc32_z(0, NULL, 0);
    while (at < end && !atomic_load(&h->cancelled)) {
        ssize_t n = pread(f->fd, memory, ffcl_min(READ, (size_t)(end - at)), (off_t)at);
        if (n <= 0)
            return ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", f->path,
                             n < 0 ? strerror(errno) : "it became shorter");
        crc = crc32_z(crc, memory, (size_t)n);
        at += (uint64_t)n;
    }
    f->crc[piece] = crc;
    return 0;
}

/* The next piece of any file, NULL after the last. */
static file *take(ffcl_hashes *h, size_t *piece)
{
    pthread_mutex_lock(&h->lock);
    *piece = h->next++;
    pthread_mutex_unlock(&h->lock);
    for (size_t i = 0; i < h->n_files; i++) {
        if (*piece < h->files[i].n)
            return &h->files[i];
        *piece -= h->files[i].n;
    }
    return NULL;
}

static void *hash_pieces(void *user)
{
    ffcl_hashes *h = user;
    ffcl_error err = {0};
    uint8_t *memory = malloc(READ);
    size_t piece;
    int rc = memory ? 0 : ffcl_fail(&err, FFCL_ENOMEM, "out of memory while reading weights");
    for (file *f; !rc && !atomic_load(&h->cancelled) && (f = take(h, &piece));)
        rc = hash_piece(h, f, piece, memory, &err);
    free(memory);
    pthread_mutex_lock(&h->lock);
    if (rc && !h->rc) {
        h->rc = rc;
        h->err = err;
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

/* Opens the files of what the configuration names. */
static int open_weights(ffcl_hashes *h, weights *w, ffcl_error *err)
{
    w->first = h->n_files;
    if (strcmp(w->path, "none") == 0)       /* [vae] weights */
        return 0;
    int rc = ffcl_shards_read(&w->shards, w->path, err);
    if (rc)
        return rc;
    file *grown = realloc(h->files, (h->n_files + 1 + w->shards.n) * sizeof *grown);
    if (!grown)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the weights' checksums");
    h->files = grown;
    for (; rc == 0 && w->n < 1 + w->shards.n; w->n++) {
        file *f = &h->files[h->n_files++];
        *f = (file){.path = w->n ? w->shards.paths[w->n - 1] : w->path, .fd = -1};
        rc = open_file(f, err);
    }
    return rc;
}

int ffcl_hashes_start(ffcl_hashes **out, const ffcl_config *cfg, ffcl_error *err)
{
    const char *const paths[FILES] = {cfg->model.checkpoint, cfg->vae.weights};
    const size_t most = ffcl_min(ffcl_cores(), MOST_THREADS);
    ffcl_hashes *h = *out = calloc(1, sizeof *h);
    if (!h)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the weights' checksums");
    pthread_mutex_init(&h->lock, NULL);
    for (size_t i = 0; i < FILES; i++)
        h->of[i].path = paths[i];
    /* A file that cannot be read is reported by the reader of weights, which knows more. */
    for (size_t i = 0; i < FILES && !h->rc; i++)
        h->rc = open_weights(h, &h->of[i], &h->err);
    for (size_t i = 0; i < most && !h->rc; i++)
        h->n_threads += pthread_create(&h->threads[h->n_threads], NULL, hash_pieces, h) == 0;
    if (h->n_threads || h->rc)
        return 0;
    ffcl_hashes_close(out);
    return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started for the weights' checksums"
                     FFCL_THREADS_REMEDY);
}

static void join(ffcl_hashes *h)
{
    for (size_t i = 0; i < h->n_threads; i++)
        pthread_join(h->threads[i], NULL);
    h->n_threads = 0;
}

/* Of all files after each other. */
static const char *text_of(const ffcl_hashes *h, weights *w)
{
    uLong crc = crc32_z(0, NULL, 0);
    uint64_t bytes = 0;
    if (strcmp(w->path, "none") == 0)
        return "none";
    for (size_t k = 0; k < w->n; k++) {
        const file *f = &h->files[w->first + k];
        for (size_t i = 0; f->crc && i < f->n; i++)
            crc = crc32_combine(crc, f->crc[i], (z_off_t)piece_bytes(f, i));
        bytes += f->bytes;
    }
    snprintf(w->text, sizeof w->text, "crc32 %08lx, %llu bytes", (unsigned long)crc,
             (unsigned long long)bytes);
    return w->text;
}

int ffcl_hashes_get(ffcl_hashes *h, const char **checkpoint, const char **vae, ffcl_error *err)
{
    join(h);
    *checkpoint = text_of(h, &h->of[0]);
    *vae = text_of(h, &h->of[1]);
    return h->rc ? ffcl_fail(err, h->rc, "%s", h->err.text) : 0;
}

int ffcl_hashes_check(ffcl_hashes *h, const ffcl_tensor_file *const files[2], ffcl_error *err)
{
    join(h);
    for (size_t i = 0; i < FILES; i++)
        for (size_t k = 0; files[i] && k < ffcl_tensor_file_parts(files[i]); k++) {
            ffcl_file_id now;
            const file *f = k < h->of[i].n ? &h->files[h->of[i].first + k] : NULL;
            if (f && ffcl_file_id_get(&now, f->fd))
                return ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", f->path, strerror(errno));
            if (!f || !ffcl_file_id_same(&now, &f->id) ||
                !ffcl_file_id_same(&now, ffcl_tensor_file_id(files[i], k)))
                return ffcl_fail(err, FFCL_EFILE, "%s was changed while it was read: run again",
                                 f ? f->path : h->of[i].path);
        }
    return 0;
}

void ffcl_hashes_close(ffcl_hashes **hashes)
{
    ffcl_hashes *h = *hashes;
    if (!h)
        return;
    atomic_store(&h->cancelled, 1);
    join(h);
    for (size_t i = 0; i < h->n_files; i++) {
        if (h->files[i].fd >= 0)
            close(h->files[i].fd);
        free(h->files[i].crc);
    }
    for (size_t i = 0; i < FILES; i++)
        ffcl_shards_close(&h->of[i].shards);
    free(h->files);
    pthread_mutex_destroy(&h->lock);
    free(h);
    *hashes = NULL;
}
