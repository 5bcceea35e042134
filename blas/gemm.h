/* SPDX-License-Identifier: MIT
 * The one door for matrix products:  out = epilogue(A W),  A (M, K), W (K, N), out (M, N).
 *
 * Weights are stored (K, N), out-channel contiguous, which is what CLBlast's kernels read without
 * a transposing pass; the loader lays them out so.  A back end that cannot fuse the epilogue runs
 * the product and then one epilogue kernel. */
#ifndef FFCL_BLAS_GEMM_H
#define FFCL_BLAS_GEMM_H

#include "cl/context.h"

typedef enum ffcl_act { FFCL_ACT_NONE, FFCL_ACT_SILU, FFCL_ACT_GELU } ffcl_act;

/* v = act(product + bias[n]);  v *= gate[m / gate_rows][n];  v += add[m % add_rows][n].
 * Absent operands have mem NULL and has_* 0 (mem is NULL for all while planning). */
typedef struct ffcl_epilogue {
    int has_bias, has_gate, has_add;
    ffcl_act act;
    cl_mem bias;                            /* (N) from bias_at */
    size_t bias_at;
    cl_mem gate;                            /* (M / gate_rows, gate_ld) from gate_at */
    size_t gate_at, gate_ld, gate_rows;
    cl_mem add;                             /* (add_rows, add_ld) from add_at */
    size_t add_at, add_ld, add_rows;
} ffcl_epilogue;

typedef struct ffcl_product {
    size_t m, n, k;
    cl_mem a;                               /* (M, K) rows a_ld apart; or (K, M) if a_kmajor */
    size_t a_at, a_ld;
    int a_kmajor;
    cl_mem w;                               /* (K, N) rows w_ld apart */
    size_t w_at, w_ld;
    cl_mem out;                             /* (M, N) rows out_ld apart; not epilogue.add */
    size_t out_at, out_ld;
    ffcl_epilogue epilogue;
} ffcl_product;

typedef struct ffcl_blas ffcl_blas;

/* Opens the back end called name ("auto", "clblast") for ctx and hangs it on ctx->blas.
 * FFCL_ECONFIG for an unknown name (the known ones are listed). */
int ffcl_blas_open(ffcl_ctx *ctx, const char *name);
void ffcl_blas_close(ffcl_ctx *ctx);

/* The name of the back end in use. */
const char *ffcl_blas_name(const ffcl_ctx *ctx);

/* Enqueues the product; scratch memory comes from the context's arena. */
int ffcl_gemm(ffcl_ctx *ctx, const ffcl_product *p);

/* The rows of out that a fast product wants at least, e.g. for cutting work into bands. */
enum { FFCL_GEMM_ROW_STEP = 128 };

#endif
