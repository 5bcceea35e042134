/* SPDX-License-Identifier: MIT
 * One set of parameters, timed in a process of its own: what a driver crashes or hangs on is then
 * lost with that process alone. */
#ifndef FFCL_TUNE_CANDIDATE_H
#define FFCL_TUNE_CANDIDATE_H

#include "tune/shapes.h"
#include "tuning.h"

typedef enum ffcl_tune_end {
    FFCL_TUNE_TIMED,            /* every shape was */
    FFCL_TUNE_SLOW,             /* given up at a shape that took longer than its limit */
    FFCL_TUNE_WRONG,            /* a result was */
    FFCL_TUNE_REFUSED,          /* by CLBlast or the driver, with an error */
    FFCL_TUNE_CRASHED,
    FFCL_TUNE_HUNG              /* and was ended after its time */
} ffcl_tune_end;

/* "timed", "slow", "wrong", "refused", "crashed", "hung". */
const char *ffcl_tune_end_name(ffcl_tune_end end);

typedef struct ffcl_tune_result {
    ffcl_tune_end end;
    double ms[FFCL_TUNE_SHAPES];    /* of one GEMM, of each shape that was timed */
    size_t n;
    double seconds;             /* that the process took */
} ffcl_tune_result;

/* What a process is to do. */
typedef struct ffcl_tune_job {
    const char *program;        /* started as  PROGRAM tune-candidate */
    const ffcl_device *device;
    const ffcl_tune_shape *shapes;
    size_t n_shapes;
    const ffcl_tuning *parameters;
    const double *limits;       /* ms a shape; NULL: none */
    double seconds;             /* after which it is ended */
} ffcl_tune_job;

/* Starts the process and waits.  FFCL_ENOMEM, FFCL_EUSAGE where it cannot be started at all. */
int ffcl_tune_try(const ffcl_tune_job *job, ffcl_tune_result *result, ffcl_error *err);

#endif
