/* SPDX-License-Identifier: MIT
 * Where finished pictures go: the grid, a folder of PNGs, an npz. */
#ifndef FFCL_SAMPLE_OUTPUTS_H
#define FFCL_SAMPLE_OUTPUTS_H

#include "config.h"

typedef struct ffcl_outputs ffcl_outputs;

/* Opens what cfg asks for and shows that it can be written, before any picture is computed.
 * FFCL_EOUTPUT; FFCL_ECONFIG when cfg has no output at all. */
int ffcl_outputs_open(ffcl_outputs **out, const ffcl_config *cfg, size_t count, size_t height,
                      size_t width, ffcl_error *err);

/* Pictures first .. first+n-1, in order: rgb (n, height, width, 3). */
int ffcl_outputs_put(ffcl_outputs *outputs, size_t first, size_t n, const uint8_t *rgb,
                     ffcl_error *err);

/* Writes what needs all pictures.  Nothing but whole files of the folder is left otherwise. */
int ffcl_outputs_commit(ffcl_outputs *outputs, ffcl_error *err);
void ffcl_outputs_close(ffcl_outputs **outputs);

#endif
