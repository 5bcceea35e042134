/* SPDX-License-Identifier: MIT
 * Trials: what no vendor's document decides is tried out on the device itself, in a process of its
 * own, which may crash or hang without harm.
 *
 * A trial computes the GEMMs, convolutions and attentions of a model, with random operands of the
 * model's own shapes, in four ways (roads): in float32 by the GEMM library and by ffcl's own GEMM,
 * in half by the matrix unit and by the plain kernels.  It finds out whether the matrix unit is
 * right, by every element of every result, and which road is the fastest.  The result is kept
 * beside the program binaries under a key that has the shapes, the kernels, the device and the
 * driver's version. */
#ifndef FFCL_SELFCHECK_TRIAL_H
#define FFCL_SELFCHECK_TRIAL_H

#include <stdio.h>

#include "cl/context.h"
#include "cl/variant.h"

typedef enum ffcl_trial_kind {
    FFCL_TRIAL_GEMM,            /* B, rows, N, K, epilogue: 1 bias, 2 gate, 4 add; act; whether */
                                /* half operands give a float32 result */
    FFCL_TRIAL_CONV,            /* B, H, W, C, Cout, side, upsample, add */
    FFCL_TRIAL_ATTENTION        /* B, T, heads, Dh */
} ffcl_trial_kind;

typedef struct ffcl_trial_call {
    ffcl_trial_kind kind;
    unsigned n[8];
    unsigned count;             /* of such calls */
} ffcl_trial_call;

enum { FFCL_TRIAL_CALLS = 128 };

typedef struct ffcl_trial_calls {
    ffcl_trial_call list[FFCL_TRIAL_CALLS];
    size_t n;
} ffcl_trial_calls;

/* Adds a call of a planning pass in half; others than those above are passed over.  user is the
 * ffcl_trial_calls.  The observer of ctx->see. */
void ffcl_trial_see(void *user, const struct ffcl_operation *op, const void *desc);

/* The calls of SiT-XL/2 at 256 x 256 with its decoder, for when no model is at hand. */
void ffcl_trial_xl2(ffcl_trial_calls *calls);

/* "gemm 1024 x 3456 x 1152". */
void ffcl_trial_text(const ffcl_trial_call *call, char *text, size_t size);

typedef enum ffcl_trial_road {
    FFCL_ROAD_LIBRARY,          /* float32, GEMMs by the library */
    FFCL_ROAD_OWN,              /* float32, all GEMMs by ffcl's own, "blocked" */
    FFCL_ROAD_UNIT,             /* half by the matrix unit */
    FFCL_ROAD_PLAIN,            /* half by the plain kernels */
    FFCL_ROADS,
    FFCL_ROAD_LARGE = FFCL_ROADS    /* UNIT with Intel's large register file, after the others */
} ffcl_trial_road;

typedef enum ffcl_trial_end {
    FFCL_TRIAL_RIGHT,           /* every result was, and every road was timed */
    FFCL_TRIAL_WRONG,           /* a result of the matrix unit was not */
    FFCL_TRIAL_REFUSED,         /* its kernels do not build, or a call failed */
    FFCL_TRIAL_CRASHED_IN_BUILD,
    FFCL_TRIAL_CRASHED,         /* while it computed */
    FFCL_TRIAL_HUNG,            /* ended after its time */
    FFCL_TRIAL_ENDS
} ffcl_trial_end;

typedef struct ffcl_trial_result {
    ffcl_trial_end end;
    /* Of all calls, counts included; 0: not timed. */
    double ms[FFCL_ROADS];
    int large;                  /* with Intel's large register file the unit is right and faster */
    double seconds;             /* that the trial took */
    char detail[200];           /* what was wrong, "" */
} ffcl_trial_result;

typedef struct ffcl_trial {
    const char *program;        /* started as  PROGRAM unit-trial; NULL: no trial can be made */
    ffcl_matrix_unit unit;      /* NONE: float32 alone */
    const char *tuning;         /* [blas] tuning */
    const ffcl_trial_calls *calls;
    /* Called with a line for each call that was timed; NULL: none. */
    void (*visit)(void *user, const char *line);
    void *user;
} ffcl_trial;

/* The result of an earlier trial; 0 where there is none. */
int ffcl_trial_recall(ffcl_ctx *ctx, const ffcl_trial *trial, ffcl_trial_result *result);

/* Makes the trial and keeps its result.  At most FFCL_TRIAL_SECONDS seconds of the environment, or
 * 60.  FFCL_ENOMEM, FFCL_EUSAGE where no process can be started. */
int ffcl_trial_make(ffcl_ctx *ctx, const ffcl_trial *trial, ffcl_trial_result *result);

/* "computed wrong: gemm 200 x 136 x 168, ...": how it ended, for a sentence about the unit. */
void ffcl_trial_end_text(const ffcl_trial_result *result, char *text, size_t size);

/* The trial's process is ffcl_unit_trial (ffcl.h). */

#endif
