/* SPDX-License-Identifier: MIT
 * The run: indices, workers that take them, and the sample set on disk that gets the images. */
#ifndef FFCL_RUN_RUN_H
#define FFCL_RUN_RUN_H

#include <stdatomic.h>

#include "eval/tally.h"
#include "run/hashes.h"
#include "sample/engine.h"
#include "sample/noise.h"
#include "sample/opening.h"

/* What a run has done, also one that failed. */
typedef struct ffcl_run_result {
    size_t count, kept, generated, skipped;     /* images; kept: of an earlier run */
    size_t sound;               /* of devices, the first that has not failed; 0: none is left */
} ffcl_run_result;

typedef struct ffcl_run_spec {
    const ffcl_config *cfg;             /* borrowed, as all below */
    ffcl_engine *engine;                /* of devices[0] */
    ffcl_opening **openings;            /* (n_devices) of those after it; [0] is not used */
    const ffcl_device *devices;         /* (n_devices) */
    size_t n_devices;
    const ffcl_noise_spec *noise;
    ffcl_hashes *hashes;                /* NULL where nobody asks for them */
    /* Where the features of all images go; NULL: they are not evaluated.  Images are kept whatever
     * becomes of the evaluation: its first failure is in *not_evaluated, whose code was 0. */
    ffcl_tally *tally;
    ffcl_error *not_evaluated;
    const char *network;                /* the CRC of the network, which all ranks must have; "" */
    const ffcl_observer *observer;      /* called from several threads at once */
    atomic_int *stop;                   /* set from outside: finish what is under way and return */
    ffcl_run_result *result;            /* of rank 0 */
} ffcl_run_spec;

/* Generates every image that is not there yet.  FFCL_ESTOPPED after a stop. */
int ffcl_run(const ffcl_run_spec *spec, ffcl_error *err);

#endif
