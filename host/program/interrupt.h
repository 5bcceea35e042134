/* SPDX-License-Identifier: MIT
 * Ctrl-C for main.c: the first one asks a sampler to stop, the second ends the program at once
 * (the same signal again within a tenth of a second is still the first). */
#ifndef FFCL_PROGRAM_INTERRUPT_H
#define FFCL_PROGRAM_INTERRUPT_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "ffcl.h"

typedef struct ffcl_interrupt {
    pthread_mutex_t mutex;
    ffcl_sampler *sampler;      /* NULL: there is nothing to finish, so the first ends at once, */
    int is_polled;              /* unless somebody looks at stop, which the first sets */
    atomic_int stop;
    int has_others;             /* processes wait for this one: the first is kept for a sampler */
    int is_asked;               /* the number of the first signal; 0: none */
    double asked_at;            /* when it came, in seconds of ffcl_clock */
    int messages;               /* descriptor */
    const char *parting;        /* where there is no sampler to finish: said at the end; or NULL */
    sigset_t signals;
    void (*report)(void *user); /* called in the watching thread when the sampler was asked */
    void *user;
} ffcl_interrupt;

/* Before any other thread starts: SIGINT, SIGTERM, SIGHUP and SIGXCPU, unless ignored, go to a
 * watching thread that lives as long as the program; so must *i. */
int ffcl_interrupt_watch(ffcl_interrupt *i, void (*report)(void *user), void *user,
                         ffcl_error *err);

/* The same where the first signal ends the program there and then, with such a line. */
int ffcl_interrupt_part(ffcl_interrupt *i, const char *parting, ffcl_error *err);

/* Other processes take part, and mpirun ends them all, silently, where one just ends: from
 * now on the first Ctrl-C is kept where no sampler is set. */
void ffcl_interrupt_keep(ffcl_interrupt *i);

/* A program that was asked to stop, and has, dies by the signal, so that a shell's loop around it
 * ends, too; else, and where other processes take part, it returns. */
void ffcl_interrupt_die(ffcl_interrupt *i);

/* Which sampler is asked; NULL before it is closed. */
void ffcl_interrupt_set(ffcl_interrupt *i, ffcl_sampler *sampler);

#endif
