/* SPDX-License-Identifier: MIT
 * The .npz that ADM's evaluator reads: a stored member arr_0.npy, uint8, C order, zip64; and, as
 * ADM's sampler writes them, arr_1.npy with the class labels, int64.
 *
 * Images come in any order.  They go into .NAME.part beside the target, each at its place, and
 * the CRC of each into .NAME.crc, so that a later process can continue with what is there; both are
 * gone once the target is.  A lock on .NAME.part keeps a second process off. */
#ifndef FFCL_FILES_NPZ_H
#define FFCL_FILES_NPZ_H

#include "../error.h"

typedef struct ffcl_npz ffcl_npz;

/* What an earlier process left is: */
enum {
    FFCL_NPZ_NEW,               /* replaced */
    FFCL_NPZ_RESUME,            /* kept, or the target itself where it is whole and of this shape */
    FFCL_NPZ_WHOLE              /* only read, and that where the target is whole */
};

/* An array of shape (count, height, width, 3) at path; labels (count), or NULL: without arr_1.
 * FFCL_EOUTPUT, FFCL_EBUSY; 1: FFCL_NPZ_WHOLE, and it is not. */
int ffcl_npz_open(ffcl_npz **out, const char *path, size_t count, size_t height, size_t width,
                  const int64_t *labels, int resume, ffcl_error *err);

/* 1: the target is there, was read and has the right CRC; nothing needs to be put. */
int ffcl_npz_is_whole(const ffcl_npz *npz);

/* Writes image index; any order, from any thread, but not one index from two. */
int ffcl_npz_put(ffcl_npz *npz, size_t index, const uint8_t *rgb, ffcl_error *err);

/* Leaves image index black without remembering it: a later process generates it again. */
int ffcl_npz_blank(ffcl_npz *npz, size_t index, ffcl_error *err);

/* Reads image index into rgb and checks its CRC: 1 if it is there and right, else 0. */
int ffcl_npz_get(ffcl_npz *npz, size_t index, uint8_t *rgb);

/* Checks that the array is complete, writes CRC, sizes and directory, flushes, renames. */
int ffcl_npz_commit(ffcl_npz *npz, ffcl_error *err);

/* Frees npz.  What was not committed is removed, unless keep and an image is in it. */
void ffcl_npz_close(ffcl_npz **npz, int keep);

#endif
