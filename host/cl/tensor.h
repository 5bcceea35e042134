/* SPDX-License-Identifier: MIT
 * A tensor of a device: the operand of every operation.  It is a value: a view is another tensor
 * over the same buffer, and an operand that may be absent is a pointer, NULL where it is. */
#ifndef FFCL_CL_TENSOR_H
#define FFCL_CL_TENSOR_H

#include "cl/api.h"
#include "dtype.h"

typedef enum ffcl_layout {
    FFCL_ROWS,              /* element (r, c) of a matrix at r * ld + c */
    FFCL_COLUMNS,           /* at c * ld + r: how a transposed matrix lies */
    FFCL_TILES              /* half GEMM weights: ffcl_tiled_at of blas/gemm.h */
} ffcl_layout;

/* `batch` matrices of rows x cols.  Of an image the rows are its pixels, `width` to a line, and the
 * columns its channels (NHWC); of tokens, batch is images, rows tokens; of a value for each image
 * (a label, a gate) rows is 1. */
typedef struct ffcl_tensor {
    cl_mem mem;             /* NULL while planning */
    size_t at;              /* where element 0 lies in mem; this and all below count elements */
    size_t batch, rows, cols;
    size_t ld, stride;      /* from a row (COLUMNS: a column) and from a matrix to the next */
    size_t width;           /* of an image; else 0 */
    ffcl_dtype dtype;
    ffcl_layout layout;
    size_t slot;            /* 1 + its slot of the arena; 0: not the arena's */
} ffcl_tensor;

/* A dense tensor without a buffer yet. */
static inline ffcl_tensor ffcl_tensor_of(ffcl_dtype dtype, size_t batch, size_t rows, size_t cols)
{
    return (ffcl_tensor){.batch = batch, .rows = rows, .cols = cols, .ld = cols,
                         .stride = rows * cols, .dtype = dtype};
}

static inline ffcl_tensor ffcl_image_of(ffcl_dtype dtype, size_t batch, size_t height,
                                        size_t width, size_t channels)
{
    ffcl_tensor t = ffcl_tensor_of(dtype, batch, height * width, channels);
    t.width = width;
    return t;
}

/* The same shape over a buffer. */
static inline ffcl_tensor ffcl_tensor_in(cl_mem mem, ffcl_tensor t)
{
    t.mem = mem;
    return t;
}

static inline size_t ffcl_height(const ffcl_tensor *t)
{
    return t->rows / t->width;
}

static inline size_t ffcl_count(const ffcl_tensor *t)
{
    return t->batch * t->rows * t->cols;
}

/* Views of t: columns first .. first+n-1 (of FFCL_ROWS), rows, matrices. */
static inline ffcl_tensor ffcl_cols(ffcl_tensor t, size_t first, size_t n)
{
    t.at += t.layout == FFCL_COLUMNS ? first * t.ld : first;
    t.cols = n;
    return t;
}

static inline ffcl_tensor ffcl_rows(ffcl_tensor t, size_t first, size_t n)
{
    t.at += t.layout == FFCL_COLUMNS ? first : first * t.ld;
    t.rows = n;
    return t;
}

static inline ffcl_tensor ffcl_images(ffcl_tensor t, size_t first, size_t n)
{
    t.at += first * t.stride;
    t.batch = n;
    return t;
}

/* The matrix (all rows of all the batch) as it lies, of a dense tensor. */
static inline ffcl_tensor ffcl_flat(ffcl_tensor t)
{
    t.rows *= t.batch;
    t.batch = 1;
    t.stride = t.rows * t.ld;
    return t;
}

/* The transposed matrix, where it lies. */
static inline ffcl_tensor ffcl_transposed(ffcl_tensor t)
{
    const size_t rows = t.rows;
    t.rows = t.cols;
    t.cols = rows;
    t.layout = t.layout == FFCL_COLUMNS ? FFCL_ROWS : FFCL_COLUMNS;
    return t;
}

#endif
