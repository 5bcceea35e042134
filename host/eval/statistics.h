/* SPDX-License-Identifier: MIT
 * Statistics of a set of images in an .npz: mu, sigma of 2048 features (also as ref_mu, ref_sigma),
 * mu_s, sigma_s of 2023 spatial ones; those that ffcl saved have n, inception, like and
 * precision, too. */
#ifndef FFCL_EVAL_STATISTICS_H
#define FFCL_EVAL_STATISTICS_H

#include "eval/moments.h"
#include "files/arrays.h"

typedef struct ffcl_statistics {
    ffcl_moments *pool, *spatial;       /* NULL: not there */
    size_t n;                           /* images; 0: the file does not say */
    char inception[64], like[32];       /* of which network, by whose resize; "": unknown */
    char precision[16];                 /* of the features: float32, half; "": unknown */
} ffcl_statistics;

/* What of it is there.  FFCL_EFORMAT: of another network or layer (the sizes say which), not
 * finite, not symmetric. */
int ffcl_statistics_load(ffcl_statistics *s, ffcl_arrays *arrays, ffcl_error *err);
void ffcl_statistics_close(ffcl_statistics *s);

/* Writes pool, spatial and their n, and the texts of made.  FFCL_EOUTPUT. */
int ffcl_statistics_save(const char *path, const ffcl_moments *pool, const ffcl_moments *spatial,
                         const ffcl_statistics *made, ffcl_error *err);

#endif
