/* SPDX-License-Identifier: MIT
 * One test case: an operation at one shape with one kind of data, its operands on host and device,
 * and the comparison of what the kernels wrote with what the reference wants.
 *
 * Operand 0 is the output.  Every operand on the device lies between two guard bands in a larger
 * buffer; the output starts as NaN.  After the run every byte outside the output's elements, and
 * every byte of the inputs, must be what it was. */
#ifndef FFCL_TESTS_KERNELS_CASE_H
#define FFCL_TESTS_KERNELS_CASE_H

#include <stdint.h>

#include "ops/ops.h"

enum { FFCL_MAX_DIMS = 8, FFCL_MAX_OPERANDS = 9, FFCL_MAX_AXES = 4 };

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
    FFCL_INOUT,                 /* both: the row fills it */
    FFCL_HOST                   /* for the reference alone, never on the device */
} ffcl_role;

/* n elements, of which the output's `rows` rows of `cols`, `ld` apart from `at` on, are to be
 * written.  rows 0 means all n in one row.  F16 is float on the host, every value rounded to half
 * when it is filled in, and half on the device: the reference computes with exactly what the device
 * gets. */
typedef struct ffcl_operand {
    ffcl_role role;
    ffcl_dtype dtype;
    size_t n, at, rows, cols, ld;
    int flat;                   /* no sub-buffer, as the operation makes its own: no front guard */
    /* Of a large case: filled by repeating its first numbers, and not changed after that; or the
     * result, which is NaN. */
    int is_repeated;
    void *host;                 /* for the row and the reference */
    unsigned char *image;       /* what went to the device, with its guards; of a large case NULL */
    cl_mem whole, mem;          /* the buffer with its guards; what the operation gets */
    size_t front, back;         /* bytes of the guards */
} ffcl_operand;

/* A call of an operation that has variants: its description, and what that points at.  Not to be
 * copied. */
typedef struct ffcl_call {
    union {
        ffcl_matmul gemm;
        ffcl_attention_desc attention;
        ffcl_softmax_desc softmax;
        ffcl_layernorm_desc layernorm;
        ffcl_qk_norm_desc qk_norm;
        ffcl_groupnorm_desc groupnorm;
        ffcl_conv_desc conv;
        ffcl_pool_desc pool;
    };
    ffcl_tensor bias, gate, add, moments;
    ffcl_residual residual;
    ffcl_unpatch unpatch;
    ffcl_conv_weight weight;
} ffcl_call;

struct ffcl_row;

typedef struct ffcl_case {
    /* What the caller sets before ffcl_case_begin. */
    ffcl_ctx *ctx;
    const struct ffcl_row *row;
    ffcl_shape shape;
    ffcl_fill fill;
    uint64_t seed;
    int bare;                   /* no guards: lets a checking device see the exact bounds */
    /* A shape as large as the models' own, with noise: it repeats after some 10^6 numbers, there
     * are no guards, and where the row has `at`, only n_samples elements of the result are
     * compared. */
    int large;
    int as_is;                  /* on the device's own compute units, whatever the row says */

    uint64_t random;
    size_t n_samples, *sample;
    double scale;               /* multiplies atol: the size of the terms of a result; 1 or more */
    ffcl_operand operand[FFCL_MAX_OPERANDS];
    size_t n_operands;
    const char *axes;           /* "b t d": the output's axes */
    size_t extent[FFCL_MAX_AXES];
    double *want;               /* the output's elements, or the samples, by the reference */
    char reason[120];           /* ffcl_case_skip's */
    struct {                    /* what ffcl_case_begin changed in ctx */
        const struct ffcl_variant *forced;
        ffcl_matrix_unit unit;
        cl_uint units;
        size_t few_lanes;
        int emulate, batch_invariant;
    } before;
} ffcl_case;

/* What a comparison found. */
typedef struct ffcl_comparison {
    size_t bad, first;          /* elements out of tolerance; the first one's index */
    double got, want, max_abs, max_rel;
    const char *trespass;       /* a write where none may be, or NULL */
    size_t trespass_operand;
    long trespass_at;           /* element relative to the operand's first */
    double used;                /* the largest share of its tolerance that an element used */
    size_t nan;                 /* NaN among the bad: not written, or computed from a guard */
    size_t low[FFCL_MAX_AXES], high[FFCL_MAX_AXES];     /* the box around the bad, in axes */
} ffcl_comparison;

/* Forces the row's variant, sets what else the row asks of the context, and describes the operands,
 * without memory for them. */
void ffcl_case_begin(ffcl_case *c);
/* Why this device cannot compute the case, or NULL. */
const char *ffcl_case_skip(ffcl_case *c);
/* Allocates and fills the operands on the host.  FFCL_EDEVMEM where the device cannot hold a large
 * case, FFCL_ENOMEM where the host cannot. */
