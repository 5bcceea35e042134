/* SPDX-License-Identifier: MIT
 * safetensors: a u64 header length, a JSON header {name: {dtype, shape, data_offsets}}, data. */
#include "tensorfile_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../util.h"
#include "json.h"

enum {
    MAX_HEADER = 100000000,     /* bytes, the limit of the reference implementation */
    MAX_NODES = 4000000         /* JSON values; each costs 64 bytes once parsed */
};

/* n bytes from byte at of the file; the member is not used. */
int ffcl_tensor_file_read_plain(ffcl_tensor_file *file, uint64_t member, uint64_t at, size_t n,
                                void *dst, ffcl_error *err)
{
    (void)member;
    for (size_t done = 0; done < n;) {
        ssize_t got = pread(file->fd, (char *)dst + done, n - done, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", file->path,
                             strerror(errno));
        if (got == 0)
            return ffcl_fail(err, FFCL_EFORMAT, "%s became shorter while it was read",
                             file->path);
        done += (size_t)got;
    }
    return 0;
}

/* A JSON number as a whole number below 2^53, where doubles are exact. */
static bool whole_number(const cJSON *json, uint64_t *out)
{
    if (!cJSON_IsNumber(json) || !(json->valuedouble >= 0 && json->valuedouble <= 0x1p53))
        return false;
    *out = (uint64_t)json->valuedouble;
    return (double)*out == json->valuedouble;
}

/* Up to max whole numbers of a JSON array; their count, or -1. */
static int number_list(const cJSON *json, size_t *out, int max)
{
    int n = 0;
    const cJSON *item;
    if (!cJSON_IsArray(json))
        return -1;
    cJSON_ArrayForEach(item, json) {
        uint64_t value;
        if (n == max || !whole_number(item, &value))
            return -1;
        out[n++] = (size_t)value;
    }
    return n;
}

static int find_dtype(const char *name)
{
    for (int i = 0; i < FFCL_DTYPE_COUNT; i++)
        if (strcmp(name, ffcl_dtype_names[i].safetensors) == 0)
            return i;
    return -1;
}

/* The values of dtype, shape and data_offsets of one header entry, and in field[3] one of another
 * key, which may say that the numbers are to be read in another way. */
static int find_fields(const ffcl_tensor_file *file, const char *label, const cJSON *json,
                       const cJSON *field[4], ffcl_error *err)
{
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    const cJSON *item;
    if (!cJSON_IsObject(json))
        return ffcl_fail(err, FFCL_EFORMAT, "%s: the header entry of tensor %s is not an object",
                         file->path, label);
    cJSON_ArrayForEach(item, json) {
        int i = 0;
        while (i < 3 && strcmp(item->string, keys[i]) != 0)
            i++;
        if (i < 3 && field[i])
            return ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s has the key %s twice", file->path,
                             label, keys[i]);
        field[i] = item;
    }
    for (int i = 0; i < 3; i++)
        if (!field[i])
            return ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s lacks the key %s", file->path,
                             label, keys[i]);
    return 0;
}

/* One header entry; base is the file position of the data. */
static int add_tensor(ffcl_tensor_file *file, const cJSON *json, uint64_t base, ffcl_error *err)
{
    const cJSON *field[4] = {NULL};
    char label[128], type[32], unread[96];
    ffcl_tensor_file_label(label, sizeof label, json->string, strlen(json->string));
    int rc = find_fields(file, label, json, field, err);
    if (rc)
        return rc;
    const char *name = cJSON_IsString(field[0]) ? field[0]->valuestring : "(no string)";
    int dtype = find_dtype(name);
    size_t shape[FFCL_MAX_RANK], span[2];
    int rank = number_list(field[1], shape, FFCL_MAX_RANK);
    if (rank < 0)
        return ffcl_fail(err, FFCL_EFORMAT,
                         "%s: the shape of tensor %s is not a list of up to %d whole numbers",
                         file->path, label, FFCL_MAX_RANK);
    if (number_list(field[2], span, 2) != 2 || span[0] > span[1])
        return ffcl_fail(err, FFCL_EFORMAT, "%s: data_offsets of tensor %s are not [begin, end]",
                         file->path, label);
    /* Of a type that is not read, it may still be one that nobody needs. */
    snprintf(unread, sizeof unread, "of type %s",
             ffcl_tensor_file_label(type, sizeof type, name, strlen(name)));
    if (dtype >= 0 && field[3])
        snprintf(unread, sizeof unread, "described by an unknown key, %s",
                 ffcl_tensor_file_label(type, sizeof type, field[3]->string,
                                        strlen(field[3]->string)));
    ffcl_tensor_entry *e;
    rc = ffcl_tensor_file_add(file, &e, &(ffcl_tensor_header){
        .name = json->string, .length = strlen(json->string),
        .dtype = dtype < 0 ? FFCL_U8 : (ffcl_dtype)dtype, .rank = rank, .shape = shape,
        .unread = dtype < 0 || field[3] ? unread : NULL}, err);
    if (rc)
        return rc;
    e->place.bytes = span[1] - span[0];
    size_t bytes = e->info.unread ? e->place.bytes : e->info.count * ffcl_dtype_names[dtype].size;
    if (e->place.bytes != bytes)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s has %zu bytes of data where its shape "
                         "and type need %zu", file->path, e->name, span[1] - span[0], bytes);
    e->place.begin = base + span[0];
    return 0;
}

