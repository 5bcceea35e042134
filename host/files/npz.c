/* SPDX-License-Identifier: MIT
 *
 * One stored zip member, as numpy.savez writes it: local header with a zip64 field, data, central
 * directory, zip64 end record and locator, end record (PKWARE APPNOTE 6.3, sections 4.3 and 4.5;
 * NumPy enhancement proposal 1 for the .npy header).  The sizes are known at the start; only the
 * CRC is patched at the end.  zip64 fields are always there, so small and large files take the
 * same path. */
#include "npz.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "../util.h"
#include "atomic.h"

static const char MEMBER[] = "arr_0.npy";

enum {
    NAME = sizeof MEMBER - 1,
    LOCAL_BYTES = 30 + NAME + 20,
    DIRECTORY_BYTES = 46 + NAME + 20,
    END_BYTES = 56 + 20 + 22,
    NPY_MAX = 256,
    VERSION = 45,                   /* needed to extract: zip64 */
    UNIX_HOST = 3,
    DATE_1980 = 1 << 5 | 1          /* 1 January 1980: the same pictures make the same file */
};

#define IN_ZIP64 0xffffffffu        /* "see the zip64 field" */

struct ffcl_npz {
    ffcl_atomic_file file;
    char *path;
    uint64_t expected, written;     /* bytes of the array */
    uint64_t member;                /* bytes of the member: .npy header and array */
    uLong crc;
};

static uint8_t *put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
    return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
    return put16(put16(p, v & 0xffff), v >> 16);
}

static uint8_t *put64(uint8_t *p, uint64_t v)
{
    return put32(put32(p, (uint32_t)v), (uint32_t)(v >> 32));
}

/* The fields that the local header and the directory share: version to extra length. */
static uint8_t *put_common(uint8_t *p, uint32_t crc)
{
    p = put16(p, VERSION);
    p = put16(p, 0);                /* flags */
    p = put16(p, 0);                /* stored */
    p = put16(p, 0);                /* midnight */
    p = put16(p, DATE_1980);
    p = put32(p, crc);
    p = put32(p, IN_ZIP64);
    p = put32(p, IN_ZIP64);
    p = put16(p, NAME);
    return put16(p, 20);
}

/* Name and zip64 field: size and compressed size. */
static uint8_t *put_name_and_sizes(uint8_t *p, uint64_t size)
{
    memcpy(p, MEMBER, NAME);
    p = put16(p + NAME, 1);
    p = put16(p, 16);
    p = put64(p, size);
    return put64(p, size);
}

static void local_header(uint8_t out[LOCAL_BYTES], uint32_t crc, uint64_t size)
{
    uint8_t *p = put32(out, 0x04034b50);
    p = put_common(p, crc);
    put_name_and_sizes(p, size);
}

static void directory(uint8_t out[DIRECTORY_BYTES], uint32_t crc, uint64_t size)
{
    uint8_t *p = put32(out, 0x02014b50);
    p = put16(p, UNIX_HOST << 8 | VERSION);
    p = put_common(p, crc);
    p = put16(p, 0);                /* comment */
    p = put16(p, 0);                /* disk */
    p = put16(p, 0);                /* internal attributes */
    p = put32(p, 0600u << 16);      /* mode, as Python writes it */
    p = put32(p, 0);                /* the local header's offset */
    put_name_and_sizes(p, size);
}

/* start: where the directory begins. */
static void end_records(uint8_t out[END_BYTES], uint64_t start)
{
    uint8_t *p = put32(out, 0x06064b50);        /* zip64 end of central directory */
    p = put64(p, 44);                           /* its bytes after this field */
    p = put16(p, UNIX_HOST << 8 | VERSION);
    p = put16(p, VERSION);
    p = put32(p, 0);
    p = put32(p, 0);
    p = put64(p, 1);
    p = put64(p, 1);
    p = put64(p, DIRECTORY_BYTES);
    p = put64(p, start);
    p = put32(p, 0x07064b50);                   /* zip64 locator */
    p = put32(p, 0);
    p = put64(p, start + DIRECTORY_BYTES);
    p = put32(p, 1);
    p = put32(p, 0x06054b50);                   /* end of central directory */
    p = put16(p, 0);
    p = put16(p, 0);
    p = put16(p, 1);
    p = put16(p, 1);
    p = put32(p, DIRECTORY_BYTES);
    p = put32(p, IN_ZIP64);
    put16(p, 0);
}

