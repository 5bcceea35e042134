/* SPDX-License-Identifier: MIT */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64
#endif

#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../util.h"

int ffcl_input_is_absent(const char *path)
{
    struct stat st;
    return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

int ffcl_input_check_local(const char *path, ffcl_error *err)
{
    const size_t scheme = strspn(path, "abcdefghijklmnopqrstuvwxyz0123456789");
    if (scheme < 2 || strncmp(path + scheme, "://", 3))
        return 0;
    return ffcl_fail(err, FFCL_EFILE, "%s is an address, and ffcl downloads nothing: download it "
                     "and name the file", path);
}

static int cannot_open(const char *path, int number, ffcl_error *err)
{
    if (number == ENOENT && ffcl_input_check_local(path, err))
        return FFCL_EFILE;
    if (number == ENOENT && !ffcl_input_is_absent(path))
        return ffcl_fail(err, FFCL_EFILE, "cannot open %s: the link leads nowhere", path);
    return ffcl_fail(err, FFCL_EFILE, "cannot open %s: %s", path, strerror(number));
}

int ffcl_input_open(int *fd, uint64_t *bytes, const char *path, ffcl_error *err)
{
    struct stat st = {0};
    int rc = 0;
    /* O_NONBLOCK: a FIFO is refused below, not waited for. */
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0)
        return cannot_open(path, errno, err);
    if (fstat(*fd, &st))
        rc = cannot_open(path, errno, err);
    else if (S_ISDIR(st.st_mode))
        rc = ffcl_fail(err, FFCL_EFILE, "cannot read %s: it is a folder, not a file", path);
    else if (!S_ISREG(st.st_mode))
        rc = ffcl_fail(err, FFCL_EFILE, "cannot read %s: it is not a regular file", path);
    if (rc) {
        close(*fd);
        *fd = -1;
    }
    *bytes = (uint64_t)st.st_size;
    return rc;
}

int ffcl_input_is_pipe(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISFIFO(st.st_mode);
}

static int too_long(const char *path, uint64_t most, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_EFORMAT, "%s has more than %llu bytes, so it is not what it should "
                     "be", path, (unsigned long long)most);
}

/* Opens a regular file of at most `most` bytes. */
static int open_at_most(int *fd, uint64_t *bytes, const char *path, uint64_t most, ffcl_error *err)
{
    int rc = ffcl_input_open(fd, bytes, path, err);
    if (rc || *bytes <= most)
        return rc;
    close(*fd);
    return too_long(path, most, err);
}

/* Behind the byte order mark that some editors put before UTF-8; the file is not empty then. */
static void skip_mark(int fd, uint64_t *bytes)
{
    char head[3];
    if (pread(fd, head, 3, 0) == 3 && !memcmp(head, "\xef\xbb\xbf", 3) &&
        lseek(fd, 3, SEEK_SET) == 3)
        *bytes -= ffcl_min(*bytes, 3);
}

int ffcl_input_stream(FILE **stream, const char *path, uint64_t most, ffcl_error *err)
{
    uint64_t bytes = 0;
    int fd = -1, rc = open_at_most(&fd, &bytes, path, most, err);
    if (!rc)
        skip_mark(fd, &bytes);
    *stream = rc ? NULL : fdopen(fd, "r");
    if (rc || *stream)
        return rc;
    const int number = errno;
    close(fd);
    if (number != ENOMEM)
        return ffcl_fail(err, FFCL_EFILE, "cannot open %s: %s", path, strerror(number));
    return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice to read %s", path);
}

uint64_t ffcl_input_size(FILE *stream)
{
    struct stat s;
    return fstat(fileno(stream), &s) ? UINT64_MAX : (uint64_t)s.st_size;
}

/* Reads up to `room` bytes; a file that has grown since it was opened shows in *n. */
static int read_all(int fd, char *text, size_t room, size_t *n, const char *path, ffcl_error *err)
{
    *n = 0;
    while (*n < room) {
        ssize_t got = read(fd, text + *n, room - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", path, strerror(errno));
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    return 0;
}

int ffcl_input_read(char **text, size_t *n, const char *path, size_t most, ffcl_error *err)
{
    uint64_t bytes = 0;
    int fd = -1, rc = open_at_most(&fd, &bytes, path, most, err);
    *text = NULL;
    *n = 0;
    if (rc)
        return rc;
    skip_mark(fd, &bytes);
    /* Files of /proc say that they have none; the one byte more shows that a file grows. */
    const size_t room = bytes ? (size_t)bytes + 1 : most + 1;
    *text = malloc(room + 1);
    if (!*text)
        rc = ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice to read %s", path);
    if (!rc)
        rc = read_all(fd, *text, room, n, path, err);
    if (!rc && *n == room && bytes)
        rc = ffcl_fail(err, FFCL_EFILE, "%s was changed while it was read", path);
    else if (!rc && *n > most)
        rc = too_long(path, most, err);
    if (rc) {
        free(*text);
        *text = NULL;
        *n = 0;
    } else {
        (*text)[*n] = '\0';
    }
    close(fd);
    return rc;
}

int ffcl_file_id_get(ffcl_file_id *id, int fd)
{
    struct stat st;
    if (fstat(fd, &st))
        return -1;
    *id = (ffcl_file_id){
        .device = (uint64_t)st.st_dev, .inode = (uint64_t)st.st_ino,
        .bytes = (uint64_t)st.st_size, .names = (uint64_t)st.st_nlink,
        .written = {st.st_mtim.tv_sec, st.st_mtim.tv_nsec},
        .changed = {st.st_ctim.tv_sec, st.st_ctim.tv_nsec}};
    return 0;
}

int ffcl_file_id_same(const ffcl_file_id *a, const ffcl_file_id *b)
{
    const int is_as_it_was = a->changed[0] == b->changed[0] && a->changed[1] == b->changed[1];
    return a->device == b->device && a->inode == b->inode && a->bytes == b->bytes &&
           a->written[0] == b->written[0] && a->written[1] == b->written[1] &&
           (is_as_it_was || a->names != b->names);
}
