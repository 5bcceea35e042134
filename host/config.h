/* SPDX-License-Identifier: MIT
 * The configuration: INI rows of one table {section, key, type, default, range, help} fill one
 * struct; parser, checker and docs/ini.md all come from that table. */
#ifndef FFCL_CONFIG_H
#define FFCL_CONFIG_H

#include "error.h"
#include "sample/generator.h"
#include "sample/image.h"

/* What a scalar embedder of the checkpoint is fed with. */
typedef enum ffcl_input_kind {
    FFCL_INPUT_DELTA,       /* step length; 1 for one-step sampling */
    FFCL_INPUT_T,           /* time; 1 for one-step sampling from noise */
    FFCL_INPUT_R,           /* end time of the step; 0 */
    FFCL_INPUT_GUIDANCE,    /* [sampler] guidance */
    FFCL_INPUT_NUMBER       /* a constant given in the INI file */
} ffcl_input_kind;

typedef struct ffcl_condition {
    char *prefix;               /* e.g. "t_embedder" */
    ffcl_input_kind kind;
    double number;              /* for FFCL_INPUT_NUMBER */
} ffcl_condition;

typedef enum ffcl_precision {
    FFCL_PRECISION_AUTO, FFCL_PRECISION_FLOAT32, FFCL_PRECISION_HALF
} ffcl_precision;

struct ffcl_config {
    char *path;                 /* the INI file, or NULL */
    struct {
        char *select;
    } device;
    struct {
        char *checkpoint;       /* resolved path */
        int preset;             /* index into the choices of the key table */
        int update;             /* +1: z + F, -1: z - F */
        size_t heads;           /* 0: by hidden size */
        size_t latent_size;     /* 0: by the checkpoint's pos_embed */
    } model;
    ffcl_condition *conditions; /* [condition], as given; known names are added by lookup */
    size_t n_conditions;
    struct {
        char *weights;          /* resolved path */
        double scale;
    } vae;
    struct {
        uint64_t seed;
        ffcl_rng rng;
        int64_t *classes;       /* listed labels, ranges expanded */
        size_t n_classes;
        size_t count;           /* 0: as many as classes listed */
        size_t batch;           /* 0: auto */
        double guidance;
    } sampler;
    struct {
        ffcl_precision compute;
    } precision;
    struct {
        char *backend;
    } blas;
    struct {
        char *grid, *folder, *npz;  /* NULL: none */
        size_t columns;
        ffcl_byte_rule bytes;
    } output;
};

/* A deep copy; *out is the caller's to close. */
int ffcl_config_copy(ffcl_config **out, const ffcl_config *cfg, ffcl_error *err);

/* The input of the scalar embedder prefix: an entry of [condition], else by its usual name
 * (t, delta, dt, r; w, cfg, guidance, omega; each with "_embedder").  0, or -1 if unknown. */
int ffcl_config_condition(const ffcl_config *cfg, const char *prefix, ffcl_condition *out);

#endif
