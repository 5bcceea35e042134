/* SPDX-License-Identifier: MIT
 * Kernel launches with typed arguments. */
#ifndef FFCL_CL_LAUNCH_H
#define FFCL_CL_LAUNCH_H

#include <assert.h>

#include "cl/program.h"

typedef enum ffcl_arg_kind {
    FFCL_ARG_BUFFER, FFCL_ARG_INT, FFCL_ARG_FLOAT, FFCL_ARG_LOCAL     /* __local memory */
} ffcl_arg_kind;

typedef struct ffcl_arg {
    size_t size;            /* bytes of the argument, or of local memory */
    ffcl_arg_kind kind;
    union {
        cl_mem mem;
        cl_int i32;
        cl_float f32;
    } value;
} ffcl_arg;

static inline ffcl_arg ffcl_dense_arg(const ffcl_tensor *t)
{
    assert(t->layout == FFCL_ROWS && t->ld == t->cols &&
           (t->batch <= 1 || t->stride == t->rows * t->cols));
    return (ffcl_arg){sizeof(cl_mem), FFCL_ARG_BUFFER, {.mem = t->mem}};
}

static inline ffcl_arg ffcl_whole_arg(const ffcl_tensor *t)
{
    assert(t->at == 0);
    return ffcl_dense_arg(t);
}

#define FFCL_BUF(t) ((ffcl_arg){sizeof(cl_mem), FFCL_ARG_BUFFER, {.mem = (t)->mem}})
/* The same for kernels that take neither offset nor distance of rows: a view is the caller's
 * mistake, which would compute with other elements. */
#define FFCL_DENSE(t) ffcl_whole_arg(t)
/* And for those that take where it begins, as the next argument. */
#define FFCL_DENSE_AT(t) ffcl_dense_arg(t), FFCL_INT((t)->at)
#define FFCL_INT(x) ((ffcl_arg){sizeof(cl_int), FFCL_ARG_INT, {.i32 = (cl_int)(x)}})
#define FFCL_FLOAT(x) ((ffcl_arg){sizeof(cl_float), FFCL_ARG_FLOAT, {.f32 = (cl_float)(x)}})
#define FFCL_LOCAL(bytes) ((ffcl_arg){(bytes), FFCL_ARG_LOCAL, {.i32 = 0}})

/* Enqueues kernel over dims dimensions of global work-items in work-groups of local (NULL: the
 * driver's choice).  The number of arguments must be the kernel's: an unset one would silently
 * keep its last value.  Does nothing while planning, or after a failure; a failure of its own is
 * kept in the context. */
void ffcl_launch_args(ffcl_ctx *ctx, const ffcl_kernel *kernel, cl_uint dims, const size_t *global,
                      const size_t *local, const ffcl_arg *args, size_t n_args);

#define ffcl_launch(ctx, kernel, dims, global, local, ...)                                  \
    ffcl_launch_args((ctx), (kernel), (dims), (global), (local), (ffcl_arg[]){__VA_ARGS__}, \
                     sizeof((ffcl_arg[]){__VA_ARGS__}) / sizeof(ffcl_arg))

/* The largest power of two that is at most wanted, the kernel's and the device's limit. */
size_t ffcl_local_size(const ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t wanted);

/* For kernels with work-groups of 32 x LINES (cl/transpose.cl): the lines, 8 where the device has
 * such work-groups, and the build option for them, "" for 8; option has at least 16 bytes. */
size_t ffcl_tile_lines(const ffcl_ctx *ctx, char *option);

/* n work-items, an element each, in work-groups of up to 256; the kernel guards its bound. */
void ffcl_launch_flat(ffcl_ctx *ctx, const ffcl_kernel *kernel, size_t n, const ffcl_arg *args,
                      size_t n_args);

#define ffcl_launch_items(ctx, kernel, n, ...)                           \
    ffcl_launch_flat((ctx), (kernel), (n), (ffcl_arg[]){__VA_ARGS__},    \
                     sizeof((ffcl_arg[]){__VA_ARGS__}) / sizeof(ffcl_arg))

#endif
