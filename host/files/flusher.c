/* SPDX-License-Identifier: MIT */
#include "flusher.h"

#ifdef __linux__

#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>

struct ffcl_flusher {
    int fd;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t more;
    uint64_t from, to;          /* written, and not yet asked for; from == to: nothing */
    int ending;
};

static void *flush(void *user)
{
    ffcl_flusher *f = user;
    pthread_mutex_lock(&f->mutex);
    while (!f->ending) {
        uint64_t from = f->from, to = f->to;
        if (from == to) {
            pthread_cond_wait(&f->more, &f->mutex);
            continue;
        }
        f->from = f->to = 0;
        pthread_mutex_unlock(&f->mutex);
        /* Waits where the disk is behind.  fsync reports a failure. */
        (void)sync_file_range(f->fd, (off_t)from, (off_t)(to - from), SYNC_FILE_RANGE_WRITE);
        pthread_mutex_lock(&f->mutex);
    }
    pthread_mutex_unlock(&f->mutex);
    return NULL;
}

ffcl_flusher *ffcl_flusher_open(int fd)
{
    ffcl_flusher *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->fd = fd;
    pthread_mutex_init(&f->mutex, NULL);
    pthread_cond_init(&f->more, NULL);
    if (pthread_create(&f->thread, NULL, flush, f) == 0)
        return f;
    pthread_cond_destroy(&f->more);
    pthread_mutex_destroy(&f->mutex);
    free(f);
    return NULL;
}

void ffcl_flusher_add(ffcl_flusher *f, uint64_t at, uint64_t bytes)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->mutex);
    if (f->from == f->to) {
        f->from = at;
        f->to = at + bytes;
    } else {                    /* batches are nearly in order, so what lies between is little */
        f->from = at < f->from ? at : f->from;
        f->to = at + bytes > f->to ? at + bytes : f->to;
    }
    pthread_cond_signal(&f->more);
    pthread_mutex_unlock(&f->mutex);
}

void ffcl_flusher_close(ffcl_flusher **flusher)
{
    ffcl_flusher *f = *flusher;
    if (!f)
        return;
    pthread_mutex_lock(&f->mutex);
    f->ending = 1;
    pthread_cond_signal(&f->more);
    pthread_mutex_unlock(&f->mutex);
    pthread_join(f->thread, NULL);
    pthread_cond_destroy(&f->more);
    pthread_mutex_destroy(&f->mutex);
    free(f);
    *flusher = NULL;
}

#else

ffcl_flusher *ffcl_flusher_open(int fd)
{
    (void)fd;
    return 0;
}

void ffcl_flusher_add(ffcl_flusher *f, uint64_t at, uint64_t bytes)
{
    (void)f;
    (void)at;
    (void)bytes;
}

void ffcl_flusher_close(ffcl_flusher **f)
{
    (void)f;
}

#endif
