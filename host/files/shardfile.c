/* SPDX-License-Identifier: MIT
 * Sharded weights as one file: its tensors are those of the files that its index names. */
#include <stdlib.h>
#include <string.h>

#include "../util.h"
#include "shards.h"
#include "tensorfile_impl.h"

enum { SHARD_BIT = 32 };        /* a place's member: shard << SHARD_BIT | member of the shard */

static int read_shard(ffcl_tensor_file *file, uint64_t member, uint64_t at, size_t n, void *dst,
                      ffcl_error *err)
{
    ffcl_tensor_file *shard = file->parts[member >> SHARD_BIT];
    shard->subject = file->subject;
    return shard->read(shard, member & (((uint64_t)1 << SHARD_BIT) - 1), at, n, dst, err);
}

/* Shards that are not there are reported together. */
static int check_presence(const ffcl_tensor_file *file, const ffcl_shards *s, ffcl_error *err)
{
    char list[1024] = "";
    size_t missing = 0, used = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (!ffcl_input_is_absent(s->paths[i]))
            continue;
        missing++;
        if (used + strlen(s->paths[i]) + 3 < sizeof list) {
            strcat(strcat(list + used, used ? ", " : ""), s->paths[i]);
            used += strlen(list + used);
        }
    }
    return missing ? ffcl_fail(err, FFCL_EFILE, "%s names %zu files, of which %zu are missing: %s "
                               "(they belong into the same folder)", file->path, s->n, missing,
                               list) : 0;
}

/* Is each tensor in the shard that the index says, and in no other, and nothing else there? */
static int check_names(const ffcl_tensor_file *file, const ffcl_shards *s, ffcl_error *err)
{
    static const char remedy[] = "index and files are not of one checkpoint";
    for (size_t i = 0; i < s->n_entries; i++)
        if (!ffcl_tensor_file_find(file->parts[s->entries[i].shard], s->entries[i].name))
            return ffcl_fail(err, FFCL_EFORMAT, "%s puts tensor %s into %s, which does not have "
                             "it: %s", file->path, s->entries[i].name,
                             s->paths[s->entries[i].shard], remedy);
    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < file->parts[i]->count; k++) {
            const char *name = file->parts[i]->entries[k].name;
            size_t low = 0, high = s->n_entries;
            while (low < high) {
                const size_t middle = low + (high - low) / 2;
                if (strcmp(s->entries[middle].name, name) < 0)
                    low = middle + 1;
                else
                    high = middle;
            }
            if (low == s->n_entries || strcmp(s->entries[low].name, name) != 0 ||
                s->entries[low].shard != i)
                return ffcl_fail(err, FFCL_EFORMAT, "%s does not put tensor %s into %s, which has "
                                 "it: %s", file->path, name, s->paths[i], remedy);
        }
    return 0;
}

/* Tensors of torch files share storage, which total_size counts once, so that only safetensors are
 * compared. */
static int check_total(const ffcl_tensor_file *file, const ffcl_shards *s, ffcl_error *err)
{
    uint64_t total = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (file->parts[i]->zip.archive)
            return 0;
        for (size_t k = 0; k < file->parts[i]->count; k++)
            total += file->parts[i]->entries[k].place.bytes;
    }
    if (s->total == UINT64_MAX || s->total == total)
        return 0;
    return ffcl_fail(err, FFCL_EFORMAT, "%s says that the tensors have %llu bytes, and those of "
                     "its %zu files have %llu: index and files are not of one checkpoint",
                     file->path, (unsigned long long)s->total, s->n, (unsigned long long)total);
}

/* The shard's tensors become those of the whole. */
static int adopt(ffcl_tensor_file *file, size_t shard, ffcl_error *err)
{
    const ffcl_tensor_file *part = file->parts[shard];
    for (size_t i = 0; i < part->count; i++) {
        const ffcl_tensor_entry *from = &part->entries[i];
        ffcl_tensor_entry *e = NULL;
        int rc = ffcl_tensor_file_add(file, &e, &(ffcl_tensor_header){
            .name = from->name, .length = strlen(from->name), .dtype = from->info.dtype,
            .rank = from->info.rank, .shape = from->info.shape, .stride = from->place.stride,
            .unread = from->unread, .is_object = from->info.is_object}, err);
        if (rc)
            return rc;
        e->place.member = (uint64_t)shard << SHARD_BIT | from->place.member;
        e->place.begin = from->place.begin;
        e->place.bytes = from->place.bytes;
    }
    if (!file->foreign && part->foreign && !(file->foreign = ffcl_format("%s", part->foreign)))
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensors of %s", file->path);
    return 0;
}

int ffcl_shardfile_open(ffcl_tensor_file *file, ffcl_error *err)
{
    ffcl_shards s;
    int rc = ffcl_shards_read(&s, file->path, err);
    if (rc || s.n == 0)
        return rc;
    file->read = read_shard;
    rc = check_presence(file, &s, err);
    file->parts = rc ? NULL : calloc(s.n, sizeof(ffcl_tensor_file *));
    if (!rc && !file->parts)
        rc = ffcl_fail(err, FFCL_ENOMEM, "no memory for the files of %s", file->path);
    for (; !rc && file->n_parts < s.n; file->n_parts += rc == 0)
        rc = ffcl_tensor_file_open_part(&file->parts[file->n_parts], s.paths[file->n_parts],
                                        file, err);
    if (!rc)
        rc = check_names(file, &s, err);
    if (!rc)
        rc = check_total(file, &s, err);
    for (size_t i = 0; !rc && i < s.n; i++)
        rc = adopt(file, i, err);
    ffcl_shards_close(&s);
    return rc;
}

int ffcl_shardfile_can_map(ffcl_tensor_file *file, const ffcl_tensor_info *info)
{
    const ffcl_tensor_entry *e = (const ffcl_tensor_entry *)info;
    ffcl_tensor_file *shard = file->parts[e->place.member >> SHARD_BIT];
    return ffcl_tensor_file_can_map(shard, ffcl_tensor_file_find(shard, info->name));
}

int ffcl_shardfile_map(const float **out, ffcl_tensor_file *file, const ffcl_tensor_info *info,
                       ffcl_error *err)
{
    const ffcl_tensor_entry *e = (const ffcl_tensor_entry *)info;
    ffcl_tensor_file *shard = file->parts[e->place.member >> SHARD_BIT];
    return ffcl_tensor_file_map(out, shard, ffcl_tensor_file_find(shard, info->name), err);
}
