/* SPDX-License-Identifier: MIT */
#include "program/interrupt.h"

#include "files/leftovers.h"
#include "os/threads.h"
#include "program/driver_output.h"
#include "util.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Seconds in which the same signal again is the same press of Ctrl-C: nobody presses that fast. */
static const double ONE_PRESS = 0.1;

static void die(const ffcl_interrupt *i, int number, const char *words)
{
    sigset_t set;
    ffcl_leftovers_remove();
    if (words && write(i->messages, words, strlen(words)) < 0)
        _exit(-FFCL_ESTOPPED);
    if (number == SIGXCPU)          /* whose default is a core dump */
        _exit(-FFCL_ESTOPPED);
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
    _exit(-FFCL_ESTOPPED);
}

void ffcl_interrupt_die(ffcl_interrupt *i)
{
    pthread_mutex_lock(&i->mutex);
    const int number = i->has_others ? 0 : i->is_asked;
    pthread_mutex_unlock(&i->mutex);
    if (number)
        die(i, number, NULL);
}

static void *watch(void *user)
{
    ffcl_interrupt *i = user;
    int number;
    while (sigwait(&i->signals, &number) == 0) {
        pthread_mutex_lock(&i->mutex);
        const double now = ffcl_clock();
        /* timeout(1), launchers and shells' process groups pass one Ctrl-C on, too. */
        if (i->is_asked == number && now - i->asked_at < ONE_PRESS) {
            pthread_mutex_unlock(&i->mutex);
            continue;
        }
        /* Files appear whole or not at all, so nothing else needs to be put in order. */
        if (i->has_others && i->is_asked) {
            ffcl_leftovers_remove();
            _exit(-FFCL_ESTOPPED);
        }
        if (i->is_asked || !(i->sampler || i->is_polled || i->has_others))
            die(i, number, i->is_asked ? NULL : i->parting);
        i->is_asked = number;
        i->asked_at = now;
        if (i->sampler)
            ffcl_sampler_stop(i->sampler);
        atomic_store(&i->stop, 1);
        pthread_mutex_unlock(&i->mutex);
        i->report(i->user);
    }
    return NULL;
}

int ffcl_interrupt_watch(ffcl_interrupt *i, void (*report)(void *user), void *user,
                         ffcl_error *err)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};
    pthread_t thread;
    i->sampler = NULL;
    i->has_others = i->is_asked = 0;
    i->messages = ffcl_driver_output_own();
    i->report = report;
    i->user = user;
    pthread_mutex_init(&i->mutex, NULL);
    sigemptyset(&i->signals);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        struct sigaction action;
        /* A shell's background job ignores SIGINT, and should continue to. */
        if (sigaction(numbers[k], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            sigaddset(&i->signals, numbers[k]);
    }
    if (pthread_sigmask(SIG_BLOCK, &i->signals, NULL) == 0 &&
        pthread_create(&thread, NULL, watch, i) == 0) {
        pthread_detach(thread);
        return 0;
    }
    err->code = FFCL_ENOMEM;
    snprintf(err->text, sizeof err->text, "no thread can be started that would wait for Ctrl-C"
             FFCL_THREADS_REMEDY);
    return err->code;
}

int ffcl_interrupt_part(ffcl_interrupt *i, const char *parting, ffcl_error *err)
{
    i->parting = parting;
    return ffcl_interrupt_watch(i, NULL, NULL, err);
}

void ffcl_interrupt_keep(ffcl_interrupt *i)
{
    pthread_mutex_lock(&i->mutex);
    i->has_others = 1;
    pthread_mutex_unlock(&i->mutex);
}

void ffcl_interrupt_set(ffcl_interrupt *i, ffcl_sampler *sampler)
{
    pthread_mutex_lock(&i->mutex);
    i->sampler = sampler;
    if (sampler && i->is_asked)
        ffcl_sampler_stop(sampler);
    pthread_mutex_unlock(&i->mutex);
}
