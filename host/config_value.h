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

/* Stores text as the value of row; on failure the old value stays.  FFCL_ECONFIG, FFCL_ENOMEM. */
int ffcl_config_store(ffcl_config *cfg, const ffcl_config_row *row, const char *text,
                      const ffcl_config_source *source, ffcl_error *err);

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
