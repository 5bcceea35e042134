/* SPDX-License-Identifier: MIT
 * One opened device: OpenCL context, one in-order queue, programs, scratch memory, and a status
 * that keeps the first failure. */
#ifndef FFCL_CL_CONTEXT_H
#define FFCL_CL_CONTEXT_H

#include <stdio.h>

#include "cl/device.h"
#include "cl/tensor.h"

struct ffcl_programs;
struct ffcl_arena;
struct ffcl_blas;
struct ffcl_profile;
struct ffcl_profile_lane;
struct ffcl_operation;
struct ffcl_variant;
typedef struct ffcl_choices ffcl_choices;

/* Matrix units: NVIDIA's tensor cores by mma.sync (compute capability 8.0) and wgmma (9.0); AMD's
 * WMMA (RDNA 3) and MFMA (CDNA); Intel's dpas in sub-groups of 8 or 16. */
typedef enum ffcl_matrix_unit {
    FFCL_UNIT_NONE, FFCL_UNIT_MMA, FFCL_UNIT_WGMMA, FFCL_UNIT_WMMA, FFCL_UNIT_MFMA,
    FFCL_UNIT_DPAS8, FFCL_UNIT_DPAS16
} ffcl_matrix_unit;

/* The operations that have several variants: see cl/variant.h. */
typedef enum ffcl_op {
    FFCL_OP_GEMM, FFCL_OP_ATTENTION, FFCL_OP_SOFTMAX, FFCL_OP_LAYERNORM, FFCL_OP_QK_NORM,
    FFCL_OP_GROUPNORM, FFCL_OP_CONVOLUTION, FFCL_OP_POOL, FFCL_N_OPS
} ffcl_op;

enum { FFCL_MOST_RULED_OUT = 32 };

typedef struct ffcl_ctx {
    ffcl_device device;
    cl_context context;
    cl_command_queue queue;
    struct ffcl_programs *programs;     /* cl/program.h */
    struct ffcl_arena *arena;           /* cl/arena.h */
    struct ffcl_blas *blas;             /* blas/gemm.h; NULL until a back end is open */
    struct ffcl_profile_lane *profile;  /* cl/profile.h; NULL: nothing is timed */
    const ffcl_observer *obs;           /* may be NULL */
    /* The first failure since the last ffcl_ctx_check, and where its sentence is; while it is not
     * 0, operations and launches do nothing. */
    int status;
    ffcl_error *err;                    /* never NULL */
    ffcl_error own_err;
    /* In a planning pass nothing runs: operations name their programs and take their scratch
     * memory, so that both are there before the first real pass. */
    int planning;
    ffcl_matrix_unit matrix_unit;       /* the one that kernels may use; its self-check passed */
    size_t checked_head;        /* wgmma's attention: of heads of so many columns; 0: any */
    /* For tests: AMD's and Intel's matrix instructions are emulated, slowly, on any device (EMULATE
     * of cl/gemm_matrix_unit.cl). */
    int emulate;
    int recheck;                /* self-checks are made anew, whatever is known of them */
    /* Intel's: kernels may take twice the registers a work-item, which halves how many run at once
     * (-cl-intel-256-GRF-per-thread).  Changes no sum. */
    int large_registers;
    /* No choice may depend on the number of images in a batch, so that sums always have the same
     * order and an image has the same bytes in any batch.  Costs speed in small batches. */
    int batch_invariant;
    const struct ffcl_variant *forced[FFCL_N_OPS];  /* NULL: by capabilities and sizes */
    ffcl_choices *choices;      /* cl/choices.h; NULL: none is kept */
    /* Variants that a kernel's own limit on work-groups rules out, and what is known of such
     * limits: cl/limits.h. */
    const struct ffcl_variant *ruled_out[FFCL_MOST_RULED_OUT];
    size_t n_ruled_out, empty_limit;
    int asked_limit;
    unsigned passed_over;               /* 1 << op: a forced variant could not compute a call */
    double most_flops;          /* of a launch of planning passes; set to 0 by who asks */
    double plan_flops;          /* of all their launches; set to 0 by who asks */
    /* Of a calibration: what it does in a moment is waited for, and after the end no command is
     * begun, and status is FFCL_ESTOPPED.  Times of ffcl_clock; end 0: there is none. */
    struct {
        double begin, end, waited;      /* the last wait */
        double done, begun;             /* operations, by then and since */
    } pace;
    /* Weights are used where they lie in their files, though the device is no CPU: its kernels were
     * found to read a file's mapping in place (selfcheck/mapped.h). */
    int maps_weights;
    int no_winograd;            /* its weights take four times the memory: there is too little */
    /* Called in planning passes with each operation that has variants and is no part of another
     * one, and its description; NULL: nobody looks. */
    void (*see)(void *user, const struct ffcl_operation *op, const void *desc);
    void *see_user;
    /* What the next launches belong to; NULL: an operation without variants. */
    const struct ffcl_operation *running;
    const struct ffcl_variant *variant;
    cl_mem tickets;                     /* ffcl_tickets */
    int asked_registers;                /* register_options are known: cl/registers.h */
    char register_options[64];
    uint64_t read_sources, register_sources;    /* 1 << i: of ffcl_sources[i]; are for them */
    const char *number_options;         /* of all programs; selfcheck/numbers.h; NULL: none */
    int sync;                           /* FFCL_SYNC=1: finish after each launch */
    FILE *trace;                        /* FFCL_TRACE=FILE: a line a launch; NULL: none */
} ffcl_ctx;

