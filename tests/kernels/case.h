/* SPDX-License-Identifier: MIT
 * One test case: an operator at one shape with one kind of data, its tensors on host and device,
 * and the comparison of what the kernel wrote with what the reference wants.
 *
 * Tensor 0 is the output.  Every device tensor lies between two guard bands in a larger buffer;
 * the output starts as NaN.  After the run every byte outside the output's elements, and every
 * byte of the inputs, must be what it was. */
#ifndef FFCL_TESTS_KERNELS_CASE_H
#define FFCL_TESTS_KERNELS_CASE_H

#include <stdint.h>

#include "cl/context.h"

enum { FFCL_MAX_DIMS = 8, FFCL_MAX_TENSORS = 9, FFCL_MAX_AXES = 4 };

/* What the data of a case looks like; rows have several as a mask of 1 << fill. */
typedef enum ffcl_fill {
    FFCL_FILL_NOISE,            /* mean 0, standard deviation 1 */
    FFCL_FILL_ZEROS,
    FFCL_FILL_LARGE,            /* noise times 1000 */
    FFCL_FILL_OFFSET,           /* mean 100, standard deviation 1: cancels badly */
    FFCL_FILL_CONSTANT,         /* every element of a row the same */
    FFCL_N_FILLS
} ffcl_fill;

/* A shape in the letters of its row; a list of them ends with one whose d[0] is 0. */
typedef struct ffcl_shape {
    size_t d[FFCL_MAX_DIMS];
    unsigned flags;
} ffcl_shape;

enum {
    FFCL_SHAPE_FILLS = 1,       /* run with every kind of data of the row, not with noise alone */
    FFCL_SHAPE_SMALL = 2        /* a tiny shape for slow devices (--small) */
};

typedef enum ffcl_role {
    FFCL_IN,                    /* read by the kernel */
    FFCL_OUT,                   /* written by the kernel */
    FFCL_INOUT,                 /* both: setup fills it */
    FFCL_HOST                   /* for the reference alone, never on the device */
} ffcl_role;

/* F16 is float on the host, every value rounded to half when it is filled in, and half on the
 * device: the reference computes with exactly what the device gets. */
typedef enum ffcl_type { FFCL_F32, FFCL_F16, FFCL_S32, FFCL_U8 } ffcl_type;

/* A tensor of n elements of which the output's `rows` rows of `cols`, `ld` apart from `at` on, are
 * to be written.  rows 0 means all n in one row. */
typedef struct ffcl_tensor {
    ffcl_role role;
    ffcl_type type;
    size_t n, at, rows, cols, ld;
    int flat;                   /* no sub-buffer, as the wrapper makes its own: no front guard */
    /* Of a large case: filled by repeating its first numbers, and not changed after that; or the
     * result, which is NaN. */
    int is_repeated;
    void *host;                 /* for setup and the reference */
    unsigned char *image;       /* what went to the device, with its guards; of a large case NULL */
    cl_mem whole, mem;          /* the buffer with its guards; what the wrapper gets */
    size_t front, back;         /* bytes of the guards */
} ffcl_tensor;

struct ffcl_op_test;

typedef struct ffcl_case {
    ffcl_ctx *ctx;
    const struct ffcl_op_test *op;
    ffcl_shape shape;           /* a copy: the caller may raise the batch */
    ffcl_fill fill;
    uint64_t seed, random;
    int bare;                   /* no guards: lets a checking device see the exact bounds */
    /* A shape as large as the models' own: noise repeats after some 10^6 numbers, there are no
     * guards, and where the row has `at`, only n_samples elements of the result are compared. */
    int large;
    size_t n_samples, *sample;
    double scale;               /* multiplies atol: the size of the terms of a result; 1 or more */
    ffcl_tensor tensor[FFCL_MAX_TENSORS];
    size_t n_tensors;
    const char *axes;           /* "b t d": the output's axes */
    size_t extent[FFCL_MAX_AXES];
    double *want;               /* the output's elements, or the samples, by the reference */
} ffcl_case;

/* What a comparison found. */
typedef struct ffcl_verdict {
    size_t bad, first;          /* elements out of tolerance; the first one's index */
    double got, want, max_abs, max_rel;
    const char *trespass;       /* a write where none may be, or NULL */
    size_t trespass_tensor;
    long trespass_at;           /* element relative to the tensor's first */
    double used;                /* the largest share of its tolerance that an element used */
    size_t nan;                 /* NaN among the bad: not written, or computed from a guard */
    size_t low[FFCL_MAX_AXES], high[FFCL_MAX_AXES];     /* the box around the bad, in axes */
} ffcl_verdict;

