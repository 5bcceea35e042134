/* SPDX-License-Identifier: MIT
 * A worker: one device that takes batches of indices, generates their images and hands them to the
 * writers.  While the device computes a batch, the host makes the noise of the next and sends it,
 * and the batch before is fetched and written. */
#ifndef FFCL_RUN_WORKER_H
#define FFCL_RUN_WORKER_H

#include "run/writers.h"
#include "sample/noise.h"
#include "sample/opening.h"

/* Where indices come from: the ffcl_indices of this process, or those of rank 0. */
typedef struct ffcl_index_source {
    void *user;
    size_t (*take)(void *user, size_t *list, size_t n, int wait);   /* as ffcl_indices_take */
    void (*give_back)(void *user, size_t index);
} ffcl_index_source;

typedef struct ffcl_worker_spec {
    ffcl_engine *engine;            /* borrowed, as all below; NULL: that of `opening` */
    ffcl_opening *opening;
    ffcl_dtype dtype;               /* what the engine must have chosen, too */
    const ffcl_noise_spec *noise;
    int wants_features;             /* of the images, for an evaluation */
    ffcl_index_source source;
    ffcl_writers *writers;
    /* Asked once an engine of `opening` is there, in the worker's thread. */
    int (*join)(void *user, const ffcl_engine *engine, ffcl_error *err);
    void *user;
} ffcl_worker_spec;

typedef struct ffcl_worker ffcl_worker;

/* Starts the thread.  FFCL_ENOMEM. */
int ffcl_worker_start(ffcl_worker **out, const ffcl_worker_spec *spec, ffcl_error *err);

/* 1 once the thread has ended; *rc is then 0 or why it stopped early, *err its sentence, and its
 * indices have been given back. */
int ffcl_worker_has_ended(ffcl_worker *worker, int *rc, const ffcl_error **err);

/* Images that it handed to the writers; its engine, NULL where none could be opened. */
size_t ffcl_worker_images(const ffcl_worker *worker);
/* Of a thread that has ended, the seconds that it spent on noise and on sending work to the device;
 * on waiting for the device; on waiting for writers. */
void ffcl_worker_seconds(const ffcl_worker *worker, double *submitting, double *device,
                         double *writers);
const ffcl_engine *ffcl_worker_engine(const ffcl_worker *worker);
/* Rows of evaluations of the transformer that are done; while the thread runs, too. */
size_t ffcl_worker_evaluated(ffcl_worker *worker);

/* Is rc a failure of the device, so that others may continue without it? */
int ffcl_worker_is_device_failure(int rc);

/* The failure of a device that computes in another precision than the first. */
int ffcl_worker_other_precision(ffcl_error *err);

/* Joins the thread; an engine of the opening is closed. */
void ffcl_worker_close(ffcl_worker **worker);

#endif
