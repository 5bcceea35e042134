/* SPDX-License-Identifier: MIT
 * Precision and recall of samples (Kynkaanniemi et al., arXiv 1904.06991): the share of samples
 * within the reach of a reference image, and of reference images within that of a sample; an
 * image's reach is the distance to its third neighbour among its own kind.  Distances are squared,
 * float32, from GEMMs of tiles on the device, so that no whole matrix of them is held. */
#ifndef FFCL_EVAL_NEIGHBOURS_H
#define FFCL_EVAL_NEIGHBOURS_H

#include "cl/context.h"
#include "eval/kept.h"

typedef struct ffcl_neighbours {
    double precision, recall;
    float *distance;            /* (samples) the squared one to the nearest reference image */
    int32_t *nearest;           /* (samples) which that is */
} ffcl_neighbours;

/* Of at least 4 of each, of the same width, on the device of ctx, whose queue is idle.  With out
 * the caller frees what it points at.  FFCL_EDEVMEM, FFCL_ENOMEM and those of calls. */
int ffcl_neighbours_compute(ffcl_neighbours *out, ffcl_ctx *ctx, const ffcl_kept *samples,
                            const ffcl_kept *reference, ffcl_error *err);
void ffcl_neighbours_close(ffcl_neighbours *n);

/* The squared distance of each to its third neighbour, for tests. */
int ffcl_neighbours_reach(float *reach, ffcl_ctx *ctx, const ffcl_kept *of, ffcl_error *err);

#endif