static int add_notes(ffcl_tensor_file *file, const cJSON *json, ffcl_error *err)
{
    size_t n = (size_t)cJSON_GetArraySize(json);
    if (file->notes || !cJSON_IsObject(json))
        return ffcl_fail(err, FFCL_EFORMAT, "%s: __metadata__ is %s", file->path,
                         file->notes ? "there twice" : "not an object");
    file->notes = calloc(n + 1, sizeof *file->notes);
    if (!file->notes)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the header of %s", file->path);
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        if (!cJSON_IsString(item))
            return ffcl_fail(err, FFCL_EFORMAT, "%s: a value in __metadata__ is not a string",
                             file->path);
        ffcl_tensor_note *note = &file->notes[file->note_count++];
        note->key = ffcl_format("%s", item->string);
        note->value = ffcl_format("%s", item->valuestring);
        if (!note->key || !note->value)
            return ffcl_fail(err, FFCL_ENOMEM, "no memory for the header of %s", file->path);
    }
    return 0;
}

static int by_position(const void *a, const void *b)
{
    const ffcl_tensor_entry *x = a, *y = b;
    if (x->place.begin != y->place.begin)
        return x->place.begin < y->place.begin ? -1 : 1;
    return (x->place.bytes > y->place.bytes) - (x->place.bytes < y->place.bytes);
}

/* Puts the tensors in the order of their data, which must fill the rest of the file exactly. */
static int check_layout(ffcl_tensor_file *file, uint64_t base, ffcl_error *err)
{
    uint64_t end = base;
    if (file->count)
        qsort(file->entries, file->count, sizeof *file->entries, by_position);
    for (size_t i = 0; i < file->count; i++) {
        const ffcl_tensor_entry *e = &file->entries[i];
        if (e->place.begin != end)
            return ffcl_fail(err, FFCL_EFORMAT, "%s: the data of tensor %s %s", file->path, e->name,
                             e->place.begin < end ? "overlaps that of another tensor"
                                                  : "begins after a hole");
        end += e->place.bytes;
    }
    if (end > file->size)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is cut short: it has %llu bytes, its header "
                         "needs %llu (an interrupted download?)", file->path,
                         (unsigned long long)file->size, (unsigned long long)end);
    if (end < file->size)
        return ffcl_fail(err, FFCL_EFORMAT, "%s has %llu bytes after its last tensor", file->path,
                         (unsigned long long)(file->size - end));
    return 0;
}

/* The header's text into *out (new, terminated), its length into *length. */
static int read_header(ffcl_tensor_file *file, char **out, uint64_t *length, ffcl_error *err)
{
    int rc = ffcl_tensor_file_read_plain(file, 0, 0, sizeof *length, length, err);
    if (rc)
        return rc;
    if (*length > MAX_HEADER)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: a safetensors header of %llu bytes is beyond "
                         "reason, so the file is damaged", file->path,
                         (unsigned long long)*length);
    if (*length > file->size - sizeof *length)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is cut short: it has %llu bytes, its header alone "
                         "%llu (an interrupted download?)", file->path,
                         (unsigned long long)file->size, (unsigned long long)*length);
    *out = malloc((size_t)*length + 1);
    if (!*out)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the header of %s", file->path);
    rc = ffcl_tensor_file_read_plain(file, 0, sizeof *length, (size_t)*length, *out, err);
    (*out)[*length] = '\0';
    size_t nodes = 0;       /* an upper bound: separators inside strings count too */
    for (size_t i = 0; !rc && i < *length; i++)
        nodes += (*out)[i] == ',' || (*out)[i] == '{' || (*out)[i] == '[';
    if (!rc && nodes > MAX_NODES)
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s: a safetensors header of %zu values is beyond "
                       "reason", file->path, nodes);
    return rc;
}

int ffcl_safetensors_open(ffcl_tensor_file *file, ffcl_error *err)
{
    char *text = NULL;
    cJSON *header = NULL;
    uint64_t length = 0;
    size_t at = 0;
    file->read = ffcl_tensor_file_read_plain;
    int rc = read_header(file, &text, &length, err);
    if (rc)
        goto out;
    rc = ffcl_json_parse(&header, text, (size_t)length, &at, file->path, err);
    if (rc == FFCL_EFORMAT)
        ffcl_fail(err, rc, "%s: the safetensors header is not valid JSON, or has a zero character "
                  "(near byte %zu)", file->path, 8 + at);
    if (rc)
        goto out;
    const cJSON *item;
    cJSON_ArrayForEach(item, header) {
        bool notes = strcmp(item->string, "__metadata__") == 0;
        rc = notes ? add_notes(file, item, err) : add_tensor(file, item, 8 + length, err);
        if (rc)
            goto out;
    }
    rc = check_layout(file, 8 + length, err);
out:
    cJSON_Delete(header);
    free(text);
    return rc;
}
