/* SPDX-License-Identifier: MIT
 * Whether what an evaluation leaves can be written, before it begins. */
#ifndef FFCL_EVAL_CHECK_OUTPUTS_H
#define FFCL_EVAL_CHECK_OUTPUTS_H

#include "config.h"
#include "error.h"

/* [eval] save_stats of cfg and the sheet, each where it is named.  They never replace what the
 * evaluation reads (samples and reference, which may be NULL, and the network), nor images: a sheet
 * does not go into a folder that is evaluated, as it would be an image there, and statistics do not
 * replace an npz of images.  FFCL_EOUTPUT. */
int ffcl_eval_check_outputs(const ffcl_config *cfg, const char *samples, const char *reference,
                            const char *sheet, ffcl_error *err);

/* FFCL_EOUTPUT where a run's images would be those of its own reference, or its grid one of
 * them. */
int ffcl_eval_check_run(const ffcl_config *cfg, const char *reference, ffcl_error *err);

/* FFCL_EOUTPUT where a file written to path would replace one of the n files, which are read. */
int ffcl_eval_keeps(const char *path, const char *const *files, size_t n, ffcl_error *err);

#endif
