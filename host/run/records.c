/* SPDX-License-Identifier: MIT */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include "run/records.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/atomic.h"
#include "files/lock.h"
#include "util.h"

/* Lines of one length, image k's at (k + 1) * LINE, so that several processes can write theirs. */
enum { LINE = 18 };
static const char STRICT[] = "   index    crc32\n";
static const char ADOPTING[] = "   index  crc32 *\n";      /* an earlier version wrote none */

struct ffcl_records {
    char *path;
    int fd;
    int adopts;
    atomic_size_t adopted;
};

static int write_line(const ffcl_records *r, const char *line, uint64_t at, ffcl_error *err)
{
    ssize_t got;
    do
        got = pwrite(r->fd, line, LINE, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got == LINE ? 0 : ffcl_write_error(r->path, got < 0 ? errno : ENOSPC, err);
}

static int read_line(const ffcl_records *r, char line[LINE + 1], uint64_t at)
{
    line[LINE] = '\0';
    return pread(r->fd, line, LINE, (off_t)at) == LINE;
}

int ffcl_records_open(ffcl_records **out, const char *folder, int keep, int is_client,
                      ffcl_error *err)
{
    char line[LINE + 1];
    ffcl_records *r = calloc(1, sizeof *r);
    *out = r;
    if (!r)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the checksums of images");
    r->fd = -1;
    r->path = ffcl_format("%s/" FFCL_RECORDS_NAME, folder);
    int rc = r->path ? ffcl_own_open(&r->fd, r->path, err)
                     : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    const int is_there = !rc && lseek(r->fd, 0, SEEK_END) > 0;
    if (is_there && (keep || is_client)) {
        const int has_head = read_line(r, line, 0);
        r->adopts = has_head && memcmp(line, ADOPTING, LINE) == 0;
        if (!r->adopts && (!has_head || memcmp(line, STRICT, LINE)))
            rc = ffcl_fail(err, FFCL_ESETTINGS, "%s is not a file of ffcl's: move it away, or "
                           "choose another folder", r->path);
    } else if (!rc && !is_client) {
        r->adopts = keep;
        if (ftruncate(r->fd, 0))
            rc = ffcl_write_error(r->path, errno, err);
        if (!rc)
            rc = write_line(r, keep ? ADOPTING : STRICT, 0, err);
    }
    if (rc)
        ffcl_records_close(out);
    return rc;
}

void ffcl_records_close(ffcl_records **records)
{
    if (!*records)
        return;
    if ((*records)->fd >= 0)
        close((*records)->fd);
    free((*records)->path);
    free(*records);
    *records = NULL;
}

void ffcl_records_remove(const char *folder)
{
    char *path = ffcl_format("%s/" FFCL_RECORDS_NAME, folder);
    if (path)
        unlink(path);
    free(path);
}

static void format_line(char line[LINE + 1], size_t index, uint32_t crc)
{
    snprintf(line, LINE + 1, "%08zu %08lx\n", index % 100000000, (unsigned long)crc);
}

int ffcl_records_put(ffcl_records *r, size_t index, uint32_t crc, ffcl_error *err)
{
    char line[LINE + 1];
    format_line(line, index, crc);
    return write_line(r, line, (uint64_t)LINE * (index + 1), err);
}

ffcl_record_match ffcl_records_match(const ffcl_records *r, size_t index, uint32_t crc)
{
    char want[LINE + 1], line[LINE + 1];
    format_line(want, index, crc);
    if (!read_line(r, line, (uint64_t)LINE * (index + 1)) || memcmp(line, want, 9))
        return FFCL_RECORD_NONE;
    return memcmp(line, want, LINE) ? FFCL_RECORD_OTHER : FFCL_RECORD_SAME;
}

int ffcl_records_adopts(const ffcl_records *r)
{
    return r->adopts;
}

int ffcl_records_adopt(ffcl_records *r, size_t index, uint32_t crc, ffcl_error *err)
{
    atomic_fetch_add(&r->adopted, 1);
    return ffcl_records_put(r, index, crc, err);
}

size_t ffcl_records_adopted(const ffcl_records *r)
{
    return atomic_load(&r->adopted);
}

int ffcl_records_cut(ffcl_records *r, size_t count, ffcl_error *err)
{
    const off_t end = (off_t)LINE * (off_t)(count + 1);
    if (lseek(r->fd, 0, SEEK_END) > end && ftruncate(r->fd, end))
        return ffcl_write_error(r->path, errno, err);
    return 0;
}
