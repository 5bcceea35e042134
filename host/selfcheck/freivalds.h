/* SPDX-License-Identifier: MIT
 * Is a GEMM's result right, without computing it again (Freivalds 1977)?  out x = A (W x), for a
 * vector x of signs and sizes at random, takes M N + K N + M K steps where the GEMM takes M N K,
 * and a wrong element of out makes its row differ. */
#ifndef FFCL_SELFCHECK_FREIVALDS_H
#define FFCL_SELFCHECK_FREIVALDS_H

#include <stddef.h>

typedef struct ffcl_freivalds {
    size_t m, n, k;
    int by_columns;             /* A lies as (K, M) */
    /* (M, K), (K, N), (M, N), dense.  Elements of a and w repeat after `period`; 0: never. */
    const float *a, *w, *out;
    size_t period;
    size_t step;                /* every step-th row is looked at, and the last 64 */
    double *scratch;            /* (N + K) */
} ffcl_freivalds;

/* 1: every row is within 1e-3 sqrt(K), for operands from -1 to 1: more than roundings make. */
int ffcl_freivalds_is_right(const ffcl_freivalds *f);

#endif
