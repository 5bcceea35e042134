/* SPDX-License-Identifier: MIT
 * ffcl sample --json: what a run has done, as one object on stdout. */
#ifndef FFCL_PROGRAM_SUMMARY_H
#define FFCL_PROGRAM_SUMMARY_H

#include "config.h"
#include "program/command.h"

/* The parts that are there of a run that ended with rc; the others are NULL.  result and devices
 * were taken from the sampler, whose devices may be closed since. */
typedef struct ffcl_summary {
    const ffcl_config *cfg;
    const ffcl_sampler *sampler;
    const ffcl_evaluation *evaluation;
} ffcl_summary;

/* The sentence of rc is in s->err. */
void ffcl_summary_print(const ffcl_session *s, const ffcl_summary *summary, int rc);

#endif
