/* SPDX-License-Identifier: MIT
 * A CBLAS library of the system, loaded at run time: ffcl starts without one. */
#ifndef FFCL_BLAS_CBLAS_LIBRARY_H
#define FFCL_BLAS_CBLAS_LIBRARY_H

#include "error.h"

/* As in cblas.h, whose enumerations have these values in every implementation. */
enum { FFCL_CBLAS_ROW_MAJOR = 101, FFCL_CBLAS_PLAIN = 111, FFCL_CBLAS_TRANSPOSED = 112 };

typedef struct ffcl_cblas_library {
    void *handle;
    char name[256];         /* "libopenblas.so.0 (SkylakeX)" */
    char version[200];      /* "OpenBLAS 0.3.21", or the name of the file */
    void (*sgemm)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha,
                  const float *a, int lda, const float *b, int ldb, float beta, float *c, int ldc);
    void (*sgemv)(int order, int trans, int m, int n, float alpha, const float *a, int lda,
                  const float *x, int incx, float beta, float *y, int incy);
} ffcl_cblas_library;

/* Loads file (a name that the loader finds, or a path) and has it compute in the calling thread
 * alone, if ffcl knows how to.  FFCL_EFILE where it cannot be loaded or is no CBLAS. */
int ffcl_cblas_load(ffcl_cblas_library *lib, const char *file, ffcl_error *err);

/* The first library that is installed and is no reference implementation.  FFCL_EFILE. */
int ffcl_cblas_load_any(ffcl_cblas_library *lib, ffcl_error *err);
void ffcl_cblas_unload(ffcl_cblas_library *lib);

/* Compares results of odd sizes with a plain loop.  FFCL_EDEVICE where they are wrong,
 * FFCL_ENOMEM. */
int ffcl_cblas_check(const ffcl_cblas_library *lib, ffcl_error *err);

/* How many times as fast as a plain C loop it computes a GEMM of 160 x 160 x 160, on one thread; 0
 * where memory is short. */
double ffcl_cblas_speed(const ffcl_cblas_library *lib);

/* What a BLAS says that it is ("OpenBLAS 0.3.21"); of others the file.  function: the address of a
 * pointer to a function of it. */
void ffcl_blas_version(char *text, size_t size, void *handle, const void *function);

/* The name of the file that a function comes from, which often ends in a version. */
void ffcl_library_file(char *text, size_t size, const void *function);

#endif
