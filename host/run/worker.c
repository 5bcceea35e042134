/* SPDX-License-Identifier: MIT */
#include "run/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "model/inception.h"
#include "os/threads.h"
#include "util.h"

/* One on the device, one behind it, one with the writers. */
enum { PARCELS = 3 };
enum { SUBMITTING, DEVICE, WRITERS };

struct ffcl_worker {
    ffcl_worker_spec spec;
    ffcl_engine *engine;
    ffcl_noise *noise;
    ffcl_parcel parcels[PARCELS];
    ffcl_step steps[PARCELS];
    size_t images;
    double seconds[3];              /* by ffcl_worker_seconds' order */
    pthread_t thread;
    int is_started;
    int rc;
    ffcl_error err;
    _Atomic(ffcl_engine *) working; /* the engine, once it is there */
    atomic_int ended;               /* rc and err are final */
};

int ffcl_worker_is_device_failure(int rc)
{
    return rc == FFCL_EDEVICE || rc == FFCL_EBUILD || rc == FFCL_EDEVMEM || rc == FFCL_EOPENCL;
}

int ffcl_worker_other_precision(ffcl_error *err)
{
    return ffcl_fail(err, FFCL_ECONFIG, "the selected devices choose different precisions, and a "
                     "sample set has one: set [precision] compute to float32 or half");
}

static int take_engine(ffcl_worker *w)
{
    const ffcl_worker_spec *s = &w->spec;
    int rc = w->engine ? 0 : ffcl_opening_wait(s->opening, &w->engine, &w->err);
    if (!rc && ffcl_engine_dtype(w->engine) != s->dtype)
        rc = ffcl_worker_other_precision(&w->err);
    return rc ? rc : s->join(s->user, w->engine, &w->err);
}

static int open_parcels(ffcl_worker *w)
{
    const ffcl_sit_dims *d = ffcl_engine_sit(w->engine);
    const size_t n = ffcl_engine_batch(w->engine), S = ffcl_engine_side(w->engine);
    for (size_t i = 0; i < PARCELS; i++) {
        ffcl_parcel *p = &w->parcels[i];
        p->index = calloc(n, sizeof *p->index);
        p->y = calloc(n, sizeof *p->y);
        p->z = calloc(n * d->C * d->R * d->R, sizeof *p->z);
        p->later = malloc(w->spec.noise->later * n * w->spec.noise->each * sizeof *p->later + 1);
        p->rgb = malloc(n * S * S * 3);
        p->stages = calloc(n, sizeof *p->stages);
        if (w->spec.wants_features)
            p->features = malloc(n * FFCL_INCEPTION_ALL * sizeof *p->features);
        if (!p->index || !p->y || !p->z || !p->later || !p->rgb || !p->stages ||
            (w->spec.wants_features && !p->features))
            return ffcl_fail(&w->err, FFCL_ENOMEM, "out of memory for batches of %zu", n);
    }
    return 0;
}

static void close_parcels(ffcl_worker *w)
{
    for (size_t i = 0; i < PARCELS; i++) {
        ffcl_parcel *p = &w->parcels[i];
        free(p->index);
        free(p->y);
        free(p->z);
        free(p->later);
        free(p->rgb);
        free(p->features);
        free(p->stages);
    }
}

/* Makes noise and labels for the parcel's indices and sends them to the device. */
static int submit(ffcl_worker *w, size_t i)
{
    ffcl_parcel *p = &w->parcels[i];
    ffcl_noise_get(w->noise, p->index, p->n, p->z, p->y, p->later);
    w->steps[i] = (ffcl_step){.B = p->n, .z = p->z, .y = p->y, .noise = p->later, .bytes = p->rgb,
                              .features = p->features, .stages = p->stages};
    return ffcl_engine_submit(w->engine, &w->steps[i], &w->err);
}

static void give_back(ffcl_worker *w, ffcl_parcel *p)
{
    for (size_t k = 0; p && k < p->n; k++)
        w->spec.source.give_back(w->spec.source.user, p->index[k]);
    if (p)
        p->n = 0;
}

