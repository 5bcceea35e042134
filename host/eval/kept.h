/* SPDX-License-Identifier: MIT
 * Features that are kept, for precision and recall: an image's after another, as float32 or, with
 * half the memory, rounded to half. */
#ifndef FFCL_EVAL_KEPT_H
#define FFCL_EVAL_KEPT_H

#include "error.h"

typedef struct ffcl_kept {
    size_t n, D, room;
    int is_half;
    float *floats;              /* (room, D), or NULL */
    uint16_t *halves;
} ffcl_kept;

void ffcl_kept_close(ffcl_kept *kept);
/* Appends x (D).  FFCL_ENOMEM. */
int ffcl_kept_add(ffcl_kept *kept, const float *x, ffcl_error *err);
/* Rows first .. first+n-1 into to (n, D). */
void ffcl_kept_get(const ffcl_kept *kept, size_t first, size_t n, float *to);

/* x rounded to half, to the nearest, ties to even; and back. */
uint16_t ffcl_half_of(float x);
float ffcl_float_of(uint16_t half);

#endif
