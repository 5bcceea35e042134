/* SPDX-License-Identifier: MIT
 * ffcl inspect: what a file is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "error.h"
#include "files/json.h"
#include "files/shards.h"
#include "program/inspect.h"
#include "text.h"
#include "util.h"

/* "not a SiT" as a key: not_a_SiT. */
static void key_of(char *key, size_t size, const char *name)
{
    snprintf(key, size, "%s", name);
    for (char *c = key; *c; c++)
        *c = *c == ' ' ? '_' : *c;
}

/* A comment of an INI file, of lines that each begin as one. */
static void print_comment(const char *name, const char *text)
{
    enum { WIDTH = 79, COLUMN = 15 };
    const int width = ffcl_help_columns(stdout, WIDTH);
    int at = printf("; %-12s", name);
    while (*text) {
        const int word = (int)strcspn(text, " ");
        if (at >= COLUMN && at + 1 + word > (width < WIDTH ? width : WIDTH))
            at = printf("\n; %-12s", "") - 1;
        at += printf(" %.*s", word, text);
        text += word;
        text += strspn(text, " ");
    }
    putchar('\n');
}

static void print_line(const ffcl_findings *f, const char *name, const char *text)
{
    char copy[8192];
    snprintf(copy, sizeof copy, "%s", text);
    ffcl_text_clean(copy, 0);
    if (f->is_ini)
        print_comment(name, copy);
    else
        ffcl_help_line(stdout, 13, "%-12s %s", name, copy);
}

void ffcl_find_text(const ffcl_findings *f, const char *name, const char *text)
{
    char key[64];
    key_of(key, sizeof key, name);
    if (f->json)
        ffcl_json_add_text(f->json, key, text);
    else
        print_line(f, name, text);
}

void ffcl_find_item(const ffcl_findings *f, const char *name, const char *text)
{
    if (!f->json) {
        print_line(f, name, text);
        return;
    }
    cJSON *list = cJSON_GetObjectItemCaseSensitive(f->json, name);
    if (!list)
        list = cJSON_AddArrayToObject(f->json, name);
    cJSON_AddItemToArray(list, cJSON_CreateString(text));
}

void ffcl_find_number(const ffcl_findings *f, const char *name, double number)
{
    if (f->json)
        cJSON_AddNumberToObject(f->json, name, number);
    else
        printf("%-12s %.0f\n", name, number);
}

/* Is it the index of sharded weights, or one whose mistake is to be reported? */
static int is_index(const char *path, ffcl_error *err)
{
    ffcl_shards shards;
    const int rc = ffcl_shards_read(&shards, path, err);
    const int is_one = rc != 0 || shards.n > 0;
    ffcl_shards_close(&shards);
    return rc == FFCL_ENOMEM || rc == FFCL_EFILE ? rc : is_one;
}

typedef int reader(ffcl_session *, const ffcl_findings *, const char *);

/* What inspects the file, by its first bytes; what is no file is for the reader of weights to
 * report.  FFCL_EFILE, FFCL_ENOMEM. */
static int find_reader(reader **out, const char *path, int *is_there, ffcl_error *err)
{
    unsigned char head[9] = {0};
    struct stat info;
    *out = ffcl_inspect_weights;
    *is_there = stat(path, &info) == 0;
    if (*is_there ? !S_ISREG(info.st_mode) : errno == ENOENT || errno == ENOTDIR)
        return 0;
    FILE *file = *is_there ? fopen(path, "rb") : NULL;
    const size_t n = file ? fread(head, 1, sizeof head, file) : 0, length = strlen(path);
    const int is_bad = !file || ferror(file), number = errno;
    if (file)
        fclose(file);
    if (is_bad)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: %s", path, strerror(number));
    /* Torch files are zip archives, too, which an npz tells by its name. */
    if (n >= 4 && !memcmp(head, "\x89PNG", 4))
        *out = ffcl_inspect_png;
    else if (n >= 4 && !memcmp(head, "PK\x03\x04", 4) && length > 4 &&
             !strcmp(path + length - 4, ".npz"))
        *out = ffcl_inspect_npz;
    /* Of safetensors the first eight bytes are a length, of which the last are 0. */
    const int index = n == sizeof head && head[0] == '{' && head[7] ? is_index(path, err) : 1;
    if (index == 0)
        *out = ffcl_inspect_manifest;
    return index < 0 ? index : 0;
}

