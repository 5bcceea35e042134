/* SPDX-License-Identifier: MIT
 * The table of all INI keys.  The parser, the checker and docs/ini.md come from it: a new key is
 * a member of ffcl_config and one row here. */
#ifndef FFCL_CONFIG_TABLE_H
#define FFCL_CONFIG_TABLE_H

#include <stddef.h>

#include "config.h"

/* The fact of [blas]: how a device multiplies.  The name of the device follows. */
#define FFCL_CONFIG_PRODUCTS "blas.products of "

/* Entries that [sampler] classes may expand to, and the most images. */
#define FFCL_CONFIG_MAX_IMAGES 10000000
/* The largest class label that can be written; the checkpoint has its own limit. */
#define FFCL_CONFIG_MAX_LABEL 2147483647

typedef enum ffcl_config_type {
    FFCL_TYPE_TEXT,         /* char *, not empty */
    FFCL_TYPE_INPUT,        /* char *, a file that is read: relative to the INI file's folder;
                             * or one of choices, two words that are no files */
    FFCL_TYPE_OUTPUT,       /* char *, relative to the current folder; empty: NULL */
    FFCL_TYPE_CHOICE,       /* an enum or int, one of choices */
    FFCL_TYPE_COUNT,        /* size_t from min to max */
    FFCL_TYPE_COUNT_AUTO,   /* the same, or auto: 0 */
    FFCL_TYPE_REAL,         /* double from min to max, finite */
    FFCL_TYPE_REAL_AUTO,    /* the same, or auto: NaN */
    FFCL_TYPE_TIMES,        /* char *, uniform or numbers from 0 to 1 */
    FFCL_TYPE_SEED,         /* uint64_t; negative numbers as two's complement */
    FFCL_TYPE_RANK,         /* size_t from min to max, or all: FFCL_ALL_RANKS */
    FFCL_TYPE_CLASSES       /* random, balanced, file:PATH, or numbers, ranges and names */
} ffcl_config_type;

typedef struct ffcl_config_choice {
    const char *name;       /* NULL ends the list */
    int value;
} ffcl_config_choice;

/* Does a key change the images, that is, bytes of the files that they become?  A run only resumes
 * a sample set with the same values of those that do. */
typedef enum ffcl_config_effect {
    FFCL_IMAGES_UNMARKED,   /* nobody has thought of it; tests/unit/config.c fails on such a row */
    FFCL_IMAGES_SAME,
    FFCL_IMAGES_DIFFER
} ffcl_config_effect;

typedef struct ffcl_config_row {
    const char *section, *key;
    ffcl_config_type type;
    const char *initial;    /* the default, as it would be written in the file */
    size_t offset;          /* of the member in ffcl_config */
    ffcl_config_effect images;
    /* Of a key that changes them.  fact: what counts is known only when weights and device are
     * open, and the manifest has it in a setting whose name begins so; NULL: the value in cfg.
     * counts: whether it changes the images of this cfg; NULL: always. */
    const char *fact;
    int (*counts)(const ffcl_config *cfg);
    int is_late;            /* manifests of version 1's first readers lack it: it was the default */
    size_t (*resolve)(const ffcl_config *cfg);  /* the value, `auto` resolved; NULL: as it is */
    double min, max;        /* COUNT, COUNT_AUTO and REAL */
    const ffcl_config_choice *choices;
    const char *help;       /* Markdown, no full stop at the end */
} ffcl_config_row;

extern const ffcl_config_row ffcl_config_rows[];
extern const size_t ffcl_config_n_rows;

/* The section whose keys are the checkpoint's and therefore not in the table. */
#define FFCL_CONFIG_CONDITION "condition"

/* "delta", "t" and so on; NULL for FFCL_INPUT_NUMBER. */
const char *ffcl_config_input_name(ffcl_input_kind kind);

/* What a condition is fed with, as [condition] has it ("t, r") into text; returns text. */
const char *ffcl_config_input_text(char *text, size_t size, const ffcl_condition *c);

/* As short as may be, but exact; size at least 120. */
void ffcl_config_real_text(char *text, double value);

/* The value of a row as text, "" for files and texts; size at least 120. */
void ffcl_config_value_text(char *text, const ffcl_config *cfg, const ffcl_config_row *row);

/* Calls visit with "section.key" and the value of each key that changes the images of cfg, but for
 * those that go by a fact; the order is always the same.  Stops where visit fails. */
typedef int ffcl_setting_visitor(void *user, const char *key, const char *text, ffcl_error *err);
int ffcl_config_settings(const ffcl_config *cfg, ffcl_setting_visitor *visit, void *user,
                         ffcl_error *err);

/* The row of a key, or NULL. */
const ffcl_config_row *ffcl_config_find(const char *section, const char *key);

/* The row whose key is written most like this one, of section (NULL: of any), or NULL. */
const ffcl_config_row *ffcl_config_nearest(const char *section, const char *key);

/* The key that other programs call so: batch_size, num_steps; NULL: none. */
const ffcl_config_row *ffcl_config_by_word(const char *word);

/* The choice of a row that text may have meant: a typo, or the word of other programs; or NULL. */
const char *ffcl_config_nearest_choice(const ffcl_config_row *row, const char *text);

/* Fails with FFCL_ECONFIG: "where: unknown key [section] key; did you mean ...". */
int ffcl_config_unknown(const char *where, const char *section, const char *key, ffcl_error *err);

/* A value for one key of a template; key NULL ends a list. */
typedef struct ffcl_template_value {
    const char *section, *key, *value;
} ffcl_template_value;

/* An INI file with every key and its help as a comment, without a head; values in place of
 * defaults.  only_given: the other keys stand behind a semicolon.  The caller frees *out. */
int ffcl_config_template(char **out, const ffcl_template_value *values, int only_given,
                         ffcl_error *err);

/* What a value of the row must be, e.g. "auto or a whole number from 1 to 1024"; the caller
 * frees it.  NULL when memory is short. */
char *ffcl_config_expected(const ffcl_config_row *row);

#endif
