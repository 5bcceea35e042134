/* SPDX-License-Identifier: MIT */
#include "run/indices.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "util.h"

/* What the state of an index says besides the number of its owner. */
enum { LEFT = 0, MOST_OWNERS = 65535 };
#define DONE UINT32_MAX

struct ffcl_indices {
    pthread_mutex_t mutex;
    pthread_cond_t changed;         /* something was given back, finished or stopped */
    size_t count, first, step;
    uint32_t *state;                /* of index first + k step: LEFT, its owner, or DONE */
    size_t n, done, taken;
    size_t next;                    /* no k below it is LEFT */
    int stopped;
};

int ffcl_indices_open(ffcl_indices **out, size_t count, size_t first, size_t step,
                      ffcl_error *err)
{
    *out = NULL;
    ffcl_indices *indices = calloc(1, sizeof *indices);
    size_t n = first < count ? ffcl_div_up(count - first, step) : 0;
    if (indices)
        indices->state = calloc(n + 1, sizeof *indices->state);
    if (!indices || !indices->state) {
        free(indices);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the list of %zu images", n);
    }
    indices->count = count;
    indices->first = first;
    indices->step = step;
    indices->n = n;
    /* Waiting must not depend on a clock that somebody sets. */
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&indices->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&indices->mutex, NULL);
    *out = indices;
    return 0;
}

void ffcl_indices_close(ffcl_indices **indices)
{
    if (!*indices)
        return;
    pthread_mutex_destroy(&(*indices)->mutex);
    pthread_cond_destroy(&(*indices)->changed);
    free((*indices)->state);
    free(*indices);
    *indices = NULL;
}

static size_t position(const ffcl_indices *indices, size_t index)
{
    assert(index >= indices->first && index < indices->count &&
           (index - indices->first) % indices->step == 0);
    return (index - indices->first) / indices->step;
}

/* The lowest positions that are left. */
static size_t take_left(ffcl_indices *indices, size_t owner, size_t *list, size_t n)
{
    size_t found = 0;
    for (; found < n && indices->next < indices->n; indices->next++) {
        if (indices->state[indices->next] != LEFT)
            continue;
        indices->state[indices->next] = (uint32_t)owner;
        list[found++] = indices->first + indices->next * indices->step;
    }
    indices->taken += found;
    return found;
}

size_t ffcl_indices_take(ffcl_indices *indices, size_t owner, size_t *list, size_t n, int wait)
{
    size_t found = 0;
    assert(owner > 0 && owner <= MOST_OWNERS);
    pthread_mutex_lock(&indices->mutex);
    while (!indices->stopped) {
        found = take_left(indices, owner, list, n);
        if (found || !wait || indices->taken == 0)
            break;
        pthread_cond_wait(&indices->changed, &indices->mutex);
    }
    pthread_mutex_unlock(&indices->mutex);
    return found;
}

/* A position changes hands; the mutex is held. */
static void put(ffcl_indices *indices, size_t at, uint32_t state)
{
    uint32_t before = indices->state[at];
    indices->taken -= before != LEFT && before != DONE;
    indices->done += (state == DONE) - (before == DONE);
    indices->state[at] = state;
    if (state == LEFT)
        indices->next = ffcl_min(indices->next, at);
    pthread_cond_broadcast(&indices->changed);
}

void ffcl_indices_done(ffcl_indices *indices, size_t index)
{
    pthread_mutex_lock(&indices->mutex);
    put(indices, position(indices, index), DONE);
    pthread_mutex_unlock(&indices->mutex);
}

void ffcl_indices_give_back(ffcl_indices *indices, size_t index)
{
    pthread_mutex_lock(&indices->mutex);
    size_t at = position(indices, index);
    if (indices->state[at] != DONE)
        put(indices, at, LEFT);
    pthread_mutex_unlock(&indices->mutex);
}

size_t ffcl_indices_give_back_all(ffcl_indices *indices, size_t owner)
{
    size_t found = 0;
    pthread_mutex_lock(&indices->mutex);
    for (size_t at = 0; at < indices->n; at++)
        if (indices->state[at] == owner) {
            put(indices, at, LEFT);
            found++;
        }
    pthread_mutex_unlock(&indices->mutex);
    return found;
}

void ffcl_indices_stop(ffcl_indices *indices)
{
    pthread_mutex_lock(&indices->mutex);
    indices->stopped = 1;
    pthread_cond_broadcast(&indices->changed);
    pthread_mutex_unlock(&indices->mutex);
}

int ffcl_indices_is_stopped(ffcl_indices *indices)
{
    pthread_mutex_lock(&indices->mutex);
    int stopped = indices->stopped;
    pthread_mutex_unlock(&indices->mutex);
    return stopped;
}

void ffcl_indices_count(ffcl_indices *indices, size_t *total, size_t *done, size_t *taken)
{
    pthread_mutex_lock(&indices->mutex);
    if (total)
        *total = indices->n;
    if (done)
        *done = indices->done;
    if (taken)
        *taken = indices->taken;
    pthread_mutex_unlock(&indices->mutex);
}

int ffcl_indices_wait(ffcl_indices *indices, unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int late = 0, over = 0;
    pthread_mutex_lock(&indices->mutex);
    while (!(over = indices->taken == 0 &&
                    (indices->stopped || indices->done == indices->n)) && !late)
        late = pthread_cond_timedwait(&indices->changed, &indices->mutex, &until) != 0;
    pthread_mutex_unlock(&indices->mutex);
    return over;
}