/* The time since *t goes to what. */
static void spend(ffcl_worker *w, int what, double *t)
{
    static const char *const names[] = {"make noise, send", "wait for the device",
                                        "wait for writers"};
    double now = ffcl_clock();
    ffcl_engine_phase(w->engine, names[what], *t, now);
    w->seconds[what] += now - *t;
    *t = now;
}

static int sample_all(ffcl_worker *w)
{
    const ffcl_worker_spec *s = &w->spec;
    const size_t batch = ffcl_engine_batch(w->engine);
    ffcl_parcel *before = NULL;     /* on the device */
    size_t i = 0, i_before = 0;
    int rc = 0;
    while (!rc) {
        ffcl_parcel *p = &w->parcels[i];
        double t = ffcl_clock();
        ffcl_writers_wait(s->writers, p);
        spend(w, WRITERS, &t);
        p->n = s->source.take(s->source.user, p->index, batch, before == NULL);
        if (!p->n && !before)
            break;
        if (p->n)
            rc = submit(w, i);
        spend(w, SUBMITTING, &t);
        if (!rc && before)
            rc = ffcl_engine_wait(w->engine, &w->steps[i_before], &w->err);
        spend(w, DEVICE, &t);
        if (rc) {
            give_back(w, p);
            give_back(w, before);
            break;
        }
        if (before) {
            w->images += before->n;
            ffcl_writers_give(s->writers, before);
        }
        before = p->n ? p : NULL;
        i_before = i;
        if (p->n)
            i = (i + 1) % PARCELS;
    }
    for (i = 0; i < PARCELS; i++)
        ffcl_writers_wait(s->writers, &w->parcels[i]);
    return rc;
}

static void *work(void *user)
{
    ffcl_worker *w = user;
    int rc = take_engine(w);
    if (!rc)
        rc = ffcl_noise_open(&w->noise, w->spec.noise, &w->err);
    if (!rc)
        rc = open_parcels(w);
    if (!rc)
        atomic_store(&w->working, w->engine);
    if (!rc)
        rc = sample_all(w);
    w->rc = rc;
    atomic_store(&w->ended, 1);
    return NULL;
}

int ffcl_worker_start(ffcl_worker **out, const ffcl_worker_spec *spec, ffcl_error *err)
{
    *out = NULL;
    ffcl_worker *w = calloc(1, sizeof *w);
    if (!w)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a worker");
    w->spec = *spec;
    w->engine = spec->engine;
    w->is_started = pthread_create(&w->thread, NULL, work, w) == 0;
    if (!w->is_started) {
        ffcl_worker_close(&w);
        return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started for a device"
                         FFCL_THREADS_REMEDY);
    }
    *out = w;
    return 0;
}

int ffcl_worker_has_ended(ffcl_worker *w, int *rc, const ffcl_error **err)
{
    if (!atomic_load(&w->ended))
        return 0;
    *rc = w->rc;
    *err = &w->err;
    return 1;
}

size_t ffcl_worker_images(const ffcl_worker *w)
{
    return w->images;
}

void ffcl_worker_seconds(const ffcl_worker *w, double *submitting, double *device, double *writers)
{
    *submitting = w->seconds[SUBMITTING];
    *device = w->seconds[DEVICE];
    *writers = w->seconds[WRITERS];
}

const ffcl_engine *ffcl_worker_engine(const ffcl_worker *w)
{
    return w->engine;
}

size_t ffcl_worker_evaluated(ffcl_worker *w)
{
    const ffcl_engine *engine = atomic_load(&w->working);
    return engine ? ffcl_engine_evaluated(engine) : 0;
}

void ffcl_worker_close(ffcl_worker **worker)
{
    ffcl_worker *w = *worker;
    if (!w)
        return;
    if (w->is_started)
        pthread_join(w->thread, NULL);
    close_parcels(w);
    ffcl_noise_close(&w->noise);
    if (w->engine != w->spec.engine)
        ffcl_engine_close(&w->engine);
    free(w);
    *worker = NULL;
}
