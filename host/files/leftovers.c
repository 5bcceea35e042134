/* SPDX-License-Identifier: MIT */
#include "files/leftovers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "util.h"

struct ffcl_leftover {
    ffcl_leftover *before, *after;      /* older, younger */
    char *path;
};

/* Of the process, as a signal is. */
static struct {
    pthread_mutex_t mutex;
    ffcl_leftover *last;
} all = {.mutex = PTHREAD_MUTEX_INITIALIZER};

ffcl_leftover *ffcl_leftover_add(const char *path)
{
    ffcl_leftover *l = calloc(1, sizeof *l);
    if (l)
        l->path = ffcl_format("%s", path);
    if (!l || !l->path) {
        free(l);
        return NULL;
    }
    pthread_mutex_lock(&all.mutex);
    l->before = all.last;
    if (all.last)
        all.last->after = l;
    all.last = l;
    pthread_mutex_unlock(&all.mutex);
    return l;
}

void ffcl_leftover_done(ffcl_leftover **out)
{
    ffcl_leftover *l = *out;
    if (!l)
        return;
    pthread_mutex_lock(&all.mutex);
    if (l->before)
        l->before->after = l->after;
    if (l->after)
        l->after->before = l->before;
    else
        all.last = l->before;
    pthread_mutex_unlock(&all.mutex);
    free(l->path);
    free(l);
    *out = NULL;
}

void ffcl_leftovers_remove(void)
{
    pthread_mutex_lock(&all.mutex);     /* for good: nobody makes another one */
    for (const ffcl_leftover *l = all.last; l; l = l->before)
        remove(l->path);
}