/* Starts a case: resets the random numbers to seed and calls the row's setup. */
int ffcl_case_open(ffcl_case *c, ffcl_ctx *ctx, const struct ffcl_op_test *op,
                   const ffcl_shape *shape, ffcl_fill fill, uint64_t seed, int bare);
/* The same for a large shape, with noise.  FFCL_EDEVMEM where the device cannot hold it,
 * FFCL_ENOMEM where the host cannot. */
int ffcl_case_open_large(ffcl_case *c, ffcl_ctx *ctx, const struct ffcl_op_test *op,
                         const ffcl_shape *shape, uint64_t seed);
void ffcl_case_close(ffcl_case *c);

/* Fills c->want by the row's reference. */
void ffcl_case_refer(ffcl_case *c);

/* Plans and allocates the scratch memory, with no buffers yet, as the model does. */
int ffcl_case_plan(ffcl_case *c);
/* Creates and fills the device tensors, guards included. */
int ffcl_case_upload(ffcl_case *c);
/* Calls the wrapper and waits.  Can be repeated (timing), though in-place rows then drift. */
int ffcl_case_launch(ffcl_case *c);
/* Reads everything back and compares with c->want. */
int ffcl_case_compare(ffcl_case *c, ffcl_verdict *v);

/* For setup.  Adds tensors in the order of the list; hosts are filled with the guard pattern. */
int ffcl_case_tensors(ffcl_case *c, const ffcl_tensor *list, size_t n);
#define FFCL_TENSORS(c, ...)                                                     \
    ffcl_case_tensors((c), (ffcl_tensor[]){__VA_ARGS__},                         \
                      sizeof((ffcl_tensor[]){__VA_ARGS__}) / sizeof(ffcl_tensor))
/* Names the output's axes, at most FFCL_MAX_AXES of them. */
void ffcl_case_axes(ffcl_case *c, const char *axes, size_t a, size_t b, size_t d, size_t e);
/* The data of the case into tensor i: its view, or, where rows is not 0, as that many rows. */
void ffcl_case_fill(ffcl_case *c, size_t i, size_t rows);
/* Noise into the view of tensor i whatever the case's data, for parameters. */
void ffcl_case_noise(ffcl_case *c, size_t i, double mean, double deviation);
/* The largest magnitude of the case's data, roughly. */
double ffcl_case_magnitude(const ffcl_case *c);
/* c->scale of a norm over n elements with this eps: the mean, which is off by a few units in the
 * last place, over the deviation. */
double ffcl_case_norm_scale(const ffcl_case *c, size_t n, double eps);

/* The index of an output element in each axis. */
void ffcl_case_decode(const ffcl_case *c, size_t index, size_t at[FFCL_MAX_AXES]);
/* Bytes on the device of an element of tensor i. */
size_t ffcl_case_bytes(const ffcl_case *c, size_t i);

/* What the choice of a half kernel depends on beside shapes.  AMD's and Intel's engines are
 * emulated where the device has none. */
typedef struct ffcl_engine_use {
    ffcl_engine_level level;
    size_t units;               /* compute units: tiles are chosen by them; 0: the device's */
} ffcl_engine_use;

/* For run: sets both for the calls that follow and returns what they were, to be set again. */
ffcl_engine_use ffcl_case_engine(ffcl_case *c, ffcl_engine_use use);
/* For skip: why this device has no such matrix engine, or NULL. */
const char *ffcl_case_no_engine(const ffcl_case *c, ffcl_engine_level level);

/* A uniform number below n; a number of mean 0 and deviation 1. */
size_t ffcl_case_below(ffcl_case *c, size_t n);
double ffcl_case_normal(ffcl_case *c);

/* Of F32 and F16. */
static inline float *ffcl_f32(const ffcl_case *c, size_t i)
{
    return c->tensor[i].host;
}

static inline int32_t *ffcl_s32(const ffcl_case *c, size_t i)
{
    return c->tensor[i].host;
}

static inline cl_mem ffcl_mem(const ffcl_case *c, size_t i)
{
    return c->tensor[i].mem;
}

#endif
