/* SPDX-License-Identifier: MIT
 * What a back end of gemm.h provides, and the epilogue kernel for those that cannot fuse. */
#ifndef FFCL_BLAS_BACKEND_H
#define FFCL_BLAS_BACKEND_H

#include "gemm.h"

struct ffcl_blas {
    const char *name;
    int (*open)(ffcl_ctx *ctx);
    /* The product and its epilogue, whole. */
    int (*gemm)(ffcl_ctx *ctx, const ffcl_product *p);
    /* Called before the context is released. */
    void (*close)(ffcl_ctx *ctx);
};

extern const ffcl_blas ffcl_blas_clblast, ffcl_blas_cblas;

/* A product of half operands, by the matrix engine or the plain kernel. */
int ffcl_half_gemm(ffcl_ctx *ctx, const ffcl_product *p);

/* Applies p->epilogue to the product in p->out, in place. */
int ffcl_epilogue_run(ffcl_ctx *ctx, const ffcl_product *p);

#endif
