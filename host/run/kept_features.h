/* SPDX-License-Identifier: MIT
 * Features of images that an earlier run left, for a run that evaluates all of its images. */
#ifndef FFCL_RUN_KEPT_FEATURES_H
#define FFCL_RUN_KEPT_FEATURES_H

#include "eval/tally.h"
#include "sample/extractor.h"

typedef struct ffcl_kept_features ffcl_kept_features;

/* By the network on an engine's device, which has nothing under way. */
int ffcl_kept_features_open(ffcl_kept_features **out, ffcl_extractor *extractor, ffcl_tally *tally,
                            ffcl_error *err);

/* Image index, rgb (height, width, 3), from any thread: an ffcl_kept_visitor whose user is the
 * ffcl_kept_features. */
int ffcl_kept_features_add(void *user, size_t index, const uint8_t *rgb, ffcl_error *err);

/* Where rc is 0, evaluates the last of them.  Returns rc, or what the device gave; numbers that
 * cannot be summed up are no failure of the images: *not_evaluated has it. */
int ffcl_kept_features_close(ffcl_kept_features **kept, int rc, ffcl_error *not_evaluated,
                             ffcl_error *err);

#endif
