/* SPDX-License-Identifier: MIT
 * The .npz that ADM's evaluator reads: one stored member arr_0.npy, uint8, C order, zip64. */
#ifndef FFCL_FILES_NPZ_H
#define FFCL_FILES_NPZ_H

#include "../error.h"

typedef struct ffcl_npz ffcl_npz;

/* Starts an array of shape (count, height, width, 3) under a temporary name beside path. */
int ffcl_npz_open(ffcl_npz **out, const char *path, size_t count, size_t height, size_t width,
                  ffcl_error *err);

/* Appends n bytes of the array in order. */
int ffcl_npz_append(ffcl_npz *npz, const uint8_t *bytes, size_t n, ffcl_error *err);

/* Checks that the array is complete, writes CRC, sizes and directory, flushes, renames. */
int ffcl_npz_commit(ffcl_npz *npz, ffcl_error *err);

/* Frees npz and removes what was not committed. */
void ffcl_npz_close(ffcl_npz **npz);

#endif
