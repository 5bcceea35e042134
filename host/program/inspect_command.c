/* SPDX-License-Identifier: MIT
 * ffcl inspect: what a file is. */
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

static void print_line(const ffcl_findings *f, const char *name, const char *text)
{
    char *copy = ffcl_format("%s", text);
    if (copy)
        ffcl_text_clean(copy, 0);
    printf("%s%-12s %s\n", f->is_ini ? "; " : "", name, copy ? copy : "");
    free(copy);
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
static int is_index(const char *path)
{
    ffcl_shards shards;
    const int rc = ffcl_shards_read(&shards, path, NULL);
    const int is_one = rc != 0 || shards.n > 0;
    ffcl_shards_close(&shards);
    return is_one;
}

/* What inspects the file, by its first bytes. */
static int (*reader_of(const char *path))(ffcl_session *, const ffcl_findings *, const char *)
{
    unsigned char head[9] = {0};
    struct stat info;
    FILE *file = stat(path, &info) == 0 && S_ISREG(info.st_mode) ? fopen(path, "rb") : NULL;
    const size_t n = file ? fread(head, 1, sizeof head, file) : 0, length = strlen(path);
    if (file)
        fclose(file);
    if (n >= 4 && !memcmp(head, "\x89PNG", 4))
        return ffcl_inspect_png;
    /* Torch files are zip archives, too, which an npz tells by its name. */
    if (n >= 4 && !memcmp(head, "PK\x03\x04", 4) && length > 4 &&
        !strcmp(path + length - 4, ".npz"))
        return ffcl_inspect_npz;
    /* Of safetensors the first eight bytes are a length, of which the last are 0. */
    return n == sizeof head && head[0] == '{' && head[7] && !is_index(path)
               ? ffcl_inspect_manifest : ffcl_inspect_weights;
}

static int run_inspect(ffcl_session *s)
{
    ffcl_findings f = {.json = NULL};
    struct stat info;
    if (s->n_words != 1)
        return ffcl_bad_usage(s, s->n_words ? "inspect takes one file, and not also"
                                            : "inspect takes one file",
                              s->n_words ? s->words[1] : "");
    /* Of a folder of images, what it says of itself. */
    char *manifest = NULL;
    const char *path = s->words[0];
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        manifest = ffcl_path_join(path, "manifest.json");
        if (manifest && stat(manifest, &info) < 0) {
            char name[256];
            free(manifest);
            ffcl_tensor_file_in_folder(path, name, sizeof name);
            if (*name)
                return ffcl_fail(&s->err, FFCL_EFILE, "%s is a folder without manifest.json, so no "
                                 "sample set of ffcl; did you mean %s in it?", path, name);
            return ffcl_fail(&s->err, FFCL_EFILE, "%s is a folder without manifest.json, so no "
                             "sample set of ffcl; ffcl eval takes any folder of images", path);
        }
        path = manifest ? manifest : path;
    }
    if (ffcl_option_text(s, "json"))
        f.json = cJSON_CreateObject();
    int rc = ffcl_option_text(s, "sandbox")
                 ? ffcl_sandbox(&(ffcl_sandbox_request){.reads = {path}}, &s->err) : 0;
    int (*read)(ffcl_session *, const ffcl_findings *, const char *) = rc ? NULL : reader_of(path);
    f.is_ini = read == ffcl_inspect_png && !f.json && ffcl_inspect_has_ini(path);
    if (read) {
        if (stat(path, &info) == 0)
            ffcl_find_text(&f, "file", path);
        rc = read(s, &f, path);
        const char *dot = strrchr(path, '.');
        if (rc == FFCL_EFORMAT && dot && !strcasecmp(dot, ".ini"))
            rc = ffcl_fail(&s->err, rc, "%s is an INI file, which asks for images: ffcl %s "
                           "--dry-run says what it would make", path, path);
    }
    char *text = f.json && !rc ? cJSON_Print(f.json) : NULL;
    if (text)
        puts(text);
    free(text);
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
