/* SPDX-License-Identifier: MIT
 * One value of the configuration: checked by its row of the key table and stored. */
#ifndef FFCL_CONFIG_VALUE_H
#define FFCL_CONFIG_VALUE_H

#include "config_table.h"

/* Where a value comes from. */
typedef struct ffcl_config_source {
    const char *where;      /* cited in errors: "FILE:LINE" or the assignment */
    const char *folder;     /* of the INI file, NULL: the current one */
    int is_override;        /* from the command line: inputs are looked up here first */
    int continues;          /* a further line of a list */
    int is_continued;       /* a further line of the list follows */
} ffcl_config_source;

/* Fails with "where: [section] key = text PROBLEM; expected ...". */
int ffcl_config_bad_value(const ffcl_config_source *source, const ffcl_config_row *row,
                          const char *text, const char *problem, ffcl_error *err);
int ffcl_config_no_memory(const ffcl_config_source *source, ffcl_error *err);

/* Decimal digits only: 0 and *out, or -1 (not a number), or -2 (above 2^64-1). */
int ffcl_config_digits(const char *text, size_t length, uint64_t *out);

/* Leaves out the blanks around the text. */
void ffcl_config_trim(const char **text, size_t *length);

/* The path under which an input is opened in *out, the caller's to free.  FFCL_ECONFIG where it
 * begins with ~ and nobody's home is meant, FFCL_ENOMEM. */
int ffcl_config_input_path(char **out, const char *text, const ffcl_config_source *source,
                           ffcl_error *err);

/* Stores text as the value of row; on failure the old value stays.  FFCL_ECONFIG, FFCL_ENOMEM. */
int ffcl_config_store(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err);

/* config_classes.c: the same for [sampler] classes: a word, a file or a list of numbers, ranges and
 * names. */
int ffcl_config_store_classes(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                              const ffcl_config_source *source, ffcl_error *err);

/* Looks the names of [sampler] classes up again, in other class_names. */
int ffcl_config_rename_classes(ffcl_config *cfg, const ffcl_config_source *source,
                               ffcl_error *err);

/* The same for a key of [condition]. */
int ffcl_config_store_condition(ffcl_config *cfg, const char *prefix, const char *text,
                                const ffcl_config_source *source, ffcl_error *err);

/* The char * member of a TEXT, INPUT or OUTPUT row, or NULL for other rows. */
char **ffcl_config_string(ffcl_config *cfg, const ffcl_config_row *row);

/* delta, t, r, guidance, two of them, or a finite number, into all of *out but prefix: 0, or -1. */
int ffcl_config_parse_input(const char *text, ffcl_condition *out);

/* The numbers of [sampler] times into out (NULL: only counted); 0 where it is no list. */
size_t ffcl_config_times(const char *text, double *out);

#endif
