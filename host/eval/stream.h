/* SPDX-License-Identifier: MIT
 * Images through the Inception network into a tally: while the device computes the features of a
 * batch, one thread reads the next and another adds up those of the batch before. */
#ifndef FFCL_EVAL_STREAM_H
#define FFCL_EVAL_STREAM_H

#include "eval/evaluator.h"

typedef struct ffcl_stream {
    ffcl_images_in *images;             /* from the first on */
    ffcl_extractor *extractor;
    ffcl_tally *tally;
    ffcl_curve *curve;                  /* NULL, or grows by the way */
    const ffcl_observer *obs;
    size_t count;                       /* images */
} ffcl_stream;

/* The sums are the same bytes as by one thread: a tally adds in the order of images. */
int ffcl_stream_run(const ffcl_stream *s, ffcl_error *err);

#endif
