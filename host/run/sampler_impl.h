/* SPDX-License-Identifier: MIT
 * What the parts of the public sampler share; private to sampler.c and estimate.c. */
#ifndef FFCL_RUN_SAMPLER_IMPL_H
#define FFCL_RUN_SAMPLER_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "run/evaluation.h"
#include "run/hashes.h"
#include "run/run.h"

struct ffcl_sampler {
    ffcl_config *cfg;
    ffcl_observer caller, observer; /* observer: the caller's, one call at a time */
    pthread_mutex_t reporting, compiling;
    ffcl_device *devices;           /* (n_devices) those that this process uses */
    size_t n_devices;
    ffcl_engine *engine;            /* of the first */
    ffcl_opening **openings;        /* (n_devices) of the others */
    ffcl_profile *profile;          /* NULL: nothing is timed */
    ffcl_noise_spec spec;
    ffcl_noise *noise;
    ffcl_hashes *hashes;            /* NULL where no sample set is kept on disk */
    ffcl_run_evaluation evaluation;
    size_t count, C, R, S;
    atomic_int stop;
    double began, opened, ended;    /* by ffcl_clock; ended 0: it has not */
    ffcl_run_result result;
    /* Noise of the batch that is probably asked for next, made while the device works. */
    float *ahead, *ahead_later;     /* (batch, C, R, R) of images ahead_first ..; later noise */
    int32_t *ahead_y;
    size_t *index;                  /* (batch) */
    size_t ahead_first, ahead_n;
};

/* Noise and labels of images first .. first+n-1, n at most a batch, into ahead. */
void ffcl_sampler_prepare_noise(ffcl_sampler *s, size_t first, size_t n);

/* Closes the devices; the sampler can only be closed then. */
void ffcl_sampler_close_engines(ffcl_sampler *s);

#endif
