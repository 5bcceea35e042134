/* SPDX-License-Identifier: MIT
 * A contact sheet of the samples that are nearest to the reference by features, and of those that
 * are farthest, each above the reference image that it is nearest to. */
#ifndef FFCL_EVAL_SHEET_H
#define FFCL_EVAL_SHEET_H

#include "eval/evaluator.h"

/* FFCL_EUSAGE without the images of both; FFCL_EOUTPUT. */
int ffcl_sheet_write(const char *path, const ffcl_subject *samples, const ffcl_subject *reference,
                     const ffcl_neighbours *neighbours, ffcl_error *err);

#endif
