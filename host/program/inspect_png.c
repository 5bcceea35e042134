/* SPDX-License-Identifier: MIT
 * ffcl inspect, of a PNG: its size, and what one of ffcl says that it was made with. */
#include <stdlib.h>
#include <string.h>

#include "files/json.h"
#include "files/png.h"
#include "program/inspect.h"
#include "run/metadata.h"
#include "text.h"
#include "util.h"

/* The texts of ffcl's keys, "ffcl.seed", and who wrote them. */
typedef struct texts {
    char *software, *ini;
    cJSON *others;              /* {"seed": "1", ...} */
    int is_short;               /* of memory */
} texts;

static void take(texts *t, char **to, const char *text)
{
    free(*to);
    *to = ffcl_format("%s", text);
    t->is_short |= !*to;
}

static void see(void *user, const char *key, const char *text)
{
    texts *t = user;
    const size_t n = strlen(FFCL_METADATA_PREFIX);
    if (!strcmp(key, "Software"))
        take(t, &t->software, text);
    else if (!strcmp(key, FFCL_METADATA_INI))
        take(t, &t->ini, text);
    else if (!strncmp(key, FFCL_METADATA_PREFIX, n))
        t->is_short |= !ffcl_json_add_text(t->others, key + n, text);
}

static int read_texts(texts *t, const char *path, ffcl_error *err)
{
    t->others = cJSON_CreateObject();
    int rc = ffcl_png_texts(path, see, t, err);
    if (!rc && (t->is_short || !t->others))
        rc = ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the texts of %s", path);
    return rc;
}

static void free_texts(texts *t)
{
    free(t->software);
    free(t->ini);
    cJSON_Delete(t->others);
}

static void print_texts(const ffcl_findings *f, texts *t)
{
    const cJSON *one = NULL;
    if (t->software)
        ffcl_find_text(f, "made by", t->software);
    cJSON_ArrayForEach(one, t->others) {
        char name[40];
        snprintf(name, sizeof name, "%s", one->string);
        for (char *c = name; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        ffcl_find_text(f, name, one->valuestring);
    }
    if (!t->ini)
        return;
    ffcl_text_clean(t->ini, 1);
    if (f->json) {
        cJSON_AddStringToObject(f->json, "ini", t->ini);
        return;
    }
    /* A PNG that is passed on says nothing of its maker's folders. */
    puts("; weights go by their names alone: put them beside this file, or give\n"
         "; model.checkpoint=PATH and vae.weights=PATH");
    printf("\n%s", t->ini);
}

int ffcl_inspect_has_ini(const char *path, ffcl_error *err)
{
    texts t = {.others = NULL};
    const int rc = read_texts(&t, path, err), has = t.ini != NULL;
    free_texts(&t);
    return rc ? rc : has;
}

int ffcl_inspect_png(ffcl_session *s, const ffcl_findings *f, const char *path)
{
    uint8_t *rgb = NULL;
    size_t height = 0, width = 0;
    char text[64];
    texts t = {.others = NULL};
    int rc = read_texts(&t, path, &s->err);
    if (!rc)
        rc = ffcl_png_read(path, &rgb, &height, &width, &s->err);
    if (!rc) {
        ffcl_find_text(f, "format", "PNG");
        snprintf(text, sizeof text, "%zu x %zu", width, height);
        ffcl_find_text(f, "size", text);
        print_texts(f, &t);
    }
    free(rgb);
    free_texts(&t);
    return rc;
}
