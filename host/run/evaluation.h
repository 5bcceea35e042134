/* SPDX-License-Identifier: MIT
 * The evaluation of a run: of each batch on its device while images are made, and what becomes of
 * the sums in the end. */
#ifndef FFCL_RUN_EVALUATION_H
#define FFCL_RUN_EVALUATION_H

#include "cl/device.h"
#include "config.h"
#include "eval/evaluator.h"
#include "eval/tally.h"

typedef struct ffcl_run_evaluation {
    int is_on;                  /* images are evaluated as they are made: all but a job's share */
    ffcl_tally *tally;          /* of rank 0; NULL: another rank, or not is_on */
    ffcl_error failed;          /* why there are no numbers; code 0: nothing failed */
    char network[64];           /* the network's CRC; "" */
    char computed[300];         /* "half on DEVICE" */
} ffcl_run_evaluation;

/* For count images.  FFCL_EFILE and others of the network, the reference, LAPACK. */
int ffcl_run_evaluation_open(ffcl_run_evaluation *e, const ffcl_config *cfg, size_t count,
                             ffcl_error *err);
void ffcl_run_evaluation_close(ffcl_run_evaluation *e);

/* After the last image; a job of an array evaluates the images of all on disk, if
 * it is the last.  The numbers are kept beside the images.  *is_done: there are numbers. */
int ffcl_run_evaluation_end(ffcl_run_evaluation *e, ffcl_evaluation *out, int *is_done,
                            const ffcl_eval_setting *setting, ffcl_error *err);

#endif
