/* SPDX-License-Identifier: MIT
 *
 * One stored zip member, or two, as numpy.savez writes them: local header with a zip64 field, data,
 * then the next member's, central directory, zip64 end record and locator, end record (PKWARE
 * APPNOTE 6.3, sections 4.3 and 4.5; NumPy enhancement proposal 1 for the .npy header).  The sizes
 * are known at the start; the CRC follows from those of the images, in order (zlib's
 * crc32_combine).  zip64 fields are always there, so small and large files take the same path.
 * What follows the images, the tail, is made in memory. */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64    /* 50,000 images of 256 x 256 have 10 GB */
#endif

#include "npz.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "../util.h"
#include "atomic.h"
#include "flusher.h"
#include "lock.h"

static const char IMAGES[] = "arr_0.npy", LABELS[] = "arr_1.npy";

enum {
    NAME = sizeof IMAGES - 1,
    LOCAL_BYTES = 30 + NAME + 20,
    DIRECTORY_BYTES = 46 + NAME + 20,       /* of the first member; one that lies behind has */
    PLACE_BYTES = 8,                        /* its place as well */
    END_BYTES = 56 + 20 + 22,
    NPY_MAX = 256,
    VERSION = 45,                   /* needed to extract: zip64 */
    UNIX_HOST = 3,
    DATE_1980 = 1 << 5 | 1          /* 1 January 1980: the same images make the same file */
};

#define IN_ZIP64 0xffffffffu        /* "see the zip64 field" */

/* The file of CRCs: a head, then a record an image. */
static const char JOURNAL_MAGIC[8] = "FFCLCRC1";
enum { JOURNAL_HEAD = 32, JOURNAL_RECORD = 8 };

struct ffcl_npz {
    char *path, *target;            /* as given; what a link there points to */
    char *part, *journal;           /* the files beside the target */
    int part_fd, journal_fd;        /* part_fd: the target's where it is whole */
    size_t count, height, width, image;   /* image: bytes of one */
    uint8_t header[NPY_MAX];
    size_t header_bytes;
    uint64_t member;                /* bytes of the member: .npy header and array */
    int64_t *labels;                /* (count) arr_1, or NULL */
    uint32_t *crcs;                 /* (count) */
    uint8_t *has;                   /* (count) 1: in the file; 2: black for now */
    ffcl_flusher *flusher;          /* of the part */
    int is_whole;
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
static uint8_t *put_common(uint8_t *p, uint32_t crc, unsigned extra)
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
    return put16(p, extra + 4);
}

/* Name and the head of the zip64 field, with size and compressed size. */
static uint8_t *put_name_and_sizes(uint8_t *p, const char *name, uint64_t size, unsigned extra)
{
    memcpy(p, name, NAME);
    p = put16(p + NAME, 1);
    p = put16(p, extra);
    p = put64(p, size);
    return put64(p, size);
}

static uint8_t *local_header(uint8_t *out, const char *name, uint32_t crc, uint64_t size)
{
    uint8_t *p = put32(out, 0x04034b50);
    p = put_common(p, crc, 16);
    return put_name_and_sizes(p, name, size, 16);
}

/* at: the place of the local header. */
static uint8_t *directory(uint8_t *out, const char *name, uint32_t crc, uint64_t size, uint64_t at)
{
    const unsigned extra = at ? 16 + PLACE_BYTES : 16;
    uint8_t *p = put32(out, 0x02014b50);
    p = put16(p, UNIX_HOST << 8 | VERSION);
    p = put_common(p, crc, extra);
    p = put16(p, 0);                /* comment */
    p = put16(p, 0);                /* disk */
    p = put16(p, 0);                /* internal attributes */
    p = put32(p, 0600u << 16);      /* mode, as Python writes it */
    p = put32(p, at ? IN_ZIP64 : 0);
    p = put_name_and_sizes(p, name, size, extra);
    return at ? put64(p, at) : p;
}

/* start: where the directory of n members begins; bytes: its length. */
static void end_records(uint8_t out[END_BYTES], size_t n, uint64_t start, uint64_t bytes)
{
    uint8_t *p = put32(out, 0x06064b50);        /* zip64 end of central directory */
    p = put64(p, 44);                           /* its bytes after this field */
    p = put16(p, UNIX_HOST << 8 | VERSION);
    p = put16(p, VERSION);
    p = put32(p, 0);
    p = put32(p, 0);
    p = put64(p, n);
    p = put64(p, n);
    p = put64(p, bytes);
    p = put64(p, start);
    p = put32(p, 0x07064b50);                   /* zip64 locator */
    p = put32(p, 0);
    p = put64(p, start + bytes);
    p = put32(p, 1);
    p = put32(p, 0x06054b50);                   /* end of central directory */
    p = put16(p, 0);
    p = put16(p, 0);
    p = put16(p, (unsigned)n);
    p = put16(p, (unsigned)n);
    p = put32(p, (uint32_t)bytes);
    p = put32(p, IN_ZIP64);
    put16(p, 0);
}

