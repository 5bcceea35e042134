/* SPDX-License-Identifier: MIT
 * Lines of text that suit the width of a terminal. */
#ifndef FFCL_PROGRAM_LINES_H
#define FFCL_PROGRAM_LINES_H

#include <stdio.h>

#include "table.h"

/* Columns that can be written without a wrap by the terminal; `otherwise` where out is none. */
int ffcl_help_columns(FILE *out, int otherwise);

/* The text, without backticks, from column `from`, where the cursor is at column at, in lines of 79
 * columns, or as many as a narrower terminal has. */
void ffcl_help_wrap(FILE *out, int at, int from, const char *text);

/* A line as it is; on a terminal that is narrower its words go on from column `from` below. */
__attribute__((format(printf, 3, 4)))
void ffcl_help_line(FILE *out, int from, const char *format, ...);

/* The same of a text that follows `at` columns of its line. */
void ffcl_help_line_at(FILE *out, int at, int from, const char *text);

/* Text of several lines, each as it is where there is room, else as far in as it begins. */
void ffcl_help_text(FILE *out, const char *text);

/* A line of a table; the heads where there are no cells. */
void ffcl_help_row(FILE *out, const ffcl_table *table, const char *const *cells);

#endif
