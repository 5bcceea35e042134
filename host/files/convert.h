/* SPDX-License-Identifier: MIT
 * Weights of any file that is read, written as safetensors. */
#ifndef FFCL_FILES_CONVERT_H
#define FFCL_FILES_CONVERT_H

#include <stdatomic.h>

#include "tensorfile.h"

typedef struct ffcl_convert_spec {
    const char *path;           /* the file that is written, whole or not at all */
    int has_dtype;              /* floating-point tensors become dtype: F32, F16 or BF16; else */
    ffcl_dtype dtype;           /* they stay, but for float64 (float32) and 8 bits (half) */
    atomic_int *stop;           /* set by somebody: nothing is written; or NULL */
    void (*report)(void *user, uint64_t done, uint64_t total);      /* bytes; or NULL */
    void *user;
} ffcl_convert_spec;

typedef struct ffcl_convert_result {
    size_t tensors;             /* written */
    size_t narrowed;            /* of them float64 that became float32 unasked */
    size_t small, vanished;     /* values that have lost digits below the type's least normal
                                 * number; of them those that became 0 */
    size_t not_finite;          /* values, in the file, too */
    char not_finite_name[200];  /* a tensor that has one */
    size_t passed_over;         /* that cannot be read */
    char passed_names[600];     /* "NAME (WHY), ..." of these */
    uint64_t bytes;             /* of the file */
} ffcl_convert_result;

/* The element types that a name stands for: "float32", "half", "bfloat16".  0, or -1. */
int ffcl_convert_dtype(const char *name, ffcl_dtype *dtype);

/* Writes every tensor of the file that can be read, with the names it is known by, and the file's
 * __metadata__.  Elements are converted by rounding to the nearest; FFCL_ENUMERIC names a tensor
 * with a finite value that the type has none for.  FFCL_EOUTPUT, FFCL_ESTOPPED, FFCL_ENOMEM, those
 * of reading; FFCL_EWEIGHTS where no tensor can be read. */
int ffcl_convert(ffcl_tensor_file *file, const ffcl_convert_spec *spec,
                 ffcl_convert_result *result, ffcl_error *err);

#endif
