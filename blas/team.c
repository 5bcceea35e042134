/* SPDX-License-Identifier: MIT */
#include "team.h"

#include <pthread.h>
#include <stdlib.h>

struct ffcl_team {
    pthread_mutex_t lock;
    pthread_cond_t begun, ended;
    pthread_t *threads;
    size_t n_threads;           /* beside the caller's */
    void (*task)(void *user, size_t i);
    void *user;
    size_t n, next, busy;       /* tasks, the first not taken, threads that have one */
    unsigned long job;          /* counts jobs, so that a thread knows a new one */
    int closing;
};

/* Takes tasks until none is left.  Called and left with the lock held. */
static void work(ffcl_team *t)
{
    t->busy++;
    while (t->next < t->n) {
        size_t i = t->next++;
        pthread_mutex_unlock(&t->lock);
        t->task(t->user, i);
        pthread_mutex_lock(&t->lock);
    }
    t->busy--;
    if (t->busy == 0)
        pthread_cond_signal(&t->ended);
}

static void *serve(void *user)
{
    ffcl_team *t = user;
    unsigned long seen = 0;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->closing && t->job == seen)
            pthread_cond_wait(&t->begun, &t->lock);
        if (t->closing)
            break;
        seen = t->job;
        work(t);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

int ffcl_team_open(ffcl_team **out, size_t threads, ffcl_error *err)
{
    *out = NULL;
    ffcl_team *t = calloc(1, sizeof *t);
    if (t)
        t->threads = calloc(threads, sizeof *t->threads);
    if (!t || !t->threads) {
        free(t);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for threads");
    }
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->begun, NULL);
    pthread_cond_init(&t->ended, NULL);
    /* Where a thread cannot be started, the others do its tasks. */
    while (t->n_threads + 1 < threads &&
           pthread_create(&t->threads[t->n_threads], NULL, serve, t) == 0)
        t->n_threads++;
    *out = t;
    return 0;
}

void ffcl_team_close(ffcl_team **team)
{
    ffcl_team *t = *team;
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->closing = 1;
    pthread_cond_broadcast(&t->begun);
    pthread_mutex_unlock(&t->lock);
    for (size_t i = 0; i < t->n_threads; i++)
        pthread_join(t->threads[i], NULL);
    pthread_cond_destroy(&t->ended);
    pthread_cond_destroy(&t->begun);
    pthread_mutex_destroy(&t->lock);
    free(t->threads);
    free(t);
    *team = NULL;
}

void ffcl_team_run(ffcl_team *t, void (*task)(void *user, size_t i), void *user, size_t n)
{
    pthread_mutex_lock(&t->lock);
    t->task = task;
    t->user = user;
    t->n = n;
    t->next = 0;
    t->job++;
    if (n > 1)
        pthread_cond_broadcast(&t->begun);
    work(t);
    while (t->busy > 0)
        pthread_cond_wait(&t->ended, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
