/* SPDX-License-Identifier: MIT
 * The configuration: INI rows of one table {section, key, type, default, range, help} fill one
 * struct; parser, checker and docs/ini.md all come from that table. */
#ifndef FFCL_CONFIG_H
#define FFCL_CONFIG_H

#include "config_choices.h"
#include "error.h"

/* Where a value comes from: FILE is the INI file, COMMAND the command line. */
typedef enum ffcl_config_origin {
    FFCL_BY_DEFAULT, FFCL_BY_PRESET, FFCL_BY_FILE, FFCL_BY_COMMAND
} ffcl_config_origin;

/* A scalar embedder of the checkpoint and what it is fed with. */
typedef struct ffcl_condition {
    char *prefix;               /* e.g. "t_embedder" */
    ffcl_input_kind kind;
    double number;              /* for FFCL_INPUT_NUMBER */
    int has_second;             /* the later blocks have its embedding of another input: */
    ffcl_input_kind second;
    ffcl_config_origin origin;
} ffcl_condition;

enum { FFCL_CONFIG_MOST_ROWS = 128 };

/* [sampler] rank = all. */
#define FFCL_ALL_RANKS SIZE_MAX

struct ffcl_config {
    char *path;                 /* the INI file, or NULL */
    struct {
        char *select;
    } device;
    struct {
        char *checkpoint;       /* resolved path */
        int preset;             /* index into ffcl_presets, or FFCL_PRESET_AUTO */
        int check;              /* tensors that speak against the preset stop the run */
        char *wrapper, *prefix, *ignore;
        int noise_time;         /* the time of noise, 1 or 0; that of data is the other */
        int update;             /* +1: F points from noise to data, -1: back */
        size_t split;           /* first block with second inputs; 0: by the number of blocks */
        size_t heads;           /* 0: by hidden size */
        size_t latent_size;     /* 0: by the checkpoint's pos_embed */
        ffcl_null_class null_class;
        int strict;             /* refuse pickles that would call more than tensors need */
        int predicts_data;      /* F is data, not a velocity */
        double noise_scale;     /* NaN: auto */
    } model;
    ffcl_condition *conditions; /* [condition], as given; known names are added by lookup */
    size_t n_conditions;
    struct {
        char *weights;          /* resolved path */
        double scale, shift;    /* NaN: auto */
        char *stats;            /* none, checkpoint, or the resolved path of a file */
        char *wrapper;
        size_t groups;          /* 0: by config.json */
    } vae;
    struct {
        uint64_t seed;
        ffcl_rng rng;
        ffcl_classes_kind kind;
        int64_t *classes;       /* LIST: the labels, ranges expanded */
        size_t n_classes;
        char *class_names;      /* "imagenet", or the resolved path of a file */
        char *class_text;       /* the list as written, where it has names; else NULL */
        size_t n_named;         /* then: classes that class_names has */
        size_t count;           /* 0: as many as classes listed */
        size_t batch;           /* 0: auto */
        size_t draw_batch;      /* 0: auto */
        size_t world, rank;     /* shares of the images, and which is ours: FFCL_ALL_RANKS */
        size_t index;           /* the only image to generate; FFCL_ALL_RANKS: all */
        size_t cuda_threads;
        double guidance;
        size_t steps;
        ffcl_solver solver;
        char *times;            /* uniform, or a list of times */
        double time_shift;
        ffcl_cfg_kind cfg;
        double guidance_low, guidance_high;
        int gate;               /* Heun's second evaluation is guided by its own time, not the */
                                /* step's */
        int correct_last;       /* Heun's last step has a second evaluation, too */
        double sde_last;        /* length of the last step of an SDE */
        size_t noise_rows;      /* normals a value, of later noise: 2 where halves get some */
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
        char *compare;          /* "none", or "section.key: value, ..." */
        size_t columns;
        ffcl_byte_rule bytes;
        size_t png_level;       /* zlib's, 0 to 9 */
        size_t threads;         /* that compress and write; 0: auto */
        ffcl_on_bad on_bad;
        int resume;             /* keep the images that are there */
        int overwrite;          /* delete those that are in the way */
        int npz_labels;         /* arr_1 */
        ffcl_metadata_kind metadata;
        int has_grid;           /* grid was named, so that it is written beside the others */
    } output;
    struct {
        char *reference;        /* a resolved path, "off" or "none" */
        char *inception;        /* resolved path */
        ffcl_like like;
        char *save_stats;       /* NULL: not saved */
    } eval;
    unsigned char origin[FFCL_CONFIG_MOST_ROWS];    /* of each row's value */
    /* Not keys of the INI file, as they do not change the images. */
    struct {
        ffcl_profile_mode mode;
        char *trace;            /* where ffcl_sampler_profile writes a trace, or NULL */
    } profile;
    char *trial_program;        /* ffcl_config_trials; NULL: no trials are made */
    int is_dry;                 /* ffcl_config_dry_run: no output is written */
};

/* How many images are asked for, those of all shares. */
size_t ffcl_config_count(const ffcl_config *cfg);

/* Is there a folder or an npz: images that a later run, or others beside this one, add to? */
int ffcl_config_keeps_samples(const ffcl_config *cfg);

/* Are the images evaluated ([eval] reference)? */
int ffcl_config_evaluates(const ffcl_config *cfg);

/* Are there PNGs to be that say what they were made with ([output] metadata)? */
int ffcl_config_has_metadata(const ffcl_config *cfg);

/* Is an image to be the same bytes in any batch: are there others, of other runs, beside it? */
int ffcl_config_is_invariant(const ffcl_config *cfg);

/* [output] threads, `auto` resolved: a thread a processor. */
size_t ffcl_config_threads(const ffcl_config *cfg);

/* Is an embedder fed with an end of the guidance interval? */
int ffcl_config_feeds_interval(const ffcl_config *cfg);

/* Does the sampler need noise after that which it begins with? */
int ffcl_config_draws_later(const ffcl_config *cfg);

/* [sampler] draw_batch, `auto` resolved. */
size_t ffcl_config_draw_batch(const ffcl_config *cfg);

/* Keys that are right alone but not together: FFCL_ECONFIG. */
int ffcl_config_check(const ffcl_config *cfg, ffcl_error *err);

/* A deep copy; *out is the caller's to close. */
int ffcl_config_copy(ffcl_config **out, const ffcl_config *cfg, ffcl_error *err);

/* The input of the scalar embedder prefix: an entry of [condition], else what the preset says of
 * it.  0, or -1 if unknown. */
int ffcl_config_condition(const ffcl_config *cfg, const char *prefix, ffcl_condition *out);

/* The entry of [condition], or NULL. */
const ffcl_condition *ffcl_config_given_condition(const ffcl_config *cfg, const char *prefix);

/* Makes preset the one of cfg: keys that nobody set get its values. */
int ffcl_config_take_preset(ffcl_config *cfg, int preset, ffcl_error *err);

#endif
