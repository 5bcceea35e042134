/* SPDX-License-Identifier: MIT
 * Tensors where they lie in the file, mapped into memory.  libzip does not tell where a member's
 * bytes begin, so the archive's directory is read here; what looks unusual is not mapped. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <zlib.h>

#include "tensorfile_impl.h"

/* Of the zip format: records' signatures and lengths without their texts. */
enum {
    END = 0x06054b50, END64 = 0x06064b50, LOCATOR64 = 0x07064b50, ENTRY = 0x02014b50,
    LOCAL = 0x04034b50, END_BYTES = 22, END64_BYTES = 56, LOCATOR64_BYTES = 20, ENTRY_BYTES = 46,
    LOCAL_BYTES = 30, ZIP64_FIELD = 1
};

/* A little-endian number of n bytes. */
static uint64_t number(const unsigned char *p, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | p[n];
    return v;
}

/* The record of `bytes` at an offset, or NULL where it is none or not within the file. */
static const unsigned char *record(const ffcl_tensor_file *f, uint64_t at, size_t bytes,
                                   uint64_t signature)
{
    if (at > f->size || f->size - at < bytes)
        return NULL;
    const unsigned char *p = f->map + at;
    return number(p, 4) == signature ? p : NULL;
}

/* Where the directory begins, and how many entries it has; torch writes no comment after it. */
static int find_directory(const ffcl_tensor_file *f, uint64_t *at, uint64_t *entries)
{
    const unsigned char *end =
        f->size < END_BYTES ? NULL : record(f, f->size - END_BYTES, END_BYTES, END);
    if (!end)
        return 0;
    *entries = number(end + 10, 2);
    *at = number(end + 16, 4);
    const unsigned char *locator =
        f->size < END_BYTES + LOCATOR64_BYTES
            ? NULL
            : record(f, f->size - END_BYTES - LOCATOR64_BYTES, LOCATOR64_BYTES, LOCATOR64);
    if (locator) {
        const unsigned char *end64 = record(f, number(locator + 8, 8), END64_BYTES, END64);
        if (!end64)
            return 0;
        *entries = number(end64 + 32, 8);
        *at = number(end64 + 48, 8);
    }
    return 1;
}

/* The offset of an entry's local header, which may be in the extra field of the directory. */
static int local_offset(const unsigned char *entry, uint64_t *at)
{
    const unsigned char *extra = entry + ENTRY_BYTES + number(entry + 28, 2);
    const unsigned char *end = extra + number(entry + 30, 2);
    *at = number(entry + 42, 4);
    if (*at != 0xffffffff)
        return 1;
    for (; end - extra >= 4; extra += 4 + number(extra + 2, 2)) {
        /* The 64-bit numbers of which the entry has no room: length, stored length, offset. */
        size_t skip = (number(entry + 24, 4) == 0xffffffff ? 8 : 0) +
                      (number(entry + 20, 4) == 0xffffffff ? 8 : 0);
        if (number(extra, 2) != ZIP64_FIELD)
            continue;
        if ((size_t)(end - extra) < 4 + skip + 8)
            return 0;
        *at = number(extra + 4 + skip, 8);
        return 1;
    }
    return 0;
}

/* Where the bytes of stored member `index` begin. */
static int find_member(const ffcl_tensor_file *f, uint64_t index, uint64_t *begin)
{
    uint64_t at, entries, local;
    if (!find_directory(f, &at, &entries) || index >= entries)
        return 0;
    const unsigned char *entry = NULL;
    for (uint64_t i = 0; i <= index; i++) {
        entry = record(f, at, ENTRY_BYTES, ENTRY);
        size_t more = entry ? (size_t)(number(entry + 28, 2) + number(entry + 30, 2) +
                                       number(entry + 32, 2)) : 0;
        if (!entry || f->size - at - ENTRY_BYTES < more)
            return 0;
        at += ENTRY_BYTES + more;
    }
    if (number(entry + 10, 2) != 0 || !local_offset(entry, &local))
        return 0;
    const unsigned char *header = record(f, local, LOCAL_BYTES, LOCAL);
    if (!header)
        return 0;
    *begin = local + LOCAL_BYTES + number(header + 26, 2) + number(header + 28, 2);
    return 1;
}

static int map_file(ffcl_tensor_file *f)
{
    if (f->map)
        return 1;
    void *map = mmap(NULL, f->size, PROT_READ, MAP_SHARED, f->fd, 0);
    if (map == MAP_FAILED)
        return 0;
    /* Read ahead while what is needed first is computed with. */
    madvise(map, f->size, MADV_WILLNEED);
    f->map = map;
    return 1;
}

/* The member at `begin`, all of it, against the archive's checksum, where it has one. */
static int check_member(ffcl_tensor_file *f, const ffcl_tensor_entry *e, uint64_t begin,
                        ffcl_error *err)
{
    uint64_t bytes = 0;
    uint32_t crc = 0;
    f->subject = e->name;
    int rc = ffcl_torchfile_checksum(f, e->place.member, &bytes, &crc, err);
    if (rc || crc == 0)
        return rc;
    if (bytes > f->size - begin || crc32_z(0, f->map + begin, (size_t)bytes) != crc)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: the checksum of %s is wrong", f->path,
                         e->name);
    return 0;
}

/* Where the tensor begins in a file that has no shards, and the member of the archive that it is
 * in; 0: it cannot be used where it lies. */
static int find_place(ffcl_tensor_file *f, const ffcl_tensor_info *info, uint64_t *begin,
                      uint64_t *member)
{
    const ffcl_tensor_entry *e = (const ffcl_tensor_entry *)info;
    const uint16_t one = 1;
    *member = 0;
    /* Files are little-endian. */
    if (*(const unsigned char *)&one != 1 || info->unread || info->dtype != FFCL_F32 ||
        !e->place.contiguous || !map_file(f))
        return 0;
    if (f->zip.archive && !find_member(f, e->place.member, member))
        return 0;
    *begin = *member + e->place.begin;
    const uint64_t bytes = (uint64_t)info->count * sizeof(float);
    return *begin % sizeof(float) == 0 && *begin <= f->size && f->size - *begin >= bytes;
}

int ffcl_tensor_file_can_map(ffcl_tensor_file *f, const ffcl_tensor_info *info)
{
    uint64_t begin, member;
    if (f->n_parts)
        return !info->unread && ffcl_shardfile_can_map(f, info);
    return find_place(f, info, &begin, &member);
}

int ffcl_tensor_file_map(const float **out, ffcl_tensor_file *f, const ffcl_tensor_info *info,
                         ffcl_error *err)
{
    uint64_t begin, member;
    *out = NULL;
    if (f->n_parts)
        return info->unread ? 0 : ffcl_shardfile_map(out, f, info, err);
    if (!find_place(f, info, &begin, &member))
        return 0;
    int rc = f->zip.archive ? check_member(f, (const ffcl_tensor_entry *)info, member, err) : 0;
    if (rc == 0)
        *out = (const float *)(const void *)(f->map + begin);
    return rc;
}

void ffcl_tensor_file_unmap(ffcl_tensor_file *f)
{
    if (f->map)
        munmap((void *)(uintptr_t)f->map, f->size);
    f->map = NULL;
}
