/* SPDX-License-Identifier: MIT */
#include "cl/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "files/input.h"
#include "util.h"

enum { MAX_SOURCE = 1 << 24, MOST_LEVELS = 8 };     /* bytes; files that include one another */

static int out_of_memory(ffcl_error *err, const char *file)
{
    return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", file);
}

static int read_embedded(ffcl_error *err, const char *file, char **out)
{
    for (const ffcl_source *s = ffcl_sources; s->name; s++)
        if (strcmp(s->name, file) == 0) {
            *out = ffcl_format("%s", s->text);
            return *out ? 0 : out_of_memory(err, file);
        }
    return ffcl_fail(err, FFCL_EBUILD, "no kernel source is called %s", file);
}

/* The text of cl/file: from FFCL_CL_DIR where that is set, else the embedded one. */
static int read_source(ffcl_error *err, const char *file, char **out)
{
    *out = NULL;
    const char *dir = getenv("FFCL_CL_DIR");
    if (!dir || !*dir)
        return read_embedded(err, file, out);
    char *path = ffcl_format("%s/%s", dir, file);
    ffcl_error why = {0};
    size_t n = 0;
    int rc = path ? ffcl_input_read(out, &n, path, MAX_SOURCE, &why) : out_of_memory(err, file);
    if (path && rc)
        rc = ffcl_fail(err, rc, "the kernel source %s of FFCL_CL_DIR: %s", file, why.text);
    free(path);
    return rc;
}

static int read_whole(ffcl_error *err, const char *file, int level, char **out);

/* Replaces *text, of the given file, by its version with the first #include "..." line from
 * *from on, which is in line *line of the file, replaced.  Both move behind it, or *from to the end
 * where there is none. */
static int include_next(ffcl_error *err, const char *file, int level, char **text, size_t *from,
                        size_t *line)
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
    int rc = read_whole(err, name, level + 1, &included);
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
        return out_of_memory(err, file);
    }
    *from = strlen(head);
    free(head);
    free(*text);
    *text = whole;
    return 0;
}

/* The text of cl/file with all that it includes. */
static int read_whole(ffcl_error *err, const char *file, int level, char **out)
{
    size_t from = 0, line = 1;
    if (level > MOST_LEVELS)
        return ffcl_fail(err, FFCL_EBUILD, "the kernel source %s includes itself", file);
    int rc = read_source(err, file, out);
    while (rc == 0 && (*out)[from])
        rc = include_next(err, file, level, out, &from, &line);
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

int ffcl_source_expand(ffcl_ctx *ctx, const char *name, char **out)
{
    char *common = NULL, *own = NULL, *file = ffcl_format("%s.cl", name);
    *out = NULL;
    int rc = file ? read_source(ctx->err, "common.cl", &common) : out_of_memory(ctx->err, name);
    if (rc == 0)
        rc = read_whole(ctx->err, file, 1, &own);
    if (rc == 0) {
        *out = ffcl_format("#line 1 \"common.cl\"\n%s\n#line 1 \"%s\"\n%s\n", common, file, own);
        if (!*out)
            rc = out_of_memory(ctx->err, file);
    }
    free(file);
    free(common);
    free(own);
    return rc;
}

/* The checksum of all sources: the embedded ones, or, of the same names, those that the folder
 * has. */
static int checksum(const char *dir, uLong *crc, ffcl_error *err)
{
    int rc = 0;
    *crc = crc32_z(0, NULL, 0);
    for (const ffcl_source *s = ffcl_sources; rc == 0 && s->name; s++) {
        char *text = NULL, *path = dir ? ffcl_format("%s/%s", dir, s->name) : NULL;
        if (dir && !path)
            rc = out_of_memory(err, s->name);
        else if (!path || !ffcl_input_is_absent(path))
            rc = path ? read_source(err, s->name, &text) : read_embedded(err, s->name, &text);
        *crc = crc32_z(*crc, (const void *)s->name, strlen(s->name) + 1);
        if (text)
            *crc = crc32_z(*crc, (const void *)text, strlen(text) + 1);
        free(text);
        free(path);
    }
    return rc;
}

int ffcl_sources_id(char *text, size_t size, ffcl_error *err)
{
    const char *dir = getenv("FFCL_CL_DIR");
    uLong crc = 0;
    int rc = checksum(dir && *dir ? dir : NULL, &crc, err);
    snprintf(text, size, "crc32 %08lx", crc);
    return rc;
}
