/* SPDX-License-Identifier: MIT
 * The network as a list of steps, from which its weights and its pass are made; private to
 * inception*.c. */
#ifndef FFCL_MODEL_INCEPTION_STEPS_H
#define FFCL_MODEL_INCEPTION_STEPS_H

#include <stddef.h>

/* Where a step reads or writes: x is the input of a block, y its result, to which steps append
 * channels side by side; t and u are between. */
typedef enum ffcl_inception_at { FFCL_AT_X, FFCL_AT_Y, FFCL_AT_T, FFCL_AT_U } ffcl_inception_at;

typedef enum ffcl_inception_kind {
    FFCL_STEP_CONV, FFCL_STEP_MAX_HALVES, FFCL_STEP_MAX, FFCL_STEP_MEAN,
    FFCL_STEP_BLOCK,        /* y begins, of `out` channels and x's pixels, or `stride` 2 fewer */
    FFCL_STEP_END,          /* y becomes x; name: of the tap, or NULL */
    FFCL_STEP_TAP,          /* x is shown under name */
    FFCL_STEP_SPATIAL       /* the first 7 channels of y are features */
} ffcl_inception_kind;

typedef struct ffcl_inception_step {
    ffcl_inception_kind kind;
    const char *name;       /* of a convolution: NAME.conv.weight, NAME.bn.weight, ... */
    ffcl_inception_at from, to;
    size_t in, out, tall, side, stride;
    int valid;
} ffcl_inception_step;

extern const ffcl_inception_step ffcl_inception_steps[];
extern const size_t ffcl_inception_n_steps;

/* The PyTorch file's name, the caller's to free, of what a node of TensorFlow's graph holds; NULL:
 * it is no weight, or no memory. */
char *ffcl_inception_graph_name(const char *name);

#endif
