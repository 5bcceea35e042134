/* SPDX-License-Identifier: MIT
 * Lines of text that suit the width of a terminal. */
#ifndef FFCL_PROGRAM_LINES_H
#define FFCL_PROGRAM_LINES_H

#include <stdio.h>

/* The text, without backticks, from column `from`, where the cursor is at column at, in lines of 79
 * columns, or as many as a narrower terminal has. */
void ffcl_help_wrap(FILE *out, int at, int from, const char *text);

/* A line as it is; on a terminal that is narrower its words go on from column `from` below. */
__attribute__((format(printf, 3, 4)))
void ffcl_help_line(FILE *out, int from, const char *format, ...);

#endif
