/* SPDX-License-Identifier: MIT */
#include "eval/task_thread.h"

#include <pthread.h>
#include <stdlib.h>

struct ffcl_task_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    ffcl_task task;
    void *user;
    int is_thread, is_busy, ends, rc;
    ffcl_error err;             /* of rc */
};

static void *work(void *user)
{
    ffcl_task_thread *h = user;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        while (!h->is_busy && !h->ends)
            pthread_cond_wait(&h->changed, &h->lock);
        if (!h->is_busy)
            break;
        ffcl_error err = {0};
        pthread_mutex_unlock(&h->lock);
        const int rc = h->task(h->user, &err);
        pthread_mutex_lock(&h->lock);
        if (rc && h->rc == 0) {
            h->rc = rc;
            h->err = err;
        }
        h->is_busy = 0;
        pthread_cond_broadcast(&h->changed);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

int ffcl_task_thread_open(ffcl_task_thread **out, ffcl_task task, void *user, ffcl_error *err)
{
    ffcl_task_thread *h = *out = calloc(1, sizeof *h);
    if (!h)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    h->task = task;
    h->user = user;
    pthread_mutex_init(&h->lock, NULL);
    pthread_cond_init(&h->changed, NULL);
    h->is_thread = pthread_create(&h->thread, NULL, work, h) == 0;
    return 0;
}

void ffcl_task_thread_start(ffcl_task_thread *h)
{
    if (!h->is_thread) {
        if (h->rc == 0)
            h->rc = h->task(h->user, &h->err);
        return;
    }
    pthread_mutex_lock(&h->lock);
    while (h->is_busy)
        pthread_cond_wait(&h->changed, &h->lock);
    h->is_busy = 1;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}

int ffcl_task_thread_wait(ffcl_task_thread *h, ffcl_error *err)
{
    pthread_mutex_lock(&h->lock);
    while (h->is_busy)
        pthread_cond_wait(&h->changed, &h->lock);
    const int rc = h->rc;
    if (rc)
        *err = h->err;
    pthread_mutex_unlock(&h->lock);
    return rc;
}

void ffcl_task_thread_close(ffcl_task_thread **thread)
{
    ffcl_task_thread *h = *thread;
    if (!h)
        return;
    if (h->is_thread) {
        pthread_mutex_lock(&h->lock);
        h->ends = 1;
        pthread_cond_broadcast(&h->changed);
        pthread_mutex_unlock(&h->lock);
        pthread_join(h->thread, NULL);
    }
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h);
    *thread = NULL;
}
