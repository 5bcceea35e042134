/* SPDX-License-Identifier: MIT
 * What a trial's process is to do, as the text that it reads; and one call of it. */
#ifndef FFCL_SELFCHECK_TRIAL_JOB_H
#define FFCL_SELFCHECK_TRIAL_JOB_H

#include "ops/ops.h"
#include "selfcheck/trial.h"

typedef struct ffcl_trial_job {
    char device[64];            /* as device.select takes it */
    int unit;
    char tuning[4096];
    ffcl_trial_calls calls;
} ffcl_trial_job;

/* The job as text, which is also part of the result's key; the caller's to free. */
char *ffcl_trial_job_text(const ffcl_ctx *ctx, const ffcl_trial *trial);
/* 0, or FFCL_EUSAGE. */
int ffcl_trial_job_read(ffcl_trial_job *job, FILE *in);

/* The operands of a call on a road.  Without buffers while planning. */
typedef struct ffcl_trial_operands {
    ffcl_tensor out, a, w, bias, gate, add;
    ffcl_conv_weight conv;
} ffcl_trial_operands;

/* Sets up ctx for the road. */
void ffcl_trial_enter(ffcl_ctx *ctx, ffcl_trial_road road, ffcl_matrix_unit unit);
/* Has the unit kernels for a large register file? */
int ffcl_trial_has_large(ffcl_matrix_unit unit);
ffcl_dtype ffcl_trial_dtype(ffcl_trial_road road);
/* Has the call its own kernels on the road, or those of another? */
int ffcl_trial_differs(const ffcl_ctx *ctx, const ffcl_trial_call *call, ffcl_trial_road road);

/* Shapes of the operands. */
void ffcl_trial_shape(const ffcl_ctx *ctx, const ffcl_trial_call *call, ffcl_dtype dtype,
                      ffcl_trial_operands *o);
/* Computes the call, or plans it. */
void ffcl_trial_call_run(ffcl_ctx *ctx, const ffcl_trial_call *call, const ffcl_trial_operands *o);
/* Plans every call on every road that the unit and the device have, to name the programs. */
void ffcl_trial_plan(ffcl_ctx *ctx, const ffcl_trial_calls *calls, ffcl_matrix_unit unit);

#endif
