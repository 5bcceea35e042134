/* SPDX-License-Identifier: MIT
 * What ffcl inspect says of a file, as lines or as one JSON object; a source file for each kind. */
#ifndef FFCL_PROGRAM_INSPECT_H
#define FFCL_PROGRAM_INSPECT_H

#include <cjson/cJSON.h>

#include "files/tensorfile.h"
#include "program/command.h"

typedef struct ffcl_findings {
    cJSON *json;                /* NULL: lines are printed */
    int is_ini;                 /* as comments of an INI file, which follows */
} ffcl_findings;

/* "name         text", or a member. */
void ffcl_find_text(const ffcl_findings *f, const char *name, const char *text);
/* One of several of a name: a line each, or an array. */
void ffcl_find_item(const ffcl_findings *f, const char *name, const char *text);
void ffcl_find_number(const ffcl_findings *f, const char *name, double number);

/* Opens weights, those of a VAE too, for which another dictionary of a torch file is taken.
 * wrapper: as [model] wrapper. */
int ffcl_inspect_open(ffcl_tensor_file **out, const char *path, const char *wrapper,
                      ffcl_error *err);

/* What model the weights are, or why none.  FFCL_ENOMEM, FFCL_EFILE: neither can be said. */
int ffcl_inspect_model(const ffcl_findings *f, const char *path, const char *wrapper,
                       ffcl_error *err);

/* Of a path; 0, or a status with the sentence in s->err. */
int ffcl_inspect_weights(ffcl_session *s, const ffcl_findings *f, const char *path);
int ffcl_inspect_png(ffcl_session *s, const ffcl_findings *f, const char *path);
/* Has the PNG the INI file that it was made with?  1, 0, or a status. */
int ffcl_inspect_has_ini(const char *path, ffcl_error *err);
int ffcl_inspect_npz(ffcl_session *s, const ffcl_findings *f, const char *path);
int ffcl_inspect_manifest(ffcl_session *s, const ffcl_findings *f, const char *path);

#endif
