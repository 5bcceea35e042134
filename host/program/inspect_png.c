/* SPDX-License-Identifier: MIT
 * ffcl inspect, of a PNG. */
#include <stdlib.h>

#include "files/png.h"
#include "program/inspect.h"

int ffcl_inspect_png(ffcl_session *s, const ffcl_findings *f, const char *path)
{
    uint8_t *rgb = NULL;
    size_t height = 0, width = 0;
    char text[64];
    const int rc = ffcl_png_read(path, &rgb, &height, &width, &s->err);
    if (!rc) {
        ffcl_find_text(f, "format", "PNG");
        snprintf(text, sizeof text, "%zu x %zu", width, height);
        ffcl_find_text(f, "size", text);
    }
    free(rgb);
    return rc;
}
