/* SPDX-License-Identifier: MIT
 * The tensors of a SiT checkpoint: names, shapes, where each goes. */
#ifndef FFCL_MODEL_SIT_WEIGHTS_H
#define FFCL_MODEL_SIT_WEIGHTS_H

#include "model/sit.h"

typedef struct ffcl_sit_embedder {
    ffcl_condition condition;                   /* owns its prefix */
    ffcl_weight w0, b0, w1, b1;                 /* (256, D), (D), (D, D), (D) */
} ffcl_sit_embedder;

typedef struct ffcl_sit_block {
    /* Weights as (K, N) below; with half storage, or with nmajor, each is (N, K). */
    ffcl_weight qkv_w, qkv_b;                   /* (D, 3*D), (3*D): [q | k | v] */
    ffcl_weight proj_w, proj_b;                 /* (D, D), (D) */
    ffcl_weight fc1_w, fc1_b, fc2_w, fc2_b;     /* (D, mlp), (mlp), (mlp, D), (D) */
    size_t group, column;                       /* its 6*D columns of modulation */
} ffcl_sit_block;

/* Modulations of several blocks side by side, so that one product computes them all; more than
 * one group where a single buffer would exceed the device's limit, or where each is to be used as
 * it lies in the file. */
typedef struct ffcl_sit_modulations {
    ffcl_weight w, b;                           /* (D, columns), (columns) */
    size_t columns;
} ffcl_sit_modulations;

struct ffcl_sit {
    ffcl_sit_dims d;
    ffcl_weights weights;
    int nmajor;                                 /* matrices stay (N, K), as in the file */
    ffcl_weight patch_w, patch_b;               /* (C*p*p, D), (D) */
    ffcl_weight pos;                            /* (T, D) */
    ffcl_weight table;                          /* (classes + 1, D) */
    ffcl_weight final_w, final_b;               /* (D, p*p*Cout), (p*p*Cout) */
    size_t final_group, final_column;           /* its 2*D columns of modulation: shift, scale */
    ffcl_sit_embedder *embedders;
    ffcl_sit_block *blocks;
    ffcl_sit_modulations *groups;
    size_t n_groups;
    int pos_in_file;
    cl_mem fixed;                               /* ffcl_sit_fix: (D), or NULL */
    ffcl_store store;                           /* of the blocks' weights and wide activations */
};

/* Derives sit->d and allocates embedders and blocks from the tensors' shapes. */
int ffcl_sit_derive(ffcl_sit *sit, const ffcl_config *cfg, size_t heads_hint, ffcl_error *err);

/* Assigns modulation columns to groups of at most max_bytes each, then fills sit->weights.rows. */
int ffcl_sit_table(ffcl_sit *sit, size_t max_bytes, ffcl_error *err);

/* The canonical name of a checkpoint's tensor, or NULL for one that inference does not use. */
char *ffcl_sit_rename(const char *name, void *user);

#endif
