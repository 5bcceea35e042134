/* SPDX-License-Identifier: MIT
 * Values of a VAE's config.json, which lies at path; each is checked, or used.  FFCL_EFORMAT where
 * a value is of another type or out of range, FFCL_EWEIGHTS where the tensors say otherwise. */
#ifndef FFCL_MODEL_VAE_CONFIG_H
#define FFCL_MODEL_VAE_CONFIG_H

#include "files/json.h"
#include "model/vae_weights.h"

/* Parses text and takes what every kind has: class, activation, channels, and what is done to
 * latents before they are decoded (scaling_factor, shift_factor, latents_mean and latents_std, into
 * vae->d).  Each of keys, the kind's own (NULL ends them), may be there once.  *json is the
 * caller's to delete, after a failure, too. */
int ffcl_vae_config_open(ffcl_vae *vae, cJSON **json, const char *path, const char *text,
                         const char *const *keys, ffcl_error *err);

/* A number from least to 1e6, whole where least is at least 1; *n stays where the key is absent. */
int ffcl_vae_config_number(const char *path, const cJSON *json, const char *key, double least,
                           double *n, ffcl_error *err);

/* Fails where the number differs from that of the tensors. */
int ffcl_vae_config_count(const ffcl_vae *vae, const char *path, const cJSON *json,
                          const char *key, size_t tensors, ffcl_error *err);

/* A part that is there, or is not, must be so in the file. */
int ffcl_vae_config_part(const ffcl_vae *vae, const char *path, const cJSON *json,
                         const char *key, int is_there, ffcl_error *err);

/* One of the words that are computed here (NULL ends them). */
int ffcl_vae_config_word(const char *path, const cJSON *json, const char *key,
                         const char *const *known, ffcl_error *err);

#endif
