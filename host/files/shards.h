/* SPDX-License-Identifier: MIT
 * Weights in several files: an index, a JSON text whose weight_map says which file of its folder
 * holds which tensor. */
#ifndef FFCL_FILES_SHARDS_H
#define FFCL_FILES_SHARDS_H

#include <stddef.h>
#include <stdint.h>

#include "../error.h"

typedef struct ffcl_shard_entry {
    char *name;                 /* of a tensor, as a file of weights gives it */
    size_t shard;
} ffcl_shard_entry;

typedef struct ffcl_shards {
    char **paths;               /* (n) by name */
    size_t n;
    ffcl_shard_entry *entries;  /* (n_entries) by name */
    size_t n_entries;
    uint64_t total;             /* bytes of all tensors; UINT64_MAX: it does not say */
} ffcl_shards;

/* What the index at path says; out->n is 0 where the file is none.  FFCL_EFORMAT: it is one that
 * makes no sense; FFCL_EFILE, FFCL_ENOMEM.  On failure there is nothing to close. */
int ffcl_shards_read(ffcl_shards *out, const char *path, ffcl_error *err);
void ffcl_shards_close(ffcl_shards *shards);

#endif
