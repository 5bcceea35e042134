/* SPDX-License-Identifier: MIT */
#include "shards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../text.h"
#include "../util.h"
#include "input.h"
#include "json.h"
#include "tensorfile_impl.h"

enum {
    MOST_BYTES = 64 << 20,      /* of an index; real ones have under 1 MB */
    MOST_SHARDS = 128           /* each is an open file in every thread that reads */
};

/* May the index name this file?  Only one of its own folder. */
static int is_plain(const char *name)
{
    return *name && strlen(name) < 256 && !strchr(name, '/') && strcmp(name, ".") &&
           strcmp(name, "..") && ffcl_text_is_clean(name, strlen(name));
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ffcl_shard_entry *)a)->name, ((const ffcl_shard_entry *)b)->name);
}

static int no_memory(const char *path, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_ENOMEM, "no memory for the index %s", path);
}

/* The names of the files, each once, into out->paths. */
static int list_files(ffcl_shards *out, const cJSON *map, const char *path, ffcl_error *err)
{
    const size_t n = (size_t)cJSON_GetArraySize(map);
    char **names = malloc((n + 1) * sizeof *names);
    const cJSON *item;
    size_t used = 0, unique = 0;
    int rc = names ? 0 : no_memory(path, err);
    cJSON_ArrayForEach(item, map) {
        if (rc)
            break;
        if (!cJSON_IsString(item) || !is_plain(item->valuestring))
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s: its weight_map does not name a file of its own "
                           "folder for each tensor", path);
        else
            names[used++] = item->valuestring;
    }
    if (!rc && used)
        qsort(names, used, sizeof *names, by_text);
    for (size_t i = 0; !rc && i < used; i++)
        if (!unique || strcmp(names[unique - 1], names[i]) != 0)
            names[unique++] = names[i];
    if (!rc && (unique == 0 || unique > MOST_SHARDS))
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s names %zu files of weights, where 1 to %d are read",
                       path, unique, MOST_SHARDS);
    char *folder = rc ? NULL : ffcl_path_dir(path);
    out->paths = rc ? NULL : calloc(unique, sizeof *out->paths);
    if (!rc && (!folder || !out->paths))
        rc = no_memory(path, err);
    for (; !rc && out->n < unique; out->n++)
        if (!(out->paths[out->n] = ffcl_path_join(folder, names[out->n])))
            rc = no_memory(path, err);
    free(folder);
    free(names);
    return rc;
}

/* Which of s->paths has that name, which one of them has. */
static size_t find_shard(const ffcl_shards *s, const char *name)
{
    size_t i = 0;
    for (; i + 1 < s->n; i++) {
        const char *slash = strrchr(s->paths[i], '/');
        if (strcmp(slash ? slash + 1 : s->paths[i], name) == 0)
            break;
    }
    return i;
}

static int list_tensors(ffcl_shards *out, const cJSON *map, const char *path, ffcl_error *err)
{
    const cJSON *item;
    int rc = 0;
    out->entries = calloc((size_t)cJSON_GetArraySize(map) + 1, sizeof *out->entries);
    if (!out->entries)
        return no_memory(path, err);
    size_t shard = 0;
    const char *last = "";
    cJSON_ArrayForEach(item, map) {
        if (rc)
            break;
        if (strcmp(last, item->valuestring) != 0)       /* neighbours are mostly in one file */
            shard = find_shard(out, item->valuestring);
        last = item->valuestring;
        ffcl_shard_entry *e = &out->entries[out->n_entries];
        e->shard = shard;
        rc = ffcl_tensor_file_name(path, &e->name, item->string, strlen(item->string), err);
        out->n_entries += rc == 0;
    }
    if (!rc)
        qsort(out->entries, out->n_entries, sizeof *out->entries, by_name);
    for (size_t i = 1; !rc && i < out->n_entries; i++)
        if (strcmp(out->entries[i - 1].name, out->entries[i].name) == 0)
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s names tensor %s twice (prefixes module. and "
                           "_orig_mod. removed)", path, out->entries[i].name);
    return rc;
}

/* metadata.total_size, where there is one. */
static int find_total(ffcl_shards *out, const cJSON *index, const char *path, ffcl_error *err)
{
    const cJSON *notes = cJSON_GetObjectItemCaseSensitive(index, "metadata");
    const cJSON *total = cJSON_GetObjectItemCaseSensitive(notes, "total_size");
    out->total = UINT64_MAX;
    if (!total)
        return 0;
    if (!cJSON_IsNumber(total) || !(total->valuedouble >= 0 && total->valuedouble <= 0x1p53))
        return ffcl_fail(err, FFCL_EFORMAT, "%s: its total_size is no number of bytes", path);
    out->total = (uint64_t)total->valuedouble;
    return 0;
}

int ffcl_shards_read(ffcl_shards *out, const char *path, ffcl_error *err)
{
    char *text = NULL;
    size_t n = 0;
    cJSON *index = NULL;
    memset(out, 0, sizeof *out);
    int fd = -1, is_text = 0;
    uint64_t bytes = 0;
    char first = 0;
    int rc = ffcl_input_open(&fd, &bytes, path, err);
    if (rc)
        return rc;
    is_text = pread(fd, &first, 1, 0) == 1 && first == '{' && bytes <= MOST_BYTES;
    close(fd);
    if (!is_text)                   /* weights */
        return 0;
    rc = ffcl_input_read(&text, &n, path, MOST_BYTES, err);
    if (rc)
        return rc;
    rc = ffcl_json_parse(&index, text, n, NULL, path, err);
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(index, "weight_map");
    if (rc == FFCL_EFORMAT)
        rc = 0;                     /* some other text: there is no index */
    if (cJSON_IsObject(map) && ffcl_json_times(index, "weight_map") == 1) {
        rc = list_files(out, map, path, err);
        if (!rc)
            rc = list_tensors(out, map, path, err);
        if (!rc)
            rc = find_total(out, index, path, err);
    }
    if (rc)
        ffcl_shards_close(out);
    cJSON_Delete(index);
    free(text);
    return rc;
}

void ffcl_shards_close(ffcl_shards *shards)
{
    for (size_t i = 0; i < shards->n; i++)
        free(shards->paths[i]);
    for (size_t i = 0; i < shards->n_entries; i++)
        free(shards->entries[i].name);
    free(shards->paths);
    free(shards->entries);
    memset(shards, 0, sizeof *shards);
}
