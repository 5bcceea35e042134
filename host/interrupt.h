/* SPDX-License-Identifier: MIT
 * Ctrl-C for main.c: the first one asks a sampler to stop, the second ends the program at once. */
#ifndef FFCL_INTERRUPT_H
#define FFCL_INTERRUPT_H

#include <pthread.h>
#include <signal.h>

#include "ffcl.h"

typedef struct ffcl_interrupt {
    pthread_mutex_t mutex;
    ffcl_sampler *sampler;      /* NULL: there is nothing to finish, so the first ends at once */
    sigset_t signals;
    void (*told)(void *user);   /* in the watching thread, once the sampler has been asked */
    void *user;
} ffcl_interrupt;

/* Before any other thread starts: SIGINT and SIGTERM, unless ignored, go to a watching thread that
 * lives as long as the program; so must *i. */
int ffcl_interrupt_watch(ffcl_interrupt *i, void (*told)(void *user), void *user, ffcl_error *err);

/* Which sampler is asked; NULL before it is closed. */
void ffcl_interrupt_set(ffcl_interrupt *i, ffcl_sampler *sampler);

#endif