int ffcl_case_prepare(ffcl_case *c);
/* Frees all, and the context is again as it was. */
void ffcl_case_end(ffcl_case *c);

/* Fills c->want by the row's reference. */
void ffcl_case_refer(ffcl_case *c);

/* Plans and allocates the scratch memory, with no buffers yet, as the model does. */
int ffcl_case_plan(ffcl_case *c);
/* Creates and fills the device buffers, guards included. */
int ffcl_case_upload(ffcl_case *c);
/* Calls the operation and waits.  Can be repeated (timing), though in-place rows then drift. */
int ffcl_case_launch(ffcl_case *c);
/* Reads everything back and compares with c->want. */
int ffcl_case_compare(ffcl_case *c, ffcl_comparison *v);

/* Between begin and end: all from prepare to the first launch; and from prepare to compare. */
int ffcl_case_start(ffcl_case *c);
int ffcl_case_check(ffcl_case *c, ffcl_comparison *v);

/* Between begin and end: the variant that computes the case, NULL of operations without variants;
 * and its work. */
const struct ffcl_variant *ffcl_case_variant(const ffcl_case *c);
ffcl_cost ffcl_case_cost(const ffcl_case *c);
/* Without a case: the variant that the context, as it is, would choose for the row's call. */
const struct ffcl_variant *ffcl_case_choice(ffcl_ctx *ctx, const struct ffcl_row *row,
                                            const ffcl_shape *shape);

/* ---- for rows ------------------------------------------------------------------------------- */

/* Describes the operands, in the order of the list. */
void ffcl_case_operands(ffcl_case *c, const ffcl_operand *list, size_t n);
#define FFCL_OPERANDS(c, ...)                                                     \
    ffcl_case_operands((c), (ffcl_operand[]){__VA_ARGS__},                        \
                       sizeof((ffcl_operand[]){__VA_ARGS__}) / sizeof(ffcl_operand))
/* Names the output's axes, at most FFCL_MAX_AXES of them. */
void ffcl_case_axes(ffcl_case *c, const char *axes, size_t a, size_t b, size_t d, size_t e);
/* The data of the case into operand i: its view, or, where rows is not 0, as that many rows. */
void ffcl_case_fill(ffcl_case *c, size_t i, size_t rows);
/* Noise into the view of operand i whatever the case's data, for parameters. */
void ffcl_case_noise(ffcl_case *c, size_t i, double mean, double deviation);
/* The largest magnitude of the case's data, roughly. */
double ffcl_case_magnitude(const ffcl_case *c);
/* c->scale of a norm over n elements with this eps: the mean, which is off by a few units in the
 * last place, over the deviation. */
double ffcl_case_norm_scale(const ffcl_case *c, size_t n, double eps);

/* The index of an output element in each axis. */
void ffcl_case_decode(const ffcl_case *c, size_t index, size_t at[FFCL_MAX_AXES]);

/* A row's skip: why this device cannot use the row's matrix unit, or NULL. */
const char *ffcl_case_needs_unit(const ffcl_case *c);
/* Would AMD's or Intel's unit be emulated on this device? */
int ffcl_unit_is_emulated(const ffcl_ctx *ctx, ffcl_matrix_unit unit);

/* Calls the operation with a description. */
void ffcl_case_call(const ffcl_case *c, const ffcl_call *call);

/* A uniform number below n; a number of mean 0 and deviation 1. */
size_t ffcl_case_below(ffcl_case *c, size_t n);
double ffcl_case_normal(ffcl_case *c);

/* Of F32 and F16. */
static inline float *ffcl_f32(const ffcl_case *c, size_t i)
{
    return c->operand[i].host;
}

static inline int32_t *ffcl_s32(const ffcl_case *c, size_t i)
{
    return c->operand[i].host;
}

/* Operand i as it lies: `rows` of `cols`, ld apart. */
static inline ffcl_tensor ffcl_case_matrix(const ffcl_case *c, size_t i)
{
    const ffcl_operand *o = &c->operand[i];
    return (ffcl_tensor){.mem = o->mem, .at = o->at, .batch = 1, .rows = o->rows, .cols = o->cols,
                         .ld = o->ld, .stride = o->rows * o->ld, .dtype = o->dtype};
}

/* Operand i as a dense tensor of another shape, from its first element on. */
static inline ffcl_tensor ffcl_case_dense(const ffcl_case *c, size_t i, size_t batch, size_t rows,
                                          size_t cols)
{
    return ffcl_tensor_in(c->operand[i].mem,
                          ffcl_tensor_of(c->operand[i].dtype, batch, rows, cols));
}

static inline ffcl_tensor ffcl_case_image(const ffcl_case *c, size_t i, size_t batch,
                                          size_t height, size_t width, size_t channels)
{
    return ffcl_tensor_in(c->operand[i].mem, ffcl_image_of(c->operand[i].dtype, batch, height,
                                                           width, channels));
}

#endif
