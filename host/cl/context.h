/* SPDX-License-Identifier: MIT
 * One opened device: context, one in-order queue, programs, buffers, error slot. */
#ifndef FFCL_CL_CONTEXT_H
#define FFCL_CL_CONTEXT_H

#include <stdio.h>

#include "cl/device.h"

struct ffcl_programs;
struct ffcl_arena;
struct ffcl_blas;
struct ffcl_profile;
struct ffcl_profile_lane;
struct ffcl_product;
struct ffcl_cblas;

/* Matrix engines: of NVIDIA mma.sync (compute capability 8.0) and wgmma (9.0); of AMD WMMA (RDNA 3)
 * and MFMA (CDNA); of Intel dpas in sub-groups of 8 or 16. */
typedef enum ffcl_engine_level {
    FFCL_ENGINE_NONE, FFCL_ENGINE_MMA, FFCL_ENGINE_WGMMA, FFCL_ENGINE_WMMA, FFCL_ENGINE_MFMA,
    FFCL_ENGINE_DPAS8, FFCL_ENGINE_DPAS16
} ffcl_engine_level;

/* The kernels of cl/mma*.cl are for NVIDIA's levels alone. */
static inline int ffcl_engine_is_nvidia(ffcl_engine_level level)
{
    return level == FFCL_ENGINE_MMA || level == FFCL_ENGINE_WGMMA;
}

/* How a tensor's elements are stored; arithmetic is float32 wherever no matrix engine computes. */
typedef enum ffcl_store { FFCL_STORE_FLOAT, FFCL_STORE_HALF } ffcl_store;

static inline size_t ffcl_store_bytes(ffcl_store store)
{
    return store == FFCL_STORE_HALF ? 2 : 4;
}

typedef struct ffcl_ctx {
    ffcl_device device;
    cl_context context;
    cl_command_queue queue;
    struct ffcl_programs *programs;     /* cl/program.h */
    struct ffcl_arena *arena;           /* cl/arena.h */
    const struct ffcl_blas *blas;       /* blas/gemm.h */
    struct ffcl_profile_lane *profile;  /* cl/profile.h; NULL: nothing is timed */
    int blas_checked;                   /* its results were, here or at an earlier start */
    const char *tuning;                 /* [blas] tuning: auto, off or a file; NULL: off */
    char tuning_id[9];                  /* of the tuned parameters in use, "": none */
    char *parameters;                   /* CLBlast's, as text; NULL: another back end */
    int untuned;                        /* tuned parameters would be used and there are none */
    struct ffcl_cblas *cblas;           /* blas/cblas.c; NULL: another back end */
    const char *blas_library;           /* the file for it, the caller's; NULL: any that is there */
    ffcl_error *err;                    /* the slot of the call in progress; never NULL */
    const ffcl_observer *obs;           /* may be NULL */
    /* While planning, launches and products do nothing but name their programs and take their
     * buffers, so that one pass over a model's op list gives sizes and programs beforehand. */
    int planning;
    /* Told of every float32 product of a planning pass; may be NULL. */
    void (*see_product)(void *user, const struct ffcl_product *p);
    void *see_user;
    /* Matrix-engine kernels that may be used, as the device builds them and they passed their
     * check. */
    ffcl_engine_level matrix_engine;
    /* For tests: AMD's and Intel's instructions by their definition, on any device, slowly
     * (EMULATE of cl/matrix.cl). */
    int emulate;
    /* No choice may depend on how many pictures a batch has, so that sums are rounded in one way
     * and a picture is the same bytes in any batch; costs speed in small batches. */
    int any_batch;
    cl_mem tickets;                     /* ffcl_tickets */
    /* Pictures of the pass under way, for products of rows that belong to them; 0: not known. */
    size_t pictures;
    int sync;                           /* FFCL_SYNC=1: finish after each launch */
    FILE *trace;                        /* FFCL_TRACE=FILE: a line a launch; NULL: none */
    ffcl_error own_err;
} ffcl_ctx;

/* Opens the device.  err receives this call's failures; afterwards failures go to ctx->own_err
 * until ctx->err is set to another slot. */
int ffcl_ctx_open(ffcl_ctx **out, const ffcl_device *device, const ffcl_observer *obs,
                  ffcl_error *err);
/* The same; where profile is not NULL, it gathers what the device does. */
int ffcl_ctx_open_profiled(ffcl_ctx **out, const ffcl_device *device, const ffcl_observer *obs,
                           struct ffcl_profile *profile, ffcl_error *err);
void ffcl_ctx_close(ffcl_ctx **ctx);

/* Tells the observer; text may be NULL. */
void ffcl_report(const ffcl_observer *obs, ffcl_phase phase, const char *text, uint64_t done,
                 uint64_t total);

/* A device buffer of bytes (at least 4); checks CL_DEVICE_MAX_MEM_ALLOC_SIZE first. */
int ffcl_buffer_create(ffcl_ctx *ctx, cl_mem *out, size_t bytes, const char *what);

/* A buffer that is only read, over bytes of the caller's memory, for CPU devices; the memory stays
 * the caller's and outlives the buffer. */
int ffcl_buffer_over(ffcl_ctx *ctx, cl_mem *out, const void *at, size_t bytes);

/* Blocking copies between host and device; at counts bytes. */
int ffcl_buffer_write(ffcl_ctx *ctx, cl_mem mem, size_t at, const void *host, size_t bytes);
int ffcl_buffer_read(ffcl_ctx *ctx, cl_mem mem, size_t at, void *host, size_t bytes);

/* Enqueues zeros, bytes of them, a multiple of 4; nothing while planning. */
int ffcl_buffer_zero(ffcl_ctx *ctx, cl_mem mem, size_t bytes);

/* FFCL_TICKETS int32 counters, which every kernel that uses them finds at 0 and leaves so.  *out
 * stays the context's; NULL while planning. */
enum { FFCL_TICKETS = 4096 };
int ffcl_tickets(ffcl_ctx *ctx, cl_mem *out);

/* Waits for the queue; reports what an earlier launch ran into. */
int ffcl_finish(ffcl_ctx *ctx);

#endif
