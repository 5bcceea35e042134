/* SPDX-License-Identifier: MIT
 * A worker: one device that takes batches of indices, draws their pictures and hands them to the
 * writers.  While the device computes a batch, the noise of the next is drawn and sent after it,
 * and the one before is fetched and written. */
#ifndef FFCL_RUN_WORKER_H
#define FFCL_RUN_WORKER_H

#include "run/writers.h"
#include "sample/noise.h"
#include "sample/opening.h"

/* Where indices come from: the set of this process, or that of another. */
typedef struct ffcl_work {
    void *user;
    size_t (*take)(void *user, size_t *list, size_t n, int wait);   /* as ffcl_indices_take */
    void (*give_back)(void *user, size_t index);
} ffcl_work;

typedef struct ffcl_worker_spec {
    ffcl_engine *engine;            /* borrowed, as all below; NULL: that of `opening` */
    ffcl_opening *opening;
    ffcl_store store;               /* what the engine must have chosen, too */
    const ffcl_draws_spec *draws;
    ffcl_work work;
    ffcl_writers *writers;
} ffcl_worker_spec;

typedef struct ffcl_worker ffcl_worker;

/* Starts the thread.  FFCL_ENOMEM. */
int ffcl_worker_start(ffcl_worker **out, const ffcl_worker_spec *spec, ffcl_error *err);

/* 1 once the thread does nothing any more; *rc is then 0 or why it stopped early, *err its
 * sentence.  Its indices have been given back. */
int ffcl_worker_has_ended(ffcl_worker *worker, int *rc, const ffcl_error **err);

/* Pictures that it handed to the writers; its engine, NULL where none could be opened. */
size_t ffcl_worker_pictures(const ffcl_worker *worker);
/* Seconds that its thread, once ended, had spent on noise and on sending work to the device; on
 * waiting for that; on waiting for writers. */
void ffcl_worker_seconds(const ffcl_worker *worker, double *submitting, double *device,
                         double *writers);
const ffcl_engine *ffcl_worker_engine(const ffcl_worker *worker);

/* Is rc a failure of the device, so that others may go on without it? */
int ffcl_worker_is_device_failure(int rc);

/* Joins the thread; an engine of the opening is closed. */
void ffcl_worker_close(ffcl_worker **worker);

#endif
