/* SPDX-License-Identifier: MIT
 * The OpenCL sources: embedded in the binary (made from cl/ by cl/embed.sh), or read from
 * FFCL_CL_DIR. */
#ifndef FFCL_CL_SOURCE_H
#define FFCL_CL_SOURCE_H

#include "cl/context.h"

typedef struct ffcl_source {
    const char *name;       /* file name */
    const char *text;       /* not an empty one; ends in a zero byte */
    size_t size;            /* bytes without that zero */
} ffcl_source;

extern const ffcl_source ffcl_sources[];    /* ends with a NULL name */

/* The text of a program: common.cl, then name.cl with the .clh files that it includes (whole lines
 * `#include "file.clh"`, not nested).  #line lets build logs point at real lines of the real files.
 * *out is the caller's to free.  FFCL_EFILE names the path of a source missing in FFCL_CL_DIR. */
int ffcl_source_expand(ffcl_ctx *ctx, const char *name, char **out);

/* Which sources these are, "crc32 1a2b3c4d": of those built in, or in FFCL_CL_DIR. */
int ffcl_sources_id(char *text, size_t size, ffcl_error *err);

#endif
