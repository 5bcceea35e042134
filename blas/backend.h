/* SPDX-License-Identifier: MIT
 * What a back end of gemm.h provides, and the epilogue kernel for those that cannot fuse. */
#ifndef FFCL_BLAS_BACKEND_H
#define FFCL_BLAS_BACKEND_H

#include "cl/launch.h"
#include "gemm.h"
#include "tuning.h"

struct ffcl_blas {
    const char *name;
    int (*open)(ffcl_ctx *ctx);
    /* The product and its epilogue, whole. */
    int (*gemm)(ffcl_ctx *ctx, const ffcl_product *p);
    /* Called before the context is released. */
    void (*close)(ffcl_ctx *ctx);
    /* Is gemm good at slim products, too, so that ffcl_slim_gemm is wanted for unpatch alone? */
    int takes_slim;
    /* Text of what its results depend on, the caller's to free: its products are checked once for
     * each text before they are used.  NULL: they are not checked. */
    char *(*describe)(ffcl_ctx *ctx);
};

extern const ffcl_blas ffcl_blas_clblast, ffcl_blas_builtin, ffcl_blas_cblas;

/* Before the first product: checks ctx->blas unless the verdict is known, and puts the built-in
 * products in its place, with a warning, where it computes wrong or fails. */
int ffcl_blas_check(ffcl_ctx *ctx);

/* The parameters of CLBlast for the device, which is at home here: ffcl's own for its kind, and
 * over them what [blas] tuning asks for, reported in a note.  Sets ctx->tuning_id and untuned.
 * FFCL_EFILE, FFCL_ECONFIG: of a file that was asked for by name. */
int ffcl_tuning_choose(ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here);
/* ffcl's own alone. */
void ffcl_tuning_usual(const ffcl_ctx *ctx, ffcl_tuning *t);

/* Where parameters for ctx's device and the CLBlast in use are at home. */
void ffcl_clblast_home(const ffcl_ctx *ctx, ffcl_tuning_home *home);
/* Hands t to CLBlast, for the device and the rest of the process.  FFCL_ECONFIG: it refuses. */
int ffcl_clblast_apply(ffcl_ctx *ctx, const ffcl_tuning *t);

/* The built-in product by gemm_f32_tiled in work-groups of side x side, 8 or 16; 0: by gemm_f32. */
int ffcl_builtin_gemm(ffcl_ctx *ctx, const ffcl_product *p, size_t side);
/* The side that suits device and product. */
size_t ffcl_builtin_side(const ffcl_ctx *ctx, const ffcl_product *p);

/* A product of half operands, by the matrix engine or the plain kernel.  parts: NULL, or where the
 * product may be left (ffcl_gemm_in_parts). */
int ffcl_half_gemm(ffcl_ctx *ctx, const ffcl_product *p, ffcl_parts *parts);

/* A product of float32 operands with few rows or columns, epilogue and unpatch included. */
int ffcl_slim_gemm(ffcl_ctx *ctx, const ffcl_product *p);

/* The parts of ffcl_gemm_cost: A W alone, its result float32 where bare is 1; and what the epilogue
 * reads and does beside the result. */
ffcl_cost ffcl_bare_cost(const ffcl_product *p, int bare);
ffcl_cost ffcl_after_cost(const ffcl_product *p);

/* Which operands there are, as kernels take it: 1 bias, 2 gate, 4 add. */
int ffcl_epilogue_flags(const ffcl_epilogue *e);

/* The arguments of a kernel with p's epilogue, from bias to flags (cl/epilogue.cl); absent operands
 * are out. */
#define FFCL_EPILOGUE(p)                                                                      \
    FFCL_BUF((p)->epilogue.has_bias ? (p)->epilogue.bias : (p)->out),                         \
    FFCL_I32((p)->epilogue.bias_at),                                                          \
    FFCL_BUF((p)->epilogue.has_gate ? (p)->epilogue.gate : (p)->out),                         \
    FFCL_I32((p)->epilogue.gate_at), FFCL_I32((p)->epilogue.gate_ld),                         \
    FFCL_I32((p)->epilogue.has_gate ? (p)->epilogue.gate_rows : 1),                           \
    FFCL_BUF((p)->epilogue.has_add ? (p)->epilogue.add : (p)->out),                           \
    FFCL_I32((p)->epilogue.add_at), FFCL_I32((p)->epilogue.add_ld),                           \
    FFCL_I32((p)->epilogue.has_add ? (p)->epilogue.add_rows : 1), FFCL_I32((p)->epilogue.act), \
    FFCL_I32(ffcl_epilogue_flags(&(p)->epilogue))

/* Applies p->epilogue to the product in p->out, in place. */
int ffcl_epilogue_run(ffcl_ctx *ctx, const ffcl_product *p);

#endif
