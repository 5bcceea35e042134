/* SPDX-License-Identifier: MIT
 * Comparing with recordings: what the kinds of reference files share. */
#ifndef FFCL_VERIFY_VERIFY_H
#define FFCL_VERIFY_VERIFY_H

#include "config.h"
#include "files/tensorfile.h"
#include "model/sit.h"

typedef struct ffcl_verifier {
    ffcl_tensor_file *file;
    const ffcl_config *cfg;
    double tolerance;           /* <= 0: each kind's own */
    const ffcl_observer *obs;
    ffcl_verify_visitor *visit;
    void *user;
    ffcl_error *err;
    size_t failed, checked;
} ffcl_verifier;

/* Each kind recognises its files by their tensors and, if so, checks everything in them. */
int ffcl_verify_is_generators(const ffcl_verifier *v);
int ffcl_verify_generators(ffcl_verifier *v);
int ffcl_verify_is_images(const ffcl_verifier *v);
int ffcl_verify_images(ffcl_verifier *v);
int ffcl_verify_is_byte_rules(const ffcl_verifier *v);
int ffcl_verify_byte_rules(ffcl_verifier *v);
int ffcl_verify_is_pos_embed(const ffcl_verifier *v);
int ffcl_verify_pos_embed(ffcl_verifier *v);
int ffcl_verify_is_sit(const ffcl_verifier *v);         /* x, t, y */
int ffcl_verify_sit(ffcl_verifier *v);
int ffcl_verify_is_sample(const ffcl_verifier *v);      /* z, y */
int ffcl_verify_sample(ffcl_verifier *v);
int ffcl_verify_is_vae(const ffcl_verifier *v);         /* z alone */
int ffcl_verify_vae(ffcl_verifier *v);
int ffcl_verify_is_inception(const ffcl_verifier *v);   /* imgS.logits_unbiased */
int ffcl_verify_inception(ffcl_verifier *v);

/* Latents after some steps of a sampler, in a network's recording or alone (z, y): every one
 * that is called as a method is checked. */
int ffcl_verify_is_method(const char *name);
int ffcl_verify_methods(ffcl_verifier *v, const ffcl_sit_hints *hints);

/* Labels y as int32, checked against the model's table (the null class included). */
int ffcl_verify_labels(ffcl_verifier *v, const ffcl_sit_dims *d, size_t B, int32_t **out);
/* The shape of an input (B, C, R, R) against the model's; R 0: any. */
int ffcl_verify_latents(ffcl_verifier *v, const char *name, size_t C, size_t R);

/* Whole tensors of the file; *out is the caller's to free.  FFCL_EFORMAT when it is missing. */
int ffcl_verify_floats(ffcl_verifier *v, const char *name, float **out);
int ffcl_verify_integers(ffcl_verifier *v, const char *name, int64_t **out);

/* One line each: relative L2 distance of n floats from the recording (limit: the kind's own
 * tolerance); bytes: share of equal ones and largest difference; a tensor that cannot be checked,
 * with the reason (ok 0), or is known but not part of the check (ok -1). */
int ffcl_verify_compare(ffcl_verifier *v, const ffcl_tensor_info *info, const float *got, size_t n,
                        double limit);
int ffcl_verify_compare_bytes(ffcl_verifier *v, const ffcl_tensor_info *info, const uint8_t *got,
                              size_t n, double share, int largest);
void ffcl_verify_unchecked(ffcl_verifier *v, const char *name, const char *why, int ok);
/* A line of any other measure. */
void ffcl_verify_line_out(ffcl_verifier *v, const char *name, int ok, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
