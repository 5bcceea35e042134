/* SPDX-License-Identifier: MIT
 * The table that ffcl --profile prints. */
#ifndef FFCL_PROGRAM_PROFILE_TABLE_H
#define FFCL_PROGRAM_PROFILE_TABLE_H

#include <stdio.h>

#include "ffcl.h"

typedef struct ffcl_profile_table {
    ffcl_profile_line *lines;   /* (n); stage and label are the sampler's */
    size_t n, room;
    int is_short;               /* memory did not suffice for all */
} ffcl_profile_table;

/* The visitor of ffcl_sampler_profile; user is the table. */
void ffcl_profile_table_add(void *user, const ffcl_profile_line *line);

void ffcl_profile_table_print(const ffcl_profile_table *table, FILE *out);
void ffcl_profile_table_close(ffcl_profile_table *table);

#endif
