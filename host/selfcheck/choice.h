/* SPDX-License-Identifier: MIT
 * Who computes GEMMs on a device: back end, matrix unit, and ffcl's own float32 GEMM.  Each is used
 * only if its self-check passes, and what only measuring can decide is decided by a trial. */
#ifndef FFCL_SELFCHECK_CHOICE_H
#define FFCL_SELFCHECK_CHOICE_H

#include "selfcheck/trial.h"

/* What is computed: half only where a matrix unit pays, or not at all, or whatever it costs. */
typedef enum ffcl_half_wish { FFCL_HALF_IF_FAST, FFCL_HALF_NEVER, FFCL_HALF_ALWAYS } ffcl_half_wish;

typedef struct ffcl_choice {
    const char *backend;        /* [blas] backend, library, tuning; NULL: auto, auto, off */
    const char *library, *tuning;
    ffcl_half_wish half;
    int unchecked;              /* the library's results are not checked */
    int no_units;               /* matrix units are left alone */
    size_t head;                /* columns of a head: ffcl_selfcheck_units */
    const char *program;        /* of trials; NULL: only the results of earlier ones count */
    /* The calls of the model, for a trial; with NULL, or where it fails, those of XL/2. */
    int (*calls)(void *user, ffcl_trial_calls *calls);
    void *user;
} ffcl_choice;

/* Opens the back end of ctx and sets what else may compute.  Fails as ffcl_blas_open does, and with
 * FFCL_EDEVICE where a matrix unit that was asked for by name is not there or not right. */
int ffcl_choose_gemms(ffcl_ctx *ctx, const ffcl_choice *choice);

/* The matrix unit of AMD or Intel that the device lists, or NONE: one that only a trial shows to be
 * right. */
ffcl_matrix_unit ffcl_unit_on_trial(const ffcl_ctx *ctx);

/* Is a unit whose trial ended so used, given the times?  reason: a sentence's end. */
int ffcl_trial_wins(const ffcl_trial_result *result, ffcl_half_wish half, char *reason,
                    size_t size);

#endif
