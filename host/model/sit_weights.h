/* SPDX-License-Identifier: MIT
 * The tensors of a SiT checkpoint: names, shapes, where each goes. */
#ifndef FFCL_MODEL_SIT_WEIGHTS_H
#define FFCL_MODEL_SIT_WEIGHTS_H

#include "model/family.h"
#include "model/sit.h"
#include "model/sit_form.h"

typedef struct ffcl_sit_embedder {
    ffcl_condition condition;                   /* owns its prefix */
    ffcl_linear in, out;                        /* (256, D), (D, D) */
} ffcl_sit_embedder;

/* What a form does without has no columns. */
typedef struct ffcl_sit_block {
    ffcl_linear qkv, proj;                      /* (D, 3*D): [q | k | v]; (D, D) */
    ffcl_linear fc1, fc2;                       /* (D, mlp), of SwiGLU (D, 2*mlp): [gate | */
                                                /* value]; (mlp, D) */
    ffcl_tensor norm[2], gain[2];               /* (1, 1, D) of attention, of the MLP */
    ffcl_linear qk_norm;                        /* (2, Dh): q's weight and bias, k's */
    size_t group, column;                       /* its chunks*D columns of modulation */
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
    ffcl_sit_form form;
    ffcl_sit_names names;
    ffcl_weights weights;
    ffcl_dtype dtype;                           /* of the blocks' weights and wide activations */
    ffcl_layout layout;                         /* of float32 matrices: COLUMNS, as in the file */
    ffcl_linear patch;                          /* (C*p*p, D or the bottleneck) */
    ffcl_linear widen;                          /* (bottleneck, D) */
    ffcl_tensor pos;                            /* (N, D); without columns: none */
    ffcl_tensor rope;                           /* (N, Dh), ffcl_rope_table; as pos */
    ffcl_tensor tokens;                         /* parameters of prefix tokens, (1, n, D) */
    ffcl_tensor table;                          /* (rows, D) */
    ffcl_linear final;                          /* (D, p*p*Cout) */
    ffcl_tensor norm_final;                     /* (1, 1, D) */
    size_t final_group, final_column;           /* its 2*D columns of modulation: shift, scale */
    ffcl_sit_embedder *embedders;
    ffcl_sit_block *blocks;
    ffcl_sit_modulations *groups;
    size_t n_groups;
    int pos_in_file;
    ffcl_tensor fixed[2];                       /* ffcl_sit_fix: (moments, 1, D), of prefix */
                                                /* tokens (moments, kinds, D); of the first */
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
