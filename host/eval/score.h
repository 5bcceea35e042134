/* SPDX-License-Identifier: MIT
 * The Inception Score of a stream of logits: exp of the mean distance (Kullback-Leibler) between
 * an image's class probabilities and those of all of its split; mean and deviation over splits. */
#ifndef FFCL_EVAL_SCORE_H
#define FFCL_EVAL_SCORE_H

#include "error.h"

typedef struct ffcl_score ffcl_score;

/* How images are divided: into equal splits, after a shuffle by numpy's RandomState(seed), or in
 * their order; or, where each is not 0, into splits of that many images. */
typedef struct ffcl_score_rule {
    size_t splits, each;
    int shuffles;
    uint32_t seed;
} ffcl_score_rule;

/* Of `count` images with `classes` logits. */
int ffcl_score_open(ffcl_score **out, const ffcl_score_rule *rule, size_t count, size_t classes,
                    ffcl_error *err);
void ffcl_score_close(ffcl_score **score);
/* The next image's logits; at most count of them. */
void ffcl_score_add(ffcl_score *score, const float *logits);
/* The next image is left out; its place in a split stays empty. */
void ffcl_score_skip(ffcl_score *score);
/* Of splits with images in them. */
void ffcl_score_result(const ffcl_score *score, double *mean, double *deviation);

/* numpy.random.RandomState(seed).permutation(n) into order (n). */
void ffcl_numpy_permutation(uint32_t seed, uint32_t *order, size_t n);

/* Splits that no image is in, which do not count. */
size_t ffcl_score_empty_splits(const ffcl_score *score);

#endif
