/* SPDX-License-Identifier: MIT
 * The tensors of a SiT checkpoint: names, shapes, where each goes. */
#ifndef FFCL_MODEL_SIT_WEIGHTS_H
#define FFCL_MODEL_SIT_WEIGHTS_H

#include "model/family.h"
#include "model/sit.h"

typedef struct ffcl_sit_embedder {
    ffcl_condition condition;                   /* owns its prefix */
    ffcl_linear in, out;                        /* (256, D), (D, D) */
} ffcl_sit_embedder;

typedef struct ffcl_sit_block {
    ffcl_linear qkv, proj;                      /* (D, 3*D): [q | k | v]; (D, D) */
    ffcl_linear fc1, fc2;                       /* (D, mlp), (mlp, D) */
    size_t group, column;                       /* its 6*D columns of modulation */
} ffcl_sit_block;

/* Modulations of several blocks side by side, so that one GEMM computes them all; more than one
 * group where a single buffer would exceed the device's limit, or where each is to be used as it
 * lies in the file. */
typedef struct ffcl_sit_modulations {
    ffcl_linear layer;                          /* (D, columns) */
    size_t columns;
    int is_second;                              /* of the second inputs */
} ffcl_sit_modulations;

struct ffcl_sit {
    ffcl_sit_dims d;
    ffcl_weights weights;
    ffcl_dtype dtype;                           /* of the blocks' weights and wide activations */
    ffcl_layout layout;                         /* of float32 matrices: COLUMNS, as in the file */
    ffcl_linear patch;                          /* (C*p*p, D) */
    ffcl_tensor pos;                            /* (T, D) */
    ffcl_tensor table;                          /* (rows, D) */
    ffcl_linear final;                          /* (D, p*p*Cout) */
    size_t final_group, final_column;           /* its 2*D columns of modulation: shift, scale */
    ffcl_sit_embedder *embedders;
    ffcl_sit_block *blocks;
    ffcl_sit_modulations *groups;
    size_t n_groups;
    int pos_in_file;
    ffcl_tensor fixed[2];                       /* ffcl_sit_fix: (moments, 1, D), of the first */
                                                /* and of the second inputs */
};

/* Derives sit->d and allocates embedders and blocks from the tensors' shapes. */
int ffcl_sit_derive(ffcl_sit *sit, const ffcl_config *cfg, const ffcl_sit_hints *hints,
                    ffcl_error *err);

/* Assigns modulation columns to groups of at most max_bytes each, then fills sit->weights.rows. */
int ffcl_sit_table(ffcl_sit *sit, size_t max_bytes, ffcl_error *err);

/* The canonical name of a checkpoint's tensor, NULL for one that inference does not use: see
 * ffcl_rename; user is an ffcl_sit_names. */
int ffcl_sit_rename(char **out, const char *name, void *user);

#endif
