/* SPDX-License-Identifier: MIT
 * [output] compare: the same images by several values of a key, side by side in one grid. */
#ifndef FFCL_PROGRAM_COMPARE_H
#define FFCL_PROGRAM_COMPARE_H

#include "config.h"
#include "program/command.h"

/* Runs cfg once for each value and writes the grid, a column for each; without all of them the grid
 * stays as it was. */
int ffcl_compare_run(ffcl_session *s, const ffcl_config *cfg);

#endif
