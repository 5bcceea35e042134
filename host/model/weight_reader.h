/* SPDX-License-Identifier: MIT
 * Weights read ahead of their upload.  Threads, each with the file opened for itself, take rows in
 * order; the pieces come out in the order of the rows.  A row is read by one thread from its first
 * byte to its last, so that checksums of zip members are still looked at. */
#ifndef FFCL_MODEL_WEIGHT_READER_H
#define FFCL_MODEL_WEIGHT_READER_H

#include "model/weights.h"

/* Floats of a piece, but for those of FFCL_ROW_CONV, each of which is a whole laid out weight. */
enum { FFCL_PIECE_FLOATS = 2 << 20 };

typedef struct ffcl_weight_piece {
    size_t first, n;            /* elements of the row's tensor; of CONV: weight `first` */
    float *data;
    int is_last;                /* of its row */
} ffcl_weight_piece;

typedef struct ffcl_weight_reader ffcl_weight_reader;

/* Starts to read the rows that are not `placed`; rows and path are borrowed.  FFCL_EWEIGHTS where
 * a line of a tensor is longer than a piece, FFCL_ENOMEM. */
int ffcl_weight_reader_open(ffcl_weight_reader **out, const char *path,
                            const ffcl_weight_row *rows, size_t n_rows, ffcl_error *err);

/* The next piece, of the first row with pieces that have not been given out.  It stays while the
 * two after it are got.  What reading the file gives. */
int ffcl_weight_reader_next(ffcl_weight_reader *reader, ffcl_weight_piece *piece, ffcl_error *err);

void ffcl_weight_reader_close(ffcl_weight_reader **reader);

#endif
