/* SPDX-License-Identifier: MIT
 * The kernel test registry: one row per kernel variant, used by the tests and by the benchmark.
 * Each kernel family has its rows in a file of its own; registry.c names the families. */
#ifndef FFCL_TESTS_KERNELS_REGISTRY_H
#define FFCL_TESTS_KERNELS_REGISTRY_H

#include "case.h"
#include "models.h"

typedef struct ffcl_row {
    const char *name;
    const char *letters;            /* "B T D": the dimensions; B, where there is one, first */
    ffcl_dtype dtype;               /* of the activations */
    int uses;                       /* what the rows of a family differ in; the family's own */
    unsigned fills;                 /* mask of 1 << ffcl_fill */
    const ffcl_shape *model;        /* the models' shapes, for few images */
    const ffcl_shape *awkward;      /* sizes that are no multiple of anything */
    void (*operands)(ffcl_case *c); /* describes them by ffcl_case_operands, and the axes */
    void (*fill)(ffcl_case *c);     /* data from the case's random numbers */
    void (*ref)(ffcl_case *c);      /* fills c->want */
    /* Element index of the output alone, for cases that are too large for ref; or NULL. */
    double (*at)(const ffcl_case *c, size_t index);
    float rtol, atol;               /* |got - want| <= atol * c->scale + rtol * |want| */
    /* Why this device cannot run the case, or NULL; the member is NULL where every device can, or
     * where `can` of the variant says all. */
    const char *(*skip)(const ffcl_case *c);

    /* Of an operation that has variants: the description of its call, and the variant's name; NULL
     * for a GEMM by the back end in use. */
    void (*describe)(const ffcl_case *c, ffcl_call *call);
    ffcl_op op;
    const char *variant;
    /* What the choice of a kernel depends on beside shapes: the matrix unit that it may use, which
     * is emulated where the device has none of AMD's or Intel's; compute units by which work is
     * cut, 0: as many as the letter `units` says, or the device has; lanes of the smallest
     * sub-group of a GPU of Intel, 0: the device's; batch_invariant. */
    ffcl_matrix_unit unit;
    size_t units, few_lanes;
    int batch_invariant;

    /* Calls the operation as shipped; NULL: with the description. */
    void (*run)(ffcl_case *c);
    ffcl_cost (*cost)(const ffcl_case *c);      /* NULL: the variant's */
    /* What SiT-XL/2 and the decoder have the row for, at most FFCL_USES_MOST uses; NULL: they have
     * none. */
    size_t (*used)(const struct ffcl_row *row, const ffcl_images_of *of, ffcl_use *to);
} ffcl_row;

enum {
    FFCL_NOISE = 1u << FFCL_FILL_NOISE,
    FFCL_ZEROS = 1u << FFCL_FILL_ZEROS,
    FFCL_LARGE = 1u << FFCL_FILL_LARGE,
    FFCL_OFFSET = 1u << FFCL_FILL_OFFSET,
    FFCL_CONSTANT = 1u << FFCL_FILL_CONSTANT
};

/* Row i, or NULL past the last.  Those of matrix units come last, as a kernel that faults may take
 * the device's context with it. */
const ffcl_row *ffcl_row_at(size_t i);
/* The row called name, or NULL. */
const ffcl_row *ffcl_row_find(const char *name);
/* Whether name contains pattern, or, where that has *, ? or [, matches it. */
int ffcl_row_matches(const char *pattern, const char *name);
/* Asked once at the start of a program.  FFCL_EUSAGE: a row names a variant that does not exist, or
 * has another's name. */
int ffcl_rows_check(ffcl_error *err);

/* Text of a shape in its row's letters, "B=2 T=256 D=1152", into text. */
void ffcl_row_text(const ffcl_row *row, const ffcl_shape *shape, char *text, size_t size);
/* The shape's number of that letter, or 0 where the row has no such letter. */
size_t ffcl_row_number(const ffcl_row *row, const ffcl_shape *shape, const char *letter);

/* own_shape.c: how many sizes people give for a shape of the row, and their letters, "MxNxK", into
 * names. */
size_t ffcl_row_sizes(const ffcl_row *row, char *names, size_t room);
/* The place of the first of them in the shape. */
size_t ffcl_row_first_size(const ffcl_row *row);
/* The shape of n sizes above 0.  Why the row cannot have it, or NULL. */
const char *ffcl_row_shape(const ffcl_row *row, const size_t *sizes, size_t n, ffcl_shape *out);

/* "noise" and so on. */
const char *ffcl_fill_name(ffcl_fill fill);

#endif
