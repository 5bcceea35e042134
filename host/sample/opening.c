/* SPDX-License-Identifier: MIT */
#include "sample/opening.h"

#include <pthread.h>
#include <stdlib.h>

#include "os/threads.h"

struct ffcl_opening {
    const ffcl_config *cfg;
    ffcl_engine_wants wants;
    ffcl_device device;
    ffcl_observer observer, words;
    pthread_t thread;
    int is_running, rc;
    ffcl_engine *engine;
    ffcl_error err;
};

static void report_words(void *user, ffcl_phase phase, const char *text, uint64_t done,
                         uint64_t total)
{
    const ffcl_observer *to = user;
    if (phase == FFCL_PHASE_NOTE || phase == FFCL_PHASE_WARN)
        ffcl_report(to, phase, text, done, total);
}

static void *open_engine(void *user)
{
    ffcl_opening *o = user;
    o->rc = ffcl_engine_open(&o->engine, o->cfg, &o->wants, &o->words, &o->err);
    return NULL;
}

int ffcl_opening_start(ffcl_opening **out, const ffcl_config *cfg, const ffcl_engine_wants *wants,
                       const ffcl_observer *observer, ffcl_error *err)
{
    ffcl_opening *o = *out = calloc(1, sizeof *o);
    if (!o)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a device");
    o->cfg = cfg;
    o->wants = *wants;
    o->device = *wants->device;
    o->wants.device = &o->device;
    o->observer = *observer;
    o->words = (ffcl_observer){report_words, &o->observer};
    o->is_running = pthread_create(&o->thread, NULL, open_engine, o) == 0;
    if (o->is_running)
        return 0;
    ffcl_opening_close(out);
    return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started for a device"
                     FFCL_THREADS_REMEDY);
}

static void join(ffcl_opening *o)
{
    if (o->is_running)
        pthread_join(o->thread, NULL);
    o->is_running = 0;
}

int ffcl_opening_look(ffcl_opening *o, ffcl_engine **engine, ffcl_error *err)
{
    join(o);
    *engine = o->engine;
    if (o->rc)
        *err = o->err;
    return o->rc;
}

int ffcl_opening_wait(ffcl_opening *o, ffcl_engine **engine, ffcl_error *err)
{
    const int rc = ffcl_opening_look(o, engine, err);
    o->engine = NULL;
    return rc;
}

void ffcl_opening_close(ffcl_opening **opening)
{
    ffcl_opening *o = *opening;
    if (!o)
        return;
    join(o);
    ffcl_engine_close(&o->engine);
    free(o);
    *opening = NULL;
}
