/* SPDX-License-Identifier: MIT
 * Weights of a model: one row a tensor, from which come the check of the file, the memory plan and
 * the load.  Matrices lie on the device as blas/gemm.h wants them. */
#ifndef FFCL_MODEL_WEIGHTS_H
#define FFCL_MODEL_WEIGHTS_H

#include "cl/context.h"
#include "files/tensorfile.h"
#include "ops/ops.h"

/* A linear layer: w (K, N), b (1, N). */
typedef struct ffcl_linear {
    ffcl_tensor w, b;
} ffcl_linear;

typedef enum ffcl_row_kind {
    FFCL_ROW_PLAIN,         /* as in the file, from element at */
    FFCL_ROW_MATRIX,        /* (N, K) in the file: columns at .. at+N of a (K, .) matrix, which */
                            /* lies as its layout says */
    FFCL_ROW_CONV,          /* (Cout, Cin, k, k), for ffcl_conv_fill of conv */
    FFCL_ROW_CONV_BIAS,     /* (Cout), into conv->bias */
    FFCL_ROW_CONV_ZEROS,    /* conv->bias of (Cout) is 0, as the file has none */
    FFCL_ROW_HOST           /* checked alone: the model reads it */
} ffcl_row_kind;

typedef struct ffcl_weight_row {
    char name[96];          /* canonical name */
    int rank;
    size_t shape[4];
    ffcl_row_kind kind;
    ffcl_tensor *to;        /* PLAIN, MATRIX; one row or several side by side fill it */
    size_t at;
    ffcl_conv_weight *conv; /* CONV, CONV_BIAS */
    const float *scale;     /* CONV: (Cout) factors of its outputs, filled before the load; NULL */
    const ffcl_tensor_info *found;
    int placed;             /* used where it lies in the file, so that it is not read */
} ffcl_weight_row;

/* A tensor of the file under its canonical name. */
typedef struct ffcl_name {
    char *name;
    const ffcl_tensor_info *info;
    int used;
} ffcl_name;

typedef struct ffcl_weights {
    ffcl_tensor_file *file;
    ffcl_name *names;
    ffcl_name **sorted;     /* (n_names) by name */
    size_t n_names;
    ffcl_weight_row *rows;
    size_t n_rows, room;
    int out_of_memory;      /* a row could not be added; reported by ffcl_weights_check */
} ffcl_weights;

/* Turns a file's name into the canonical one in *out (malloc'ed), NULL for tensors to ignore.  0,
 * or FFCL_ENOMEM. */
typedef int ffcl_rename(char **out, const char *name, void *user);

/* Opens the file (wrapper, of_vae: see ffcl_tensor_file_open_as) and builds the index of canonical
 * names. */
int ffcl_weights_open(ffcl_weights *w, const char *path, const char *wrapper, int of_vae,
                      ffcl_rename *rename, void *user, ffcl_error *err);

/* Which tensors of the file the model has, as a setting of a sample set, "ema, a.*, 86 tensors,
 * crc32 1a2b3c4d"; prefix: what their names begin with in the file.  The sum is of names, in the
 * file and canonical ones. */
void ffcl_weights_describe(const ffcl_weights *w, const char *prefix, char *text, size_t size);

/* Frees the index and the file; the device buffers belong to the models. */
void ffcl_weights_close(ffcl_weights *w);

/* The tensor of this canonical name, or NULL. */
const ffcl_tensor_info *ffcl_weights_find(const ffcl_weights *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Is there a tensor whose canonical name begins with the formatted text?  Counts blocks even where
 * some of their tensors are missing. */
int ffcl_weights_has(const ffcl_weights *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Tensors whose canonical name begins with prefix are known and not needed: no complaint. */
void ffcl_weights_pass(ffcl_weights *w, const char *prefix);

/* Adds a row; name is formatted. */
void ffcl_weights_add(ffcl_weights *w, const ffcl_weight_row *row, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What ends a sentence on missing tensors: a file whose name says that it is one of several,
 * "-00001-of-00004", lacks what the others have; one with the weights of another model belongs to
 * another key than this one ("vae.weights"); else "". */
const char *ffcl_weights_remedy(const ffcl_weights *w, const char *key);

/* Compares rows with the file: missing, extra and misshapen tensors are listed in one message.
 * what: "SiT checkpoint" and the like; key: as above.  FFCL_EWEIGHTS. */
int ffcl_weights_check(ffcl_weights *w, const char *what, const char *key, ffcl_error *err);

/* Elements of a weight's buffer, tiles included. */
size_t ffcl_weight_count(const ffcl_tensor *weight);

/* Bytes that a row takes on the device. */
size_t ffcl_weight_row_bytes(const ffcl_weight_row *row);

/* Bytes that the rows take on the device. */
size_t ffcl_weights_bytes(const ffcl_weights *w);

/* Bytes of the largest buffer among them. */
size_t ffcl_weights_largest_bytes(const ffcl_weights *w);

/* Reads, converts and uploads every row.  done and total (bytes, of all models together) are for
 * the progress report. */
int ffcl_weights_load(ffcl_weights *w, ffcl_ctx *ctx, uint64_t *done, uint64_t total);

void ffcl_weight_release(ffcl_tensor *weight);
void ffcl_conv_release(ffcl_conv_weight *conv);

#endif
