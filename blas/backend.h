/* SPDX-License-Identifier: MIT
 * The table of a back end, and what back ends share; private to blas/, host/selfcheck/ and
 * host/tune/. */
#ifndef FFCL_BLAS_BACKEND_H
#define FFCL_BLAS_BACKEND_H

#include "cl/launch.h"
#include "gemm.h"
#include "tuning.h"

typedef struct ffcl_backend {
    const char *name;
    /* Sets ctx->blas->state, which is the back end's own. */
    int (*open)(ffcl_ctx *ctx, const ffcl_blas_options *options);
    void (*close)(ffcl_ctx *ctx);               /* before the context is released */
    void (*gemm)(ffcl_ctx *ctx, const ffcl_matmul *p);  /* float32, with its epilogue */
    /* The name for messages where it is not `name`, e.g. the library's; NULL: name. */
    const char *(*text)(const ffcl_ctx *ctx);
    /* All that its results depend on, as text, the caller's to free: the key of its self-check,
     * which runs before its first use.  NULL: it is not checked so. */
    char *(*describe)(ffcl_ctx *ctx);
    /* Which version of a library it is; NULL: it is none. */
    void (*library)(const ffcl_ctx *ctx, char *text, size_t size);
    int takes_skinny;           /* is fast at skinny GEMMs, too */
    int takes_columns;          /* reads W as COLUMNS as fast as ROWS */
    int takes_batches;          /* has batches of float32 GEMMs */
    int takes_half;             /* half operands are worth a float32 copy for it */
    int rounds_by_image;        /* an image's sums never depend on the batch */
} ffcl_backend;

/* The open back end. */
struct ffcl_blas {
    const ffcl_backend *backend;
    void *state;
    int has_blocked;            /* "blocked" may be chosen: its self-check passed */
    int prefers_blocked;        /* and it is faster here than the library, not in batches alone */
    int has_blocked_half;       /* "blocked-half" may be chosen: it passed its self-check, too */
    int (*check)(ffcl_ctx *ctx);                /* the self-check; NULL: made, or not needed */
    char tuning[9];             /* id of the tuned parameters in use; "": none */
    int is_untuned;             /* see ffcl_blas_is_untuned */
    void (*see)(void *user, const ffcl_matmul *p);      /* may be NULL */
    void *see_user;
};

extern const ffcl_backend ffcl_backend_clblast, ffcl_backend_builtin, ffcl_backend_cblas;

/* Puts the built-in GEMM in the place of the open back end. */
void ffcl_blas_fall_back(ffcl_ctx *ctx);

/* t: CLBlast's parameters for the device, whose home is `here`: those that ffcl has for its kind,
 * replaced by those of the file that `tuning` asks for, which a note reports.  Sets tuning and
 * is_untuned of ctx->blas.  FFCL_EFILE, FFCL_ECONFIG: a file that was asked for by name. */
int ffcl_tuning_choose(ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here,
                       const char *tuning);
/* Only those that ffcl has for the device's kind. */
void ffcl_tuning_usual(const ffcl_ctx *ctx, ffcl_tuning *t);

/* The home of parameters for ctx's device and the CLBlast in use. */
void ffcl_clblast_home(const ffcl_ctx *ctx, ffcl_tuning_home *home);
/* Sets CLBlast's parameters to t, for the device and the rest of the process.  FFCL_ECONFIG where
 * CLBlast refuses them. */
int ffcl_clblast_apply(ffcl_ctx *ctx, const ffcl_tuning *t);

/* Can the device use a CBLAS library: is it a CPU whose queue runs host functions on its
 * buffers? */
int ffcl_cblas_fits(const ffcl_ctx *ctx);

/* The built-in GEMM by gemm_f32_tiled in work-groups of side x side, 8 or 16; 0: by gemm_f32. */
void ffcl_builtin_gemm(ffcl_ctx *ctx, const ffcl_matmul *p, size_t side);
/* The side that suits device and GEMM. */
size_t ffcl_builtin_side(const ffcl_ctx *ctx, const ffcl_matmul *p);

