/* SPDX-License-Identifier: MIT
 * What pickle.c, the machine, and pickle_build.c, which makes tensors of calls, share. */
#ifndef FFCL_FILES_PICKLE_IMPL_H
#define FFCL_FILES_PICKLE_IMPL_H

#include "pickle.h"

typedef struct ffcl_pickle_chunk {
    struct ffcl_pickle_chunk *next;
    size_t used, size;
    max_align_t bytes[];
} ffcl_pickle_chunk;

/* A growing array of values: stack and memo. */
typedef struct ffcl_pickle_list {
    ffcl_pickle_value **items;
    size_t count, capacity;
} ffcl_pickle_list;

struct ffcl_pickle {
    const unsigned char *data;
    size_t size, at, opcode_at;
    const char *path;
    ffcl_error *err;
    ffcl_pickle_chunk *chunks;
    size_t memory;
    ffcl_pickle_list stack, memo;
    ffcl_pickle_list storages;                  /* in the order in which they are named */
    size_t *marks, mark_count, mark_capacity;   /* stack heights */
    ffcl_pickle_value other, plain;             /* the one value of kind OTHER, PLAIN */
    ffcl_pickle_value *root;
    char foreign[400];                          /* classes and functions that were not called */
};

/* FFCL_EFORMAT: says what is wrong at which opcode. */
int ffcl_pickle_damaged(ffcl_pickle *p, const char *what);

/* A new value that lives as long as the pickle.  FFCL_EFORMAT, FFCL_ENOMEM. */
int ffcl_pickle_new(ffcl_pickle *p, ffcl_pickle_value **out, ffcl_pickle_kind kind);

/* The result of callee(*args) where it is a dict or a tensor; else an OBJECT. */
int ffcl_pickle_construct(ffcl_pickle *p, const ffcl_pickle_value *callee,
                          const ffcl_pickle_value *args, ffcl_pickle_value **out);

#endif