/* Opens the device.  profile, where it is not NULL, gathers what the device does.  err receives
 * this call's failure; later ones go to own_err until ctx->err is set to another slot. */
int ffcl_ctx_open(ffcl_ctx **out, const ffcl_device *device, const ffcl_observer *obs,
                  struct ffcl_profile *profile, ffcl_error *err);
void ffcl_ctx_close(ffcl_ctx **ctx);

/* Sets the status, unless an earlier failure has: code and the formatted sentence, or the code rc
 * (0: none) of a function that has written the sentence itself. */
void ffcl_ctx_fail(ffcl_ctx *ctx, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void ffcl_ctx_keep(ffcl_ctx *ctx, int rc);

/* At the end of a batch, a load, a self-check: returns the status and sets it to 0. */
int ffcl_ctx_check(ffcl_ctx *ctx);

/* Calls the observer; text may be NULL. */
void ffcl_report(const ffcl_observer *obs, ffcl_phase phase, const char *text, uint64_t done,
                 uint64_t total);

/* A device buffer of bytes (at least 4); checks CL_DEVICE_MAX_MEM_ALLOC_SIZE first. */
int ffcl_buffer_create(ffcl_ctx *ctx, cl_mem *out, size_t bytes, const char *what);

/* A buffer that is only read, over bytes of the caller's memory, which stays the caller's and
 * outlives the buffer.  Devices other than CPUs want whole pages, and may refuse a file's. */
int ffcl_buffer_over(ffcl_ctx *ctx, cl_mem *out, const void *at, size_t bytes);

/* Blocking copies between host and device; at counts bytes. */
int ffcl_buffer_write(ffcl_ctx *ctx, cl_mem mem, size_t at, const void *host, size_t bytes);
int ffcl_buffer_read(ffcl_ctx *ctx, cl_mem mem, size_t at, void *host, size_t bytes);

/* Enqueues zeros, bytes of them, a multiple of 4; nothing while planning. */
int ffcl_buffer_zero(ffcl_ctx *ctx, cl_mem mem, size_t bytes);

/* FFCL_TICKETS int32 counters, which are 0 whenever a kernel begins that uses them, and when it
 * ends.  The context owns them.  Without a buffer while planning. */
enum { FFCL_TICKETS = 4096 };
ffcl_tensor ffcl_tickets(ffcl_ctx *ctx);

/* Waits for the queue; returns the error of an earlier launch, too. */
int ffcl_finish(ffcl_ctx *ctx);

static inline int ffcl_is_cpu(const ffcl_ctx *ctx)
{
    return (ctx->device.caps.type & CL_DEVICE_TYPE_CPU) != 0;
}

/* Are the matrix units NVIDIA's tensor cores?  These have kernels of their own. */
static inline int ffcl_has_tensor_cores(const ffcl_ctx *ctx)
{
    return ctx->matrix_unit == FFCL_UNIT_MMA || ctx->matrix_unit == FFCL_UNIT_WGMMA;
}

#endif