/* On GPUs, register blocked, also in batches: can the device run it, and can it compute p, of which
 * an operand is half? */
int ffcl_blocked_can(const ffcl_ctx *ctx);
int ffcl_blocked_half_can(const ffcl_ctx *ctx, const ffcl_matmul *p);
void ffcl_blocked_gemm(ffcl_ctx *ctx, const ffcl_matmul *p);

/* Half operands: the plain kernel, that for one row (GEMV), and the matrix unit's. */
void ffcl_half_plain(ffcl_ctx *ctx, const ffcl_matmul *p);
void ffcl_half_gemv(ffcl_ctx *ctx, const ffcl_matmul *p);
int ffcl_half_gemv_can(const ffcl_ctx *ctx, const ffcl_matmul *p);
void ffcl_half_unit(ffcl_ctx *ctx, const ffcl_matmul *p);
/* p->out = p's epilogue of the sum of partial (n, M, N); only a gate may begin at an offset. */
void ffcl_split_k_reduce(ffcl_ctx *ctx, const ffcl_matmul *p, const ffcl_tensor *partial);

/* Half operands on CPUs, multiplied as float32 copies. */
int ffcl_cblas_half_can(const ffcl_ctx *ctx, const ffcl_matmul *p);
void ffcl_cblas_half(ffcl_ctx *ctx, const ffcl_matmul *p);

/* float32 operands with few rows or columns, epilogue and unpatchify included. */
void ffcl_skinny_gemm(ffcl_ctx *ctx, const ffcl_matmul *p);
/* The same of one that unpatchifies and has no epilogue but a bias, without barriers: the same
 * bytes. */
int ffcl_unpatch_row_can(const ffcl_matmul *p);
void ffcl_unpatch_row(ffcl_ctx *ctx, const ffcl_matmul *p);

/* The two parts of ffcl_gemm_cost: A W alone, whose result is float32 where bare is 1; and the
 * epilogue, without the result that it reads and writes. */
ffcl_cost ffcl_bare_cost(const ffcl_matmul *p, int bare);
ffcl_cost ffcl_after_cost(const ffcl_matmul *p);

/* Declares the cost of the next launch for p, and p's shape as part of its label. */
void ffcl_gemm_work(ffcl_ctx *ctx, const ffcl_matmul *p, ffcl_cost cost);

/* The operands that p has, as kernels take them: 1 bias, 2 gate, 4 add. */
int ffcl_epilogue_flags(const ffcl_matmul *p);

/* The operand or, where it is absent, another tensor as its argument, which the kernel ignores. */
#define FFCL_BUF_OR(operand, other) FFCL_BUF((operand) ? (operand) : (other))

/* The arguments of a kernel with p's epilogue, from bias to flags (cl/epilogue.cl); absent operands
 * are out. */
#define FFCL_EPILOGUE(p)                                                                       \
    FFCL_BUF_OR((p)->bias, &(p)->out), FFCL_INT((p)->bias ? (p)->bias->at : 0),                \
    FFCL_BUF_OR((p)->gate, &(p)->out), FFCL_INT((p)->gate ? (p)->gate->at : 0),                \
    FFCL_INT((p)->gate ? (p)->gate->stride : 0),                                               \
    FFCL_INT((p)->gate ? ffcl_matmul_rows_per_image(p) : 1),                                   \
    FFCL_BUF_OR((p)->add, &(p)->out), FFCL_INT((p)->add ? (p)->add->at : 0),                   \
    FFCL_INT((p)->add ? (p)->add->ld : 0),                                                     \
    FFCL_INT((p)->add ? (p)->add->batch * (p)->add->rows : 1), FFCL_INT((p)->act),             \
    FFCL_INT(ffcl_epilogue_flags(p))

/* Columns of a row that a work-item of a CPU's epilogue takes: a whole row of a block of SiT, but a
 * part of the long row of its modulations. */
enum { FFCL_ROW_PART = 8192 };

/* Applies p's epilogue to A W in p->out, in place. */
void ffcl_epilogue_run(ffcl_ctx *ctx, const ffcl_matmul *p);

#endif
