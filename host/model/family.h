/* SPDX-License-Identifier: MIT
 * Which preset a checkpoint is of, by its tensors. */
#ifndef FFCL_MODEL_FAMILY_H
#define FFCL_MODEL_FAMILY_H

#include "config.h"
#include "model/weights.h"

/* How a checkpoint's names become canonical: see ffcl_sit_rename. */
typedef struct ffcl_sit_names {
    char prefix[128];           /* what names begin with; others are passed over */
    const char *ignore;         /* [model] ignore; NULL: nothing */
    size_t encoder_depth;       /* decoder_blocks.N is blocks.(N + encoder_depth) */
} ffcl_sit_names;

/* Finds prefix and encoder depth of cfg's checkpoint.  FFCL_ECONFIG where several prefixes lead to
 * a transformer, or [model] prefix to none. */
int ffcl_family_names(ffcl_sit_names *names, const ffcl_config *cfg, const ffcl_tensor_file *file,
                      ffcl_error *err);

/* Resolves [model] preset = auto of cfg, and checks that its checkpoint is of the preset's family.
 * is_recording: the inputs of t_embedder are known from elsewhere, so that auto may stay where that
 * is the only embedder.  A file that holds no transformer is left to ffcl_sit_open. */
int ffcl_family_resolve(ffcl_config *cfg, int is_recording, ffcl_error *err);

/* Fails with FFCL_EFILE where the VAE of cfg is not there, and says where it is published. */
int ffcl_family_check_vae(const ffcl_config *cfg, ffcl_error *err);

/* Is name matched by one of the patterns ("projectors.*, bn.*") or are there none ("none")? */
int ffcl_family_matches(const char *patterns, const char *name);

#endif
