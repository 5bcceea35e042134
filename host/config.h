/* SPDX-License-Identifier: MIT
 * The configuration: INI rows of one table {section, key, type, default, range, help} fill one
 * struct; parser, checker and docs/ini.md all come from that table. */
#ifndef FFCL_CONFIG_H
#define FFCL_CONFIG_H

#include "config_choices.h"
#include "error.h"

/* A scalar embedder of the checkpoint and what it is fed with. */
typedef struct ffcl_condition {
    char *prefix;               /* e.g. "t_embedder" */
    ffcl_input_kind kind;
    double number;              /* for FFCL_INPUT_NUMBER */
} ffcl_condition;

/* [sampler] rank = all. */
#define FFCL_ALL_RANKS SIZE_MAX

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
        ffcl_null_class null_class;
        int strict;             /* refuse pickles that would call more than tensors need */
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
        ffcl_classes_kind kind;
        int64_t *classes;       /* LIST: the labels, ranges expanded */
        size_t n_classes;
        size_t count;           /* 0: as many as classes listed */
        size_t batch;           /* 0: auto */
        size_t draw_batch;      /* 0: auto */
        size_t world, rank;     /* shares of the images, and which is ours: FFCL_ALL_RANKS */
        size_t cuda_threads;
        double guidance;
    } sampler;
    struct {
        ffcl_precision compute;
    } precision;
    struct {
        char *backend, *library;
        char *tuning;           /* auto, off, or the resolved path of a file */
    } blas;
    struct {
        char *grid, *folder, *npz;  /* NULL: none */
        size_t columns;
        ffcl_byte_rule bytes;
        size_t png_level;       /* zlib's, 0 to 9 */
        size_t threads;         /* that compress and write; 0: auto */
        ffcl_on_bad on_bad;
        int resume;             /* keep the images that are there */
        int overwrite;          /* delete those that are in the way */
        int npz_labels;         /* arr_1 */
    } output;
    /* Not keys of the INI file, as they do not change the images. */
    struct {
        ffcl_profile_mode mode;
        char *trace;            /* where ffcl_sampler_profile writes a trace, or NULL */
    } profile;
    char *trial_program;        /* ffcl_config_trials; NULL: no trials are made */
};

/* How many images are asked for, those of all shares. */
size_t ffcl_config_count(const ffcl_config *cfg);

/* Is there a folder or an npz: images that a later run, or others beside this one, add to? */
int ffcl_config_keeps_samples(const ffcl_config *cfg);

/* [output] threads, `auto` resolved: a thread a processor. */
size_t ffcl_config_threads(const ffcl_config *cfg);

/* [sampler] draw_batch, `auto` resolved. */
size_t ffcl_config_draw_batch(const ffcl_config *cfg);

/* Keys that are right alone but not together: FFCL_ECONFIG. */
int ffcl_config_check(const ffcl_config *cfg, ffcl_error *err);

/* A deep copy; *out is the caller's to close. */
int ffcl_config_copy(ffcl_config **out, const ffcl_config *cfg, ffcl_error *err);

/* The input of the scalar embedder prefix: an entry of [condition], else by its usual name
 * (t, delta, dt, r; w, cfg, guidance, omega; each with "_embedder").  0, or -1 if unknown. */
int ffcl_config_condition(const ffcl_config *cfg, const char *prefix, ffcl_condition *out);

#endif