/* Of a folder of images, what it says of itself; *out is the caller's to free, NULL for another
 * path. */
static int find_manifest(char **out, const char *path, ffcl_error *err)
{
    struct stat info;
    *out = NULL;
    if (stat(path, &info) < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? 0 : ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: %s", path,
                                   strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return 0;
    *out = ffcl_path_join(path, "manifest.json");
    if (!*out)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the manifest of %s", path);
    if (stat(*out, &info) == 0)
        return 0;
    if (errno != ENOENT)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", *out, strerror(errno));
    char name[256];
    ffcl_tensor_file_in_folder(path, name, sizeof name);
    if (*name)
        return ffcl_fail(err, FFCL_EFILE, "%s is a folder without manifest.json, so no sample set "
                         "of ffcl; did you mean %s in it?", path, name);
    return ffcl_fail(err, FFCL_EFILE, "%s is a folder without manifest.json, so no sample set of "
                     "ffcl; ffcl eval takes any folder of images", path);
}

/* What was found, as JSON. */
static int print_json(const ffcl_findings *f, const char *path, ffcl_error *err)
{
    char *text = cJSON_Print(f->json);
    if (!text)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for what %s is", path);
    puts(text);
    free(text);
    return 0;
}

static int run_inspect(ffcl_session *s)
{
    ffcl_findings f = {.json = NULL};
    int is_there = 0;
    if (s->n_words != 1)
        return ffcl_bad_usage(s, s->n_words ? "inspect takes one file, and not also"
                                            : "inspect takes one file",
                              s->n_words ? s->words[1] : "");
    if (!strcmp(s->words[0], "-"))
        return ffcl_bad_usage(s, "inspect reads files, and not standard input: name a file", "");
    char *manifest;
    int rc = find_manifest(&manifest, s->words[0], &s->err);
    const char *path = manifest ? manifest : s->words[0];
    const int has_json = ffcl_option_text(s, "json") != NULL;
    if (!rc && has_json && !(f.json = cJSON_CreateObject()))
        rc = ffcl_fail(&s->err, FFCL_ENOMEM, "out of memory for what %s is", path);
    if (!rc && ffcl_option_text(s, "sandbox"))
        rc = ffcl_sandbox(&(ffcl_sandbox_request){.reads = {path}}, &s->err);
    reader *read = NULL;
    if (!rc)
        rc = find_reader(&read, path, &is_there, &s->err);
    if (!rc && read == ffcl_inspect_png && !f.json) {
        f.is_ini = ffcl_inspect_has_ini(path, &s->err);
        rc = f.is_ini < 0 ? f.is_ini : 0;
    }
    if (!rc) {
        if (is_there)
            ffcl_find_text(&f, "file", path);
        rc = read(s, &f, path);
        const char *dot = strrchr(path, '.');
        if (rc == FFCL_EFORMAT && dot && !strcasecmp(dot, ".ini"))
            rc = ffcl_fail(&s->err, rc, "%s is an INI file, which asks for images: ffcl %s "
                           "--dry-run says what it would make", path, path);
    }
    if (!rc && f.json)
        rc = print_json(&f, path, &s->err);
    free(manifest);
    cJSON_Delete(f.json);
    return rc;
}

static const ffcl_option options[] = {
    {"tensors", 't', NULL, "of weights, list every tensor with its shape and type", NULL},
    {"json", 0, NULL, "as JSON, tensors included", NULL},
    FFCL_OPTION_SANDBOX,
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_inspect_command = {
    .name = "inspect", .summary = "say what weights, a PNG, an npz or a sample set are",
    .usage = "inspect FILE\n", .options = options,
    .help = "Of weights: tensors, parameters, the model that ffcl recognises and what must\n"
            "still be set for it, or why it is none. Nothing in the file is run.\n"
            "Of a PNG: its size and, of one that ffcl made with texts ([output] metadata),\n"
            "seed, index, class, guidance, checksums, and the INI file that makes it again:\n"
            "ffcl inspect grid.png > again.ini. Of an npz: its arrays. Of a folder of\n"
            "images, or its manifest.json: settings, runs, and how the last one ended.\n",
    .run = run_inspect,
};
