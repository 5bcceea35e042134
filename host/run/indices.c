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
    ffcl_indices *set = calloc(1, sizeof *set);
    size_t n = first < count ? ffcl_div_up(count - first, step) : 0;
    if (set)
        set->state = calloc(n + 1, sizeof *set->state);
    if (!set || !set->state) {
        free(set);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the list of %zu pictures", n);
    }
    set->count = count;
    set->first = first;
    set->step = step;
    set->n = n;
    /* Waiting must not depend on a clock that somebody sets. */
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&set->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&set->mutex, NULL);
    *out = set;
    return 0;
}

void ffcl_indices_close(ffcl_indices **set)
{
    if (!*set)
        return;
    pthread_mutex_destroy(&(*set)->mutex);
    pthread_cond_destroy(&(*set)->changed);
    free((*set)->state);
    free(*set);
    *set = NULL;
}

static size_t position(const ffcl_indices *set, size_t index)
{
    assert(index >= set->first && index < set->count && (index - set->first) % set->step == 0);
    return (index - set->first) / set->step;
}

/* The lowest positions that are left. */
static size_t take_left(ffcl_indices *set, size_t owner, size_t *list, size_t n)
{
    size_t found = 0;
    for (; found < n && set->next < set->n; set->next++) {
        if (set->state[set->next] != LEFT)
            continue;
        set->state[set->next] = (uint32_t)owner;
        list[found++] = set->first + set->next * set->step;
    }
    set->taken += found;
    return found;
}

size_t ffcl_indices_take(ffcl_indices *set, size_t owner, size_t *list, size_t n, int wait)
{
    size_t found = 0;
    assert(owner > 0 && owner <= MOST_OWNERS);
    pthread_mutex_lock(&set->mutex);
    while (!set->stopped) {
        found = take_left(set, owner, list, n);
        if (found || !wait || set->taken == 0)
            break;
        pthread_cond_wait(&set->changed, &set->mutex);
    }
    pthread_mutex_unlock(&set->mutex);
    return found;
}

/* A position changes hands; the mutex is held. */
static void put(ffcl_indices *set, size_t at, uint32_t state)
{
    uint32_t before = set->state[at];
    set->taken -= before != LEFT && before != DONE;
    set->done += (state == DONE) - (before == DONE);
    set->state[at] = state;
    if (state == LEFT)
        set->next = ffcl_min(set->next, at);
    pthread_cond_broadcast(&set->changed);
}

void ffcl_indices_done(ffcl_indices *set, size_t index)
{
    pthread_mutex_lock(&set->mutex);
    put(set, position(set, index), DONE);
    pthread_mutex_unlock(&set->mutex);
}

void ffcl_indices_give_back(ffcl_indices *set, size_t index)
{
    pthread_mutex_lock(&set->mutex);
    size_t at = position(set, index);
    if (set->state[at] != DONE)
        put(set, at, LEFT);
    pthread_mutex_unlock(&set->mutex);
}

size_t ffcl_indices_give_back_all(ffcl_indices *set, size_t owner)
{
    size_t found = 0;
    pthread_mutex_lock(&set->mutex);
    for (size_t at = 0; at < set->n; at++)
        if (set->state[at] == owner) {
            put(set, at, LEFT);
            found++;
        }
    pthread_mutex_unlock(&set->mutex);
    return found;
}

void ffcl_indices_stop(ffcl_indices *set)
{
    pthread_mutex_lock(&set->mutex);
    set->stopped = 1;
    pthread_cond_broadcast(&set->changed);
    pthread_mutex_unlock(&set->mutex);
}

int ffcl_indices_is_stopped(ffcl_indices *set)
{
    pthread_mutex_lock(&set->mutex);
    int stopped = set->stopped;
    pthread_mutex_unlock(&set->mutex);
    return stopped;
}

void ffcl_indices_count(ffcl_indices *set, size_t *total, size_t *done, size_t *taken)
{
    pthread_mutex_lock(&set->mutex);
    if (total)
        *total = set->n;
    if (done)
        *done = set->done;
    if (taken)
        *taken = set->taken;
    pthread_mutex_unlock(&set->mutex);
}

int ffcl_indices_wait(ffcl_indices *set, unsigned ms)
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
    pthread_mutex_lock(&set->mutex);
    while (!(over = set->taken == 0 && (set->stopped || set->done == set->n)) && !late)
        late = pthread_cond_timedwait(&set->changed, &set->mutex, &until) != 0;
    pthread_mutex_unlock(&set->mutex);
    return over;
}
