/* SPDX-License-Identifier: MIT
 * Mean and covariance of a stream of features, in double; Frechet distances between two. */
#ifndef FFCL_EVAL_MOMENTS_H
#define FFCL_EVAL_MOMENTS_H

#include "eval/lapack.h"

typedef struct ffcl_moments {
    size_t n, D;
    double *mean;               /* (D) */
    double *squares;            /* (D, D), the lower half in column-major order: the sum of */
                                /* (x - mean)(x - mean)^T; divided by n - 1 the covariance */
    /* Rows that wait, and those that are being merged: blocks of a fixed number of rows are added
     * at once, so that sums have one order, whatever the batches. */
    double *block, *closed;     /* (FFCL_MOMENTS_BLOCK + 1, D) */
    size_t waiting, n_closed;
} ffcl_moments;

enum { FFCL_MOMENTS_BLOCK = 256 };

int ffcl_moments_open(ffcl_moments **out, size_t D, ffcl_error *err);
void ffcl_moments_close(ffcl_moments **moments);

/* Has the row x (D) wait; 1: a block is full, to be closed and merged before the next row.  The two
 * steps of it: while a block is merged, by one thread, rows may wait for the next. */
int ffcl_moments_put(ffcl_moments *m, const float *x);
void ffcl_moments_close_block(ffcl_moments *m);
void ffcl_moments_merge(ffcl_moments *m, const ffcl_lapack *lapack);

/* Adds n rows x (n, D). */
void ffcl_moments_add(ffcl_moments *m, const ffcl_lapack *lapack, const float *x, size_t n);
/* Adds what still waits; before n, mean and squares are read. */
void ffcl_moments_end(ffcl_moments *m, const ffcl_lapack *lapack);

/* The moments of a distribution with this mean (D) and covariance (D, D), of n samples. */
int ffcl_moments_of(ffcl_moments **out, size_t D, size_t n, const double *mean,
                    const double *covariance, ffcl_error *err);
/* The covariance (D, D), all of it. */
void ffcl_moments_covariance(const ffcl_moments *m, double *covariance);

/* |mean - mean'|^2 + trace(C + C' - 2 sqrt(C C')); the trace of the root is the sum of the roots of
 * the eigenvalues of sqrt(C) C' sqrt(C), those below 0 by rounding being 0, so that singular
 * covariances need nothing added.  Of equal D, with n at least 2.  FFCL_ENUMERIC, FFCL_ENOMEM. */
int ffcl_moments_distance(double *out, const ffcl_moments *a, const ffcl_moments *b,
                          const ffcl_lapack *lapack, ffcl_error *err);

#endif
