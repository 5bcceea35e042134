/* SPDX-License-Identifier: MIT
 * LAPACK and BLAS in double, from OpenBLAS or Debian's liblapack3, loaded when first needed: only
 * an evaluation needs them.  Matrices are column-major and, as all of them are symmetric or
 * rectangular of our own making, described where they are used. */
#ifndef FFCL_EVAL_LAPACK_H
#define FFCL_EVAL_LAPACK_H

#include "error.h"

typedef struct ffcl_lapack ffcl_lapack;

/* The first library that is installed.  FFCL_EFILE: none, with the name of the package. */
int ffcl_lapack_open(ffcl_lapack **out, ffcl_error *err);
void ffcl_lapack_close(ffcl_lapack **lapack);
/* From now on OpenBLAS may use all processors.  Only where no device computes by it meanwhile,
 * as the CBLAS back end does: its sums would have another order. */
void ffcl_lapack_take_all(ffcl_lapack *lapack);
const char *ffcl_lapack_name(const ffcl_lapack *lapack);
const char *ffcl_lapack_version(const ffcl_lapack *lapack);

/* C (n, n), its lower half in column-major order, += the sum over k rows r of X (k, n), row-major:
 * r^T r; the same bytes by any number of threads.  OpenBLAS has one thread from then on.  Not to be
 * called by two threads at a time. */
void ffcl_lapack_add_squares(const ffcl_lapack *lapack, double *C, const double *X, size_t k,
                             size_t n);

/* C (n, n) = A B, or with is_transposed A^T B, all column-major. */
void ffcl_lapack_multiply(const ffcl_lapack *lapack, double *C, const double *A, const double *B,
                          size_t n, int is_transposed);

/* Eigenvalues of the symmetric A (n, n), whose lower half is read, in ascending order into
 * values; with is_vectors A becomes the eigenvectors, a column each, else it is overwritten.
 * FFCL_ENUMERIC where the library finds none, FFCL_ENOMEM. */
int ffcl_lapack_eigen(const ffcl_lapack *lapack, double *A, size_t n, int is_vectors,
                      double *values, ffcl_error *err);

/* Is the symmetric A (n, n), whose lower half is read, positive definite?  It is overwritten. */
int ffcl_lapack_is_definite(const ffcl_lapack *lapack, double *A, size_t n);

#endif
