/* SPDX-License-Identifier: MIT
 * Evaluations that were written as JSON, read again. */
#ifndef FFCL_EVAL_COMPARE_H
#define FFCL_EVAL_COMPARE_H

#include "error.h"

/* ffcl_eval_compare takes at most so many. */
enum { FFCL_COMPARED = 256 };

typedef struct ffcl_compared {
    const char *path;
    char name[64];              /* of the file, or of the folder or npz that a run left it with */
    double values[6];           /* FID, sFID, score, deviation, precision, recall; NaN: null */
    double count, reference_count;  /* NaN: unknown */
    char like[32], network[320], reference[256];
    char precision[16];         /* "float32", "half", or "" */
    struct {
        double count, fid;
    } curve[FFCL_EVAL_CURVE];
    size_t n_curve;
} ffcl_compared;

/* As ffcl_eval_compare, whose table has no more than so many columns. */
int ffcl_eval_compare_within(int columns, const char *const *paths, size_t n, const char *plot,
                             ffcl_line_visitor *visit, void *user, ffcl_error *err);

/* FID over images, a line a file; or of files with a single number each, one after another. */
int ffcl_compare_plot(const char *path, const ffcl_compared *of, size_t n, ffcl_error *err);

#endif
