/* SPDX-License-Identifier: MIT */
#include "run/writers.h"

#include <pthread.h>
#include <stdlib.h>

#include "os/threads.h"

struct ffcl_writers {
    pthread_mutex_t mutex;
    pthread_cond_t more, finished;
    ffcl_parcel *first, *last;  /* with images that no thread has begun */
    ffcl_writer *write;
    void *user;
    pthread_t *threads;
    size_t n_threads;
    int ending;
};

static void *write_images(void *user)
{
    ffcl_writers *w = user;
    pthread_mutex_lock(&w->mutex);
    for (;;) {
        ffcl_parcel *p = w->first;
        if (!p && w->ending)
            break;
        if (!p) {
            pthread_cond_wait(&w->more, &w->mutex);
            continue;
        }
        size_t k = p->next++;
        if (p->next == p->n) {
            w->first = p->after;
            if (!w->first)
                w->last = NULL;
        }
        pthread_mutex_unlock(&w->mutex);
        w->write(w->user, p, k);
        pthread_mutex_lock(&w->mutex);
        if (--p->unfinished == 0)
            pthread_cond_broadcast(&w->finished);
    }
    pthread_mutex_unlock(&w->mutex);
    return NULL;
}

int ffcl_writers_open(ffcl_writers **out, size_t threads, ffcl_writer *write, void *user,
                      ffcl_error *err)
{
    *out = NULL;
    ffcl_writers *w = calloc(1, sizeof *w);
    if (w)
        w->threads = calloc(threads, sizeof *w->threads);
    if (!w || !w->threads) {
        free(w);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the writing threads");
    }
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->more, NULL);
    pthread_cond_init(&w->finished, NULL);
    w->write = write;
    w->user = user;
    while (w->n_threads < threads &&
           pthread_create(&w->threads[w->n_threads], NULL, write_images, w) == 0)
        w->n_threads++;
    if (!w->n_threads) {
        ffcl_writers_close(&w);
        return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started that would write images"
                         FFCL_THREADS_REMEDY);
    }
    *out = w;
    return 0;
}

void ffcl_writers_give(ffcl_writers *w, ffcl_parcel *p)
{
    p->next = 0;
    p->after = NULL;
    p->unfinished = p->n;
    if (!p->n)
        return;
    pthread_mutex_lock(&w->mutex);
    if (w->last)
        w->last->after = p;
    else
        w->first = p;
    w->last = p;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->mutex);
}

void ffcl_writers_wait(ffcl_writers *w, const ffcl_parcel *p)
{
    pthread_mutex_lock(&w->mutex);
    while (p->unfinished)
        pthread_cond_wait(&w->finished, &w->mutex);
    pthread_mutex_unlock(&w->mutex);
}

void ffcl_writers_close(ffcl_writers **writers)
{
    ffcl_writers *w = *writers;
    if (!w)
        return;
    pthread_mutex_lock(&w->mutex);
    w->ending = 1;
    pthread_cond_broadcast(&w->more);
    pthread_mutex_unlock(&w->mutex);
    for (size_t i = 0; i < w->n_threads; i++)
        pthread_join(w->threads[i], NULL);
    pthread_mutex_destroy(&w->mutex);
    pthread_cond_destroy(&w->more);
    pthread_cond_destroy(&w->finished);
    free(w->threads);
    free(w);
    *writers = NULL;
}
