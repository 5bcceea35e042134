/* SPDX-License-Identifier: MIT
 * ffcl sample --dry-run: what a run would take; and ffcl sample --json: what one did. */
#ifndef FFCL_PROGRAM_DRY_RUN_H
#define FFCL_PROGRAM_DRY_RUN_H

#include "program/command.h"

/* Opens cfg's devices, times them and prints what a run would take.  json: as one object. */
int ffcl_dry_run(ffcl_session *s, ffcl_config *cfg, int json);

#endif