/* The .npy header, padded with spaces to a multiple of 64 bytes; returns its length.  type: as
 * NumPy writes it; shape: what follows the count. */
static size_t npy_header(uint8_t out[NPY_MAX], const char *type, size_t count, const char *shape)
{
    memset(out, ' ', NPY_MAX);
    memcpy(out, "\x93NUMPY\1\0", 8);
    int n = snprintf((char *)out + 10, NPY_MAX - 10, "{'descr': '%s', 'fortran_order': False, "
                     "'shape': (%zu,%s), }", type, count, shape);
    out[10 + n] = ' ';              /* snprintf's terminator */
    size_t total = ffcl_max(128, ffcl_round_up(10 + (size_t)n + 1, 64));
    put16(out + 8, (unsigned)(total - 10));
    out[total - 1] = '\n';
    return total;
}

/* ---- the files ---------------------------------------------------------------------------- */

static int write_at(const ffcl_npz *npz, int fd, const void *bytes, size_t n, uint64_t at,
                    ffcl_error *err)
{
    for (const uint8_t *p = bytes; n > 0;) {
        ssize_t got = pwrite(fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return ffcl_write_error(npz->path, got < 0 ? errno : EIO, err);
        p += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return 0;
}

/* 1 where all n bytes could be read. */
static int read_at(int fd, void *bytes, size_t n, uint64_t at)
{
    for (uint8_t *p = bytes; n > 0;) {
        ssize_t got = pread(fd, p, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        p += got;
        n -= (size_t)got;
        at += (uint64_t)got;
    }
    return 1;
}

static uint64_t place(const ffcl_npz *npz, size_t index)
{
    return LOCAL_BYTES + npz->header_bytes + (uint64_t)index * npz->image;
}

enum { LABELS_HEADER = 128 };       /* of arr_1 */

static size_t labels_bytes(const ffcl_npz *npz)
{
    return LABELS_HEADER + npz->count * sizeof *npz->labels;
}

/* What follows the images. */
static size_t tail_bytes(const ffcl_npz *npz)
{
    const size_t labels = npz->labels ? LOCAL_BYTES + labels_bytes(npz) + DIRECTORY_BYTES +
                                        PLACE_BYTES : 0;
    return labels + DIRECTORY_BYTES + END_BYTES;
}

static uint64_t file_bytes(const ffcl_npz *npz)
{
    return LOCAL_BYTES + npz->member + tail_bytes(npz);
}

/* The tail of images with this CRC, the caller's to free; NULL: out of memory. */
static uint8_t *make_tail(const ffcl_npz *npz, uint32_t crc)
{
    uint8_t header[NPY_MAX], *tail = malloc(tail_bytes(npz)), *p = tail;
    const uint64_t after = LOCAL_BYTES + npz->member;
    uint32_t labels_crc = 0;
    if (!tail)
        return NULL;
    if (npz->labels) {
        const size_t n = npy_header(header, "<i8", npz->count, "");
        assert(n == LABELS_HEADER);
        uint8_t *data = tail + LOCAL_BYTES, *at = data + n;
        memcpy(data, header, n);
        for (size_t i = 0; i < npz->count; i++)
            at = put64(at, (uint64_t)npz->labels[i]);
        labels_crc = (uint32_t)crc32_z(crc32(0, NULL, 0), data, labels_bytes(npz));
        local_header(tail, LABELS, labels_crc, labels_bytes(npz));
        p = at;
    }
    const uint64_t start = after + (uint64_t)(p - tail);
    uint8_t *from = p;
    p = directory(p, IMAGES, crc, npz->member, 0);
    if (npz->labels)
        p = directory(p, LABELS, labels_crc, labels_bytes(npz), after);
    end_records(p, npz->labels ? 2 : 1, start, (uint64_t)(p - from));
    return tail;
}

static void journal_head(const ffcl_npz *npz, uint8_t out[JOURNAL_HEAD])
{
    memcpy(out, JOURNAL_MAGIC, sizeof JOURNAL_MAGIC);
    put64(put64(put64(out + 8, npz->count), npz->height), npz->width);
}

/* No run of zeros is a record, nor is that of another image. */
static void journal_record(uint8_t out[JOURNAL_RECORD], size_t index, uint32_t crc)
{
    put32(put32(out, crc), ~crc ^ (uint32_t)index);
}

/* The records of a journal of this shape: 1; 0 where it is another's, or FFCL_ENOMEM. */
static int read_journal(ffcl_npz *npz, ffcl_error *err)
{
    uint8_t want[JOURNAL_HEAD], got[JOURNAL_HEAD], record[JOURNAL_RECORD];
    enum { BLOCK = 4096 };
    journal_head(npz, want);
    if (!read_at(npz->journal_fd, got, sizeof got, 0) || memcmp(want, got, sizeof got))
        return 0;
    uint8_t *block = malloc(BLOCK * JOURNAL_RECORD);
    if (!block)
        return ffcl_write_error(npz->path, ENOMEM, err);
    for (size_t first = 0; block && first < npz->count; first += BLOCK) {
        ssize_t bytes = pread(npz->journal_fd, block, BLOCK * JOURNAL_RECORD,
                              (off_t)(JOURNAL_HEAD + first * JOURNAL_RECORD));
        for (size_t k = 0; bytes > 0 && k < (size_t)bytes / JOURNAL_RECORD; k++) {
            const uint8_t *b = block + k * JOURNAL_RECORD;
            size_t i = first + k;
            uint32_t crc = (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 |
                           (uint32_t)b[3] << 24;
            journal_record(record, i, crc);
            if (i < npz->count && !memcmp(record, b, sizeof record)) {
                npz->crcs[i] = crc;
                npz->has[i] = 1;
            }
        }
    }
    free(block);
    return 1;
}

static int fill(uint8_t *at, const uint8_t *want, size_t n)
{
    return memcmp(at, want, n) == 0;
}

/* Is the file at the target this array, with a right CRC?  Then it stays open for reading.
 * FFCL_ENOMEM. */
static int look_at_target(ffcl_npz *npz, ffcl_error *err)
{
    enum { PIECE = 1 << 20 };
    struct stat st;
    uint8_t got[LOCAL_BYTES], want[sizeof got], *tail = NULL;
    uint8_t *piece = malloc(PIECE), *got_tail = malloc(tail_bytes(npz));
    if (!piece || !got_tail) {
        free(piece);
        free(got_tail);
        return ffcl_write_error(npz->path, ENOMEM, err);
    }
    int fd = open(npz->target, O_RDONLY | O_CLOEXEC | O_NONBLOCK), good = 0;
    if (fd < 0 || fstat(fd, &st) || (uint64_t)st.st_size != file_bytes(npz))
        goto out;
    uLong crc = crc32(0, NULL, 0);
    for (uint64_t at = 0; at < npz->member; at += PIECE) {
        size_t n = (size_t)(npz->member - at < PIECE ? npz->member - at : PIECE);
        if (!read_at(fd, piece, n, LOCAL_BYTES + at) ||
            (at == 0 && !fill(piece, npz->header, npz->header_bytes)))
            goto out;
        crc = crc32_z(crc, piece, n);
    }
    local_header(want, IMAGES, (uint32_t)crc, npz->member);
    tail = make_tail(npz, (uint32_t)crc);
    good = !tail ? ffcl_write_error(npz->path, ENOMEM, err)
                 : read_at(fd, got, sizeof got, 0) && fill(got, want, sizeof want) &&
                   read_at(fd, got_tail, tail_bytes(npz), LOCAL_BYTES + npz->member) &&
                   fill(got_tail, tail, tail_bytes(npz));
out:
    free(tail);
    free(piece);
    free(got_tail);
    if (good > 0)
        npz->part_fd = fd;
    else if (fd >= 0)
        close(fd);
    return good;
}

/* Opens part and journal, empty unless they are of this array. */
static int open_part(ffcl_npz *npz, int resume, ffcl_error *err)
{
    uint8_t head[JOURNAL_HEAD], local[LOCAL_BYTES];
    int rc = ffcl_lock_open(&npz->part_fd, npz->part, 0, 0, err);
    if (rc > 0)
        return ffcl_fail(err, FFCL_EBUSY, "another run is writing %s", npz->path);
    if (rc)
        return rc;
    rc = ffcl_own_open(&npz->journal_fd, npz->journal, err);
    if (rc)
        return rc;
    const int is_ours = resume ? read_journal(npz, err) : 0;
    if (is_ours < 0)
        return is_ours;
    if (!is_ours) {
        if (ftruncate(npz->journal_fd, 0) || ftruncate(npz->part_fd, 0))
            return ffcl_write_error(npz->path, errno, err);
        journal_head(npz, head);
        rc = write_at(npz, npz->journal_fd, head, sizeof head, 0, err);
    }
    if (rc == 0)
        rc = ffcl_reserve(npz->part_fd, file_bytes(npz), npz->path, err);
    local_header(local, IMAGES, 0, npz->member);
    if (rc == 0)
        rc = write_at(npz, npz->part_fd, local, sizeof local, 0, err);
    return rc ? rc : write_at(npz, npz->part_fd, npz->header, npz->header_bytes, LOCAL_BYTES, err);
}

/* A process that was killed after its commit may have left these. */
static void remove_part(const ffcl_npz *npz)
{
    int fd = -1;
    if (access(npz->part, F_OK) == 0 && ffcl_lock_open(&fd, npz->part, 0, 0, NULL) == 0) {
        unlink(npz->part);
        close(fd);
    }
    if (fd >= 0 || access(npz->part, F_OK))
        unlink(npz->journal);
}

/* "DIR/.NAME.SUFFIX" for the target. */
static char *beside(const char *target, const char *suffix)
{
    char *dir = ffcl_path_dir(target);
    const char *slash = strrchr(target, '/');
    char *name = dir ? ffcl_format("%s/.%s.%s", dir, slash ? slash + 1 : target, suffix) : NULL;
    free(dir);
    return name;
}

int ffcl_npz_open(ffcl_npz **out, const char *path, size_t count, size_t height, size_t width,
                  const int64_t *labels, int resume, ffcl_error *err)
{
    *out = NULL;
    size_t bytes = 0;
    char shape[64];
    if (ffcl_mul(&bytes, count, height) || ffcl_mul(&bytes, bytes, width)
        || ffcl_mul(&bytes, bytes, 3) || bytes > INT64_MAX - 1024)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %zu images of %zu x %zu are too "
                         "many for a file", path, count, width, height);
    /* Says what is wrong with the path, if anything is. */
    ffcl_atomic_file probe = {0};
    int status = ffcl_atomic_open(&probe, path, err);
    ffcl_atomic_discard(&probe);
    if (status)
        return status;
    ffcl_npz *npz = calloc(1, sizeof *npz);
    if (!npz)
        return ffcl_write_error(path, ENOMEM, err);
    *npz = (ffcl_npz){.part_fd = -1, .journal_fd = -1, .count = count, .height = height,
                      .width = width, .image = height * width * 3};
    snprintf(shape, sizeof shape, " %zu, %zu, 3", height, width);
    npz->header_bytes = npy_header(npz->header, "|u1", count, shape);
    npz->member = npz->header_bytes + bytes;
    npz->path = ffcl_format("%s", path);
    npz->crcs = calloc(count, sizeof *npz->crcs);
    npz->has = calloc(count, 1);
    npz->labels = labels ? malloc(count * sizeof *labels) : NULL;
    if (npz->labels)
        memcpy(npz->labels, labels, count * sizeof *labels);
    status = ffcl_atomic_target(&npz->target, path, err);
    if (status)
        goto out;
    npz->part = beside(npz->target, "part");
    npz->journal = beside(npz->target, "crc");
    if (!npz->path || !npz->crcs || !npz->has || !npz->part || !npz->journal ||
        (labels && !npz->labels)) {
        status = ffcl_write_error(path, ENOMEM, err);
        goto out;
    }
    const int is_whole = resume ? look_at_target(npz, err) : 0;
    status = is_whole < 0 ? is_whole : !is_whole && resume == FFCL_NPZ_WHOLE;
    if (status)
        goto out;
    npz->is_whole = is_whole;
    if (npz->is_whole && resume == FFCL_NPZ_WHOLE)
        goto out;
    if (npz->is_whole)
        remove_part(npz);
    else
        status = open_part(npz, resume, err);
    if (!status && !npz->is_whole)
        npz->flusher = ffcl_flusher_open(npz->part_fd);
out:
    if (status)
        ffcl_npz_close(&npz, status == FFCL_EBUSY || status == FFCL_ENOMEM);
    *out = npz;
    return status;
}

int ffcl_npz_is_whole(const ffcl_npz *npz)
{
    return npz->is_whole;
}

/* Image index and, to remember it by, its record. */
static int put_image(ffcl_npz *npz, size_t index, const uint8_t *rgb, int remember,
                       ffcl_error *err)
{
    uint8_t record[JOURNAL_RECORD];
    uint32_t crc = (uint32_t)crc32_z(crc32(0, NULL, 0), rgb, npz->image);
    int status = write_at(npz, npz->part_fd, rgb, npz->image, place(npz, index), err);
    ffcl_flusher_add(npz->flusher, place(npz, index), npz->image);
    journal_record(record, index, crc);
    if (!status && remember)
        status = write_at(npz, npz->journal_fd, record, sizeof record,
                          JOURNAL_HEAD + (uint64_t)index * JOURNAL_RECORD, err);
    if (!status) {
        npz->crcs[index] = crc;
        npz->has[index] = remember ? 1 : 2;
    }
    return status;
}

int ffcl_npz_put(ffcl_npz *npz, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    if (index >= npz->count)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: image %zu is beyond the %zu of the "
                         "array", npz->path, index, npz->count);
    return npz->is_whole ? 0 : put_image(npz, index, rgb, 1, err);
}

int ffcl_npz_blank(ffcl_npz *npz, size_t index, ffcl_error *err)
{
    if (npz->is_whole)
        return 0;
    uint8_t *black = calloc(1, npz->image);
    int status = black ? put_image(npz, index, black, 0, err)
                       : ffcl_write_error(npz->path, ENOMEM, err);
    free(black);
    return status;
}

int ffcl_npz_get(ffcl_npz *npz, size_t index, uint8_t *rgb)
{
    if (index >= npz->count)
        return 0;
    if (npz->is_whole)              /* its CRC was right as it was opened */
        return read_at(npz->part_fd, rgb, npz->image, place(npz, index));
    if (npz->has[index] != 1)
        return 0;
    npz->has[index] = read_at(npz->part_fd, rgb, npz->image, place(npz, index)) &&
                      crc32_z(crc32(0, NULL, 0), rgb, npz->image) == npz->crcs[index];
    return npz->has[index];
}

/* The member's CRC from those of its header and its images. */
static uint32_t member_crc(const ffcl_npz *npz)
{
    uLong crc = crc32_z(crc32(0, NULL, 0), npz->header, npz->header_bytes);
    uLong op = crc32_combine_gen((z_off_t)npz->image);
    for (size_t i = 0; i < npz->count; i++)
        crc = crc32_combine_op(crc, npz->crcs[i], op);
    return (uint32_t)crc;
}

int ffcl_npz_commit(ffcl_npz *npz, ffcl_error *err)
{
    uint8_t local[LOCAL_BYTES];
    size_t found = 0;
    if (npz->is_whole)
        return 0;
    for (size_t i = 0; i < npz->count; i++)
        found += npz->has[i] != 0;
    if (found != npz->count)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %zu of the array's %zu images came",
                         npz->path, found, npz->count);
    ffcl_flusher_close(&npz->flusher);
    uint32_t crc = member_crc(npz);
    uint8_t *tail = make_tail(npz, crc);
    local_header(local, IMAGES, crc, npz->member);
    int status = tail ? write_at(npz, npz->part_fd, tail, tail_bytes(npz),
                                 LOCAL_BYTES + npz->member, err)
                      : ffcl_write_error(npz->path, ENOMEM, err);
    free(tail);
    if (!status)
        status = write_at(npz, npz->part_fd, local, sizeof local, 0, err);
    if (!status && (ftruncate(npz->part_fd, (off_t)file_bytes(npz)) || fsync(npz->part_fd) ||
                    rename(npz->part, npz->target)))
        status = ffcl_write_error(npz->path, errno, err);
    if (status)
        return status;
    npz->is_whole = 1;
    unlink(npz->journal);
    return ffcl_atomic_flush_folder(npz->target, err);
}

void ffcl_npz_close(ffcl_npz **out, int keep)
{
    ffcl_npz *npz = *out;
    if (!npz)
        return;
    size_t found = 0;
    ffcl_flusher_close(&npz->flusher);
    for (size_t i = 0; npz->has && i < npz->count; i++)
        found += npz->has[i] == 1;
    /* An open journal means that the part is ours. */
    int ours = npz->journal_fd >= 0;
    if (ours && npz->journal && (npz->is_whole || !keep || !found))
        unlink(npz->journal);
    if (npz->part_fd >= 0 && npz->part && !npz->is_whole && (!keep || !found) && ours)
        unlink(npz->part);
    if (npz->journal_fd >= 0)
        close(npz->journal_fd);
    if (npz->part_fd >= 0)
        close(npz->part_fd);
    free(npz->path);
    free(npz->target);
    free(npz->part);
    free(npz->journal);
    free(npz->labels);
    free(npz->crcs);
    free(npz->has);
    free(npz);
    *out = NULL;
}
