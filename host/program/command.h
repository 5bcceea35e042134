/* SPDX-License-Identifier: MIT
 * Commands of the program that parse arguments of their own, for main.c's table. */
#ifndef FFCL_PROGRAM_COMMAND_H
#define FFCL_PROGRAM_COMMAND_H

#include "program/progress.h"

/* argv[0] is the command's name.  Prints to stdout, progress goes through progress; returns 0 or a
 * status with its sentence in *err, which main.c prints. */
typedef int ffcl_command(int argc, char **argv, ffcl_progress *progress, ffcl_error *err);

/* Fails with FFCL_EUSAGE: "SENTENCE ARGUMENT; see ffcl COMMAND --help". */
int ffcl_bad_usage(ffcl_error *err, const char *of, const char *sentence,
                   const char *argument);

/* ffcl bench, of bench/. */
ffcl_command ffcl_bench_command;

#endif
