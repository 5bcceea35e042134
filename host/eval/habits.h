/* SPDX-License-Identifier: MIT
 * Whose numbers an evaluation gives: what ADM's evaluator, torch-fidelity and pytorch-fid do
 * differently (docs/evaluation.md). */
#ifndef FFCL_EVAL_HABITS_H
#define FFCL_EVAL_HABITS_H

#include "config_choices.h"
#include "eval/score.h"

typedef struct ffcl_habit {
    const char *name;
    int resize;                 /* rule of ffcl_resize_bytes */
    ffcl_score_rule score;
    int is_half;                /* features for precision and recall are rounded to half */
} ffcl_habit;

const ffcl_habit *ffcl_habit_of(ffcl_like like);

/* By name; 0, or -1. */
int ffcl_habit_find(const char *name, ffcl_like *like);

#endif
