/* SPDX-License-Identifier: MIT
 * The OpenCL sources embedded in the binary (made from cl/ by scripts/embed.sh). */
#ifndef FFCL_CL_SOURCE_H
#define FFCL_CL_SOURCE_H

#include <stddef.h>

typedef struct ffcl_source {
    const char *name;       /* file name without ".cl" */
    const char *text;       /* not an empty one; ends in a zero byte */
    size_t size;            /* bytes without that zero */
} ffcl_source;

extern const ffcl_source ffcl_sources[];    /* ends with a NULL name */

#endif
