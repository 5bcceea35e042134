/* SPDX-License-Identifier: MIT
 * The variants that have been chosen, one for each different call of a model.  The planning passes
 * in which a model is opened make the choices; what computes later looks them up. */
#ifndef FFCL_CL_CHOICES_H
#define FFCL_CL_CHOICES_H

#include "cl/variant.h"

/* What of a call decides the choice: sizes, layouts, types, and which operands there are; never
 * where buffers lie. */
enum { FFCL_MOST_SIZES = 80 };
struct ffcl_sizes {
    size_t n, list[FFCL_MOST_SIZES];
};

/* Appends a number; the shape of t, which may be NULL: absent. */
void ffcl_sizes_add(ffcl_sizes *s, size_t number);
void ffcl_sizes_tensor(ffcl_sizes *s, const ffcl_tensor *t);

/* From now on ctx keeps its choices.  FFCL_ENOMEM. */
int ffcl_choices_open(ffcl_ctx *ctx);
void ffcl_choices_close(ffcl_ctx *ctx);
/* What ctx's choices depend on has changed: all are to be made anew. */
void ffcl_choices_forget(ffcl_ctx *ctx);

/* Where the choice for sizes of op is kept, NULL in it before it is made; NULL where ctx keeps
 * none, or there is no memory. */
const ffcl_variant **ffcl_choices_at(ffcl_choices *choices, ffcl_op op, const ffcl_sizes *sizes);

/* For how many different calls of op v has been chosen. */
size_t ffcl_choices_count(const ffcl_choices *choices, ffcl_op op, const ffcl_variant *v);

#endif
