/* SPDX-License-Identifier: MIT */
#include "cl/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

/* The most bytes of a source; a folder that is opened as a file has 2^63 - 1. */
enum { MAX_SOURCE = 1 << 24 };

static int out_of_memory(ffcl_ctx *ctx, const char *file)
{
    return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %s", file);
}

static int read_embedded(ffcl_ctx *ctx, const char *file, char **out)
{
    for (const ffcl_source *s = ffcl_sources; s->name; s++)
        if (strcmp(s->name, file) == 0) {
            *out = ffcl_format("%s", s->text);
            return *out ? 0 : out_of_memory(ctx, file);
        }
    return ffcl_fail(ctx->err, FFCL_EBUILD, "no kernel source is called %s", file);
}

/* The text of cl/file: from FFCL_CL_DIR where that is set, else the embedded one. */
static int read_source(ffcl_ctx *ctx, const char *file, char **out)
{
    *out = NULL;
    const char *dir = getenv("FFCL_CL_DIR");
    if (!dir || !*dir)
        return read_embedded(ctx, file, out);
    char *path = ffcl_format("%s/%s", dir, file);
    FILE *f = path ? fopen(path, "rb") : NULL;
    long size = -1;
    int rc = 0;
    if (f && fseek(f, 0, SEEK_END) == 0)
        size = ftell(f);
    if (size >= 0 && size < MAX_SOURCE)
        *out = calloc(1, (size_t)size + 1);
    if (*out)
        rewind(f);
    if (!*out || fread(*out, 1, (size_t)size, f) != (size_t)size) {
        free(*out);
        *out = NULL;
        rc = ffcl_fail(ctx->err, FFCL_EFILE, "cannot read the kernel source %s (FFCL_CL_DIR)",
                       path ? path : file);
    }
    if (f)
        fclose(f);
    free(path);
    return rc;
}

/* Replaces the first #include "..." in *text from *from on, which is line *line of file, by the
 * file that it names.  Moves *from and *line behind it, or *from to the end where there is none. */
static int include_next(ffcl_ctx *ctx, const char *file, char **text, size_t *from, size_t *line)
{
    static const char word[] = "\n#include \"";
    char *at = strstr(*text + *from, word), *included = NULL;
    if (!at) {
        *from = strlen(*text);
        return 0;
    }
    char name[64];
    const char *start = at + strlen(word), *quote = strchr(start, '"');
    snprintf(name, sizeof name, "%.*s", quote ? (int)(quote - start) : 0, start);
    int rc = read_source(ctx, name, &included);
    if (rc)
        return rc;
    for (const char *p = *text + *from; p <= at; p++)
        *line += *p == '\n';
    char *head = ffcl_format("%.*s\n#line 1 \"%s\"\n%s\n#line %zu \"%s\"", (int)(at - *text),
                             *text, name, included, *line + 1, file);
    char *whole = head ? ffcl_format("%s%s", head, quote + 1) : NULL;
    free(included);
    if (!whole) {
        free(head);
        return out_of_memory(ctx, file);
    }
    *from = strlen(head);
    free(head);
    free(*text);
    *text = whole;
    return 0;
}

int ffcl_source_expand(ffcl_ctx *ctx, const char *name, char **out)
{
    char *common = NULL, *own = NULL, *file = ffcl_format("%s.cl", name);
    size_t from = 0, line = 1;
    *out = NULL;
    int rc = file ? read_source(ctx, "common.cl", &common) : out_of_memory(ctx, name);
    if (rc == 0)
        rc = read_source(ctx, file, &own);
    while (rc == 0 && own[from])
        rc = include_next(ctx, file, &own, &from, &line);
    if (rc == 0) {
        *out = ffcl_format("#line 1 \"common.cl\"\n%s\n#line 1 \"%s\"\n%s\n", common, file, own);
        if (!*out)
            rc = out_of_memory(ctx, file);
    }
    free(file);
    free(common);
    free(own);
    return rc;
}
