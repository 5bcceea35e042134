/* SPDX-License-Identifier: MIT
 * The variants of an operation: a table, from the plainest to the fastest.  A call is computed by
 * the last one that can and pays there; variants are chosen in no other place. */
#ifndef FFCL_CL_VARIANT_H
#define FFCL_CL_VARIANT_H

#include "cl/profile.h"

typedef struct ffcl_variant {
    const char *name;
    const char *wins;           /* one sentence: when it is the fastest */
    /* Can it compute the call on this device?  desc is the operation's description of it. */
    int (*can)(const ffcl_ctx *ctx, const void *desc);
    /* Is it faster there than the ones before it that can?  NULL: wherever it can. */
    int (*pays)(const ffcl_ctx *ctx, const void *desc);
    ffcl_cost (*cost)(const void *desc);
    void (*run)(ffcl_ctx *ctx, const void *desc);
} ffcl_variant;

typedef struct ffcl_sizes ffcl_sizes;       /* cl/choices.h */

typedef struct ffcl_operation {
    ffcl_op id;
    const char *name;
    const ffcl_variant *variants;
    size_t n;
    /* Appends all of desc that can, pays and run's choices may look at. */
    void (*sizes)(ffcl_sizes *s, const void *desc);
} ffcl_operation;

/* The variant for desc: the forced one where it can, else by the table.  Every table has one that
 * always can.  A context with ffcl_choices chooses once for calls of the same sizes, which is when
 * a model is opened and its batch planned. */
const ffcl_variant *ffcl_choose(const ffcl_ctx *ctx, const ffcl_operation *op, const void *desc);

/* Chooses and runs it; the first call of an operation that a forced variant cannot compute is
 * reported. */
void ffcl_dispatch(ffcl_ctx *ctx, const ffcl_operation *op, const void *desc);

/* For `pays`: on CPU devices, on all others. */
int ffcl_on_cpu(const ffcl_ctx *ctx, const void *desc);
int ffcl_on_gpu(const ffcl_ctx *ctx, const void *desc);

/* The variant of that name, or NULL. */
const ffcl_variant *ffcl_variant_find(const ffcl_operation *op, const char *name);

#endif