/* The .npy header, padded with spaces to a multiple of 64 bytes; returns its length. */
static size_t npy_header(uint8_t out[NPY_MAX], size_t count, size_t height, size_t width)
{
    memset(out, ' ', NPY_MAX);
    memcpy(out, "\x93NUMPY\1\0", 8);
    int n = snprintf((char *)out + 10, NPY_MAX - 10, "{'descr': '|u1', 'fortran_order': False, "
                     "'shape': (%zu, %zu, %zu, 3), }", count, height, width);
    out[10 + n] = ' ';              /* snprintf's terminator */
    size_t total = ffcl_max(128, ffcl_round_up(10 + (size_t)n + 1, 64));
    put16(out + 8, (unsigned)(total - 10));
    out[total - 1] = '\n';
    return total;
}

/* Appends to the member and its CRC. */
static int append(ffcl_npz *npz, const uint8_t *bytes, size_t n, ffcl_error *err)
{
    npz->crc = crc32_z(npz->crc, bytes, n);
    return ffcl_atomic_write(&npz->file, bytes, n, err);
}

int ffcl_npz_open(ffcl_npz **out, const char *path, size_t count, size_t height, size_t width,
                  ffcl_error *err)
{
    *out = NULL;
    int status = 0;
    uint8_t local[LOCAL_BYTES], header[NPY_MAX];
    size_t header_bytes = npy_header(header, count, height, width), bytes = 0;
    if (ffcl_mul(&bytes, count, height) || ffcl_mul(&bytes, bytes, width)
        || ffcl_mul(&bytes, bytes, 3) || bytes > INT64_MAX - 1024)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %zu pictures of %zu x %zu are too "
                         "many for a file", path, count, width, height);
    ffcl_npz *npz = calloc(1, sizeof *npz);
    if (npz)
        npz->path = ffcl_format("%s", path);
    if (!npz || !npz->path) {
        status = ffcl_fail(err, FFCL_ENOMEM, "cannot write %s: out of host memory", path);
        goto out;
    }
    npz->expected = bytes;
    npz->member = header_bytes + npz->expected;
    npz->crc = crc32(0, NULL, 0);
    status = ffcl_atomic_open(&npz->file, path, err);
    if (status)
        goto out;
    status = ffcl_atomic_reserve(&npz->file,
                                 LOCAL_BYTES + npz->member + DIRECTORY_BYTES + END_BYTES, err);
    if (status)
        goto out;
    local_header(local, 0, npz->member);
    status = ffcl_atomic_write(&npz->file, local, sizeof local, err);
    if (!status)
        status = append(npz, header, header_bytes, err);
out:
    if (status)
        ffcl_npz_close(&npz);
    *out = npz;
    return status;
}

int ffcl_npz_append(ffcl_npz *npz, const uint8_t *bytes, size_t n, ffcl_error *err)
{
    if (n > npz->expected - npz->written)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %llu bytes are more than the array "
                         "of %llu holds", npz->path, (unsigned long long)(npz->written + n),
                         (unsigned long long)npz->expected);
    int status = append(npz, bytes, n, err);
    if (!status)
        npz->written += n;
    return status;
}

int ffcl_npz_commit(ffcl_npz *npz, ffcl_error *err)
{
    uint8_t local[LOCAL_BYTES], central[DIRECTORY_BYTES], end[END_BYTES];
    uint32_t crc = (uint32_t)npz->crc;
    if (npz->written != npz->expected)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %llu of the array's %llu bytes came",
                         npz->path, (unsigned long long)npz->written,
                         (unsigned long long)npz->expected);
    directory(central, crc, npz->member);
    end_records(end, LOCAL_BYTES + npz->member);
    local_header(local, crc, npz->member);
    int status = ffcl_atomic_write(&npz->file, central, sizeof central, err);
    if (!status)
        status = ffcl_atomic_write(&npz->file, end, sizeof end, err);
    if (!status)
        status = ffcl_atomic_seek(&npz->file, 0, err);
    if (!status)
        status = ffcl_atomic_write(&npz->file, local, sizeof local, err);
    return status ? status : ffcl_atomic_commit(&npz->file, err);
}

void ffcl_npz_close(ffcl_npz **npz)
{
    if (!*npz)
        return;
    ffcl_atomic_discard(&(*npz)->file);
    free((*npz)->path);
    free(*npz);
    *npz = NULL;
}
