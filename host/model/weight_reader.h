/* SPDX-License-Identifier: MIT
 * Reads weights ahead of their upload.  Several threads, each with the file opened for itself, take
 * rows of the table and read them in pieces; the caller gets the pieces in the order of the rows.
 * One thread reads a row from its first byte to its last, as the checksum of a zip member can only
 * be verified so. */
#ifndef FFCL_MODEL_WEIGHT_READER_H
#define FFCL_MODEL_WEIGHT_READER_H

#include "model/weights.h"

/* The most floats of a piece; but a piece of a convolution that the host lays out is a whole part
 * (ffcl_conv_part_count). */
enum { FFCL_PIECE_FLOATS = 2 << 20 };

typedef struct ffcl_weight_piece {
    size_t first, n;            /* elements first .. first+n-1 of the row's tensor; of a */
                                /* convolution that the host lays out: part first, n is 1 */
    float *data;
    int is_last;                /* of its row */
} ffcl_weight_piece;

typedef struct ffcl_weight_reader ffcl_weight_reader;

/* Starts to read the rows that are not `placed`; rows and file are borrowed.  FFCL_EWEIGHTS where
 * one row of a matrix or one output of a convolution is larger than a piece, FFCL_ENOMEM. */
int ffcl_weight_reader_open(ffcl_weight_reader **out, const ffcl_tensor_file *file,
                            const ffcl_weight_row *rows, size_t n_rows, ffcl_error *err);

/* Waits for the next piece, in the order of the rows.  Its data stay valid until the third call
 * after this one.  There must be one: a row's pieces end with is_last.  Errors are those of reading
 * the file. */
int ffcl_weight_reader_next(ffcl_weight_reader *reader, ffcl_weight_piece *piece, ffcl_error *err);

void ffcl_weight_reader_close(ffcl_weight_reader **reader);

#endif
