/* SPDX-License-Identifier: MIT
 * What went wrong, as a line on stderr. */
#ifndef FFCL_PROGRAM_ERROR_LINE_H
#define FFCL_PROGRAM_ERROR_LINE_H

#include "program/command.h"

/* Prints the sentence of s->err, if it has one, and empties it: it is printed once. */
void ffcl_error_print(ffcl_session *s);

#endif
