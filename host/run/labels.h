/* SPDX-License-Identifier: MIT
 * The class labels of a sample set: labels.txt beside the images, arr_1 of the npz. */
#ifndef FFCL_RUN_LABELS_H
#define FFCL_RUN_LABELS_H

#include "sample/noise.h"

/* The label of each image; *labels (count) is the caller's to free.  FFCL_ENOMEM. */
int ffcl_labels_make(int64_t **labels, const ffcl_noise_spec *noise, ffcl_error *err);

/* "INDEX CLASS", a line an image, to path.  FFCL_EOUTPUT, FFCL_ENOMEM. */
int ffcl_labels_write(const char *path, const int64_t *labels, size_t count, ffcl_error *err);

#endif
