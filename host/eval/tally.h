/* SPDX-License-Identifier: MIT
 * What is summed up of the features of a set of images.  They may come in any order and from
 * several threads: each is added when all before it have been, so that every sum has the order of
 * the images and the numbers are those of one device, however the work was shared. */
#ifndef FFCL_EVAL_TALLY_H
#define FFCL_EVAL_TALLY_H

#include "eval/habits.h"
#include "eval/kept.h"
#include "eval/moments.h"

typedef struct ffcl_tally ffcl_tally;

/* Of count images; keeps: their features are kept for precision and recall. */
int ffcl_tally_open(ffcl_tally **out, const ffcl_habit *habit, size_t count, int keeps,
                    ffcl_error *err);
void ffcl_tally_close(ffcl_tally **tally);

/* Image index: pool (2048), spatial (2023), logits (1008), which are copied where they must wait.
 * An index comes once.  FFCL_ENUMERIC for features that are not finite, FFCL_ENOMEM. */
int ffcl_tally_add(ffcl_tally *tally, size_t index, const float *pool, const float *spatial,
                   const float *logits, ffcl_error *err);
/* Image index will not come. */
int ffcl_tally_skip(ffcl_tally *tally, size_t index, ffcl_error *err);
/* 1 where image index has come or is skipped. */
int ffcl_tally_has(ffcl_tally *tally, size_t index);

/* After the last: adds up what waits. */
void ffcl_tally_end(ffcl_tally *tally);

/* Images added. */
size_t ffcl_tally_count(const ffcl_tally *tally);
const ffcl_moments *ffcl_tally_pool(const ffcl_tally *tally);
const ffcl_moments *ffcl_tally_spatial(const ffcl_tally *tally);
const ffcl_kept *ffcl_tally_kept(const ffcl_tally *tally);      /* NULL: not kept */
/* The moments of the features so far, new. */
int ffcl_tally_snapshot(ffcl_moments **out, const ffcl_tally *tally, ffcl_error *err);
const ffcl_lapack *ffcl_tally_lapack(const ffcl_tally *tally);
void ffcl_tally_score(const ffcl_tally *tally, double *mean, double *deviation);
/* Splits that no image is in, which do not count. */
size_t ffcl_tally_empty_splits(const ffcl_tally *tally);

#endif
