/* SPDX-License-Identifier: MIT */
#ifndef _FILE_OFFSET_BITS
#define _FILE_OFFSET_BITS 64    /* an npz of 50,000 images has 10 GB and more */
#endif

#include "atomic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../os/disk.h"
#include "../util.h"
#include "leftovers.h"

enum { TRIES = 100, NAME_BYTES = 180 };     /* a name may have 255 bytes, with our additions */

/* A part of path that leads on is a file.  what: "write" or "make the folder". */
static int not_in_folder(const char *what, const char *path, ffcl_error *err)
{
    struct stat st;
    for (const char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        char *part = ffcl_format("%.*s", (int)(at - path), path);
        const int is_file = part && stat(part, &st) == 0 && !S_ISDIR(st.st_mode);
        if (is_file)
            ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: %s is a file, not a folder", what, path,
                      part);
        free(part);
        if (is_file)
            return FFCL_EOUTPUT;
    }
    return ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: %s", what, path, strerror(ENOTDIR));
}

/* The one place that words why an output could not be written; number is an errno, or 0 where
 * it is not known. */
int ffcl_write_error(const char *path, int number, ffcl_error *err)
{
    switch (number) {
    case 0:
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: an earlier write failed", path);
    case ENOSPC:
    case EDQUOT:
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: disk full (%s)", path,
                         strerror(number));
    case ENOMEM:
        return ffcl_fail(err, FFCL_ENOMEM, "cannot write %s: out of host memory", path);
    case EISDIR:
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: it is a folder; name a file", path);
    case ENOTDIR:
        return not_in_folder("write", path, err);
    default:
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: %s", path, strerror(number));
    }
}

/* Why path, which is to lie in dir, is not there where the system says ENOENT. */
static int no_such_folder(const char *what, const char *path, const char *dir, ffcl_error *err)
{
    struct stat st;
    if (stat(dir, &st) && errno == ENOENT)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: the folder %s does not exist", what,
                         path, dir);
    return ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: nothing can be made in %s", what, path, dir);
}

/* Why no file can be made in dir, the folder of path. */
static int file_error(const char *path, const char *dir, int number, ffcl_error *err)
{
    return number == ENOENT ? no_such_folder("write", path, dir, err)
                            : ffcl_write_error(path, number, err);
}

int ffcl_folder_error(const char *folder, int number, ffcl_error *err)
{
    static const char what[] = "make the folder";
    struct stat st;
    char *path = ffcl_format("%s", folder), *dir;
    for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    dir = path ? ffcl_path_dir(path) : NULL;
    if (!dir)
        ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: %s", what, folder, strerror(number));
    else if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
        ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: a file is called so", what, folder);
    else if (number == EEXIST)
        ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: a link that leads nowhere is called so", what,
                  folder);
    else if (number == ENOTDIR)
        not_in_folder(what, path, err);
    else if (number == ENOENT)
        no_such_folder(what, path, dir, err);
    else
        ffcl_fail(err, FFCL_EOUTPUT, "cannot %s %s: %s%s", what, folder,
                  number == ENOSPC || number == EDQUOT ? "disk full: " : "", strerror(number));
    free(path);
    free(dir);
    return FFCL_EOUTPUT;
}

/* Refuses what rename would replace but should not, and resolves a link into *target. */
int ffcl_atomic_target(char **target, const char *path, ffcl_error *err)
{
    struct stat st;
    size_t length = strlen(path);
    if (length == 0 || path[length - 1] == '/')
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write '%s': it names no file", path);
    if (stat(path, &st)) {
        if (errno != ENOENT && errno != ENOTDIR)
            return ffcl_write_error(path, errno, err);
        if (lstat(path, &st) == 0)
            return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: the link leads nowhere", path);
        *target = ffcl_format("%s", path);
        return *target ? 0 : ffcl_write_error(path, ENOMEM, err);
    }
    if (S_ISDIR(st.st_mode))
        return ffcl_write_error(path, EISDIR, err);
    if (!S_ISREG(st.st_mode))
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: it is not a regular file", path);
    if (access(path, W_OK))     /* rename asks for the folder's permission only */
        return ffcl_write_error(path, errno, err);
    if (lstat(path, &st))
        return ffcl_write_error(path, errno, err);
    *target = S_ISLNK(st.st_mode) ? realpath(path, NULL) : ffcl_format("%s", path);
    return *target ? 0 : ffcl_write_error(path, errno, err);
}

/* Makes and opens a hidden file beside file->path.  A leftover of a killed process with our pid,
 * or another object writing the same path, costs a try. */
static int open_temporary(ffcl_atomic_file *file, const char *path, mode_t mode, ffcl_error *err)
{
    int status = 0, fd = -1, number = 0;
    char *dir = ffcl_path_dir(file->path);
    if (!dir)
        return ffcl_write_error(path, ENOMEM, err);
    const char *slash = strrchr(file->path, '/');
    const char *name = slash ? slash + 1 : file->path;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        free(file->temporary);
        file->temporary = ffcl_format("%s/.%.*s.%ld-%d.tmp", dir, NAME_BYTES, name,
                                      (long)getpid(), i);
        if (!file->temporary) {
            status = ffcl_write_error(path, ENOMEM, err);
            goto out;
        }
        fd = open(file->temporary, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        number = fd < 0 ? errno : 0;
        if (number && number != EEXIST)
            break;
    }
    if (fd < 0) {
        free(file->temporary);  /* not ours: discard must not remove it */
        file->temporary = NULL;
        status = file_error(path, dir, number, err);
        goto out;
    }
    file->leftover = ffcl_leftover_add(file->temporary);
    file->stream = fdopen(fd, "w+b");
    if (!file->stream) {
        status = ffcl_write_error(path, errno, err);
        close(fd);
    }
out:
    free(dir);
    return status;
}

int ffcl_atomic_open(ffcl_atomic_file *file, const char *path, ffcl_error *err)
{
    *file = (ffcl_atomic_file){ 0 };
    int status = ffcl_atomic_target(&file->path, path, err);
    if (!status)
        status = open_temporary(file, path, 0666, err);
    if (status)
        ffcl_atomic_discard(file);
    return status;
}

int ffcl_atomic_look(const char *path, ffcl_error *err)
{
    struct stat st;
    char *target = NULL, *dir = NULL;
    int status = ffcl_atomic_target(&target, path, err);
    if (!status) {
        dir = ffcl_path_dir(target);
        status = dir ? 0 : ffcl_write_error(path, ENOMEM, err);
    }
    if (!status) {
        const int number = stat(dir, &st) ? errno : S_ISDIR(st.st_mode) ? ffcl_folder_refuses(dir)
                                                                        : ENOTDIR;
        status = number ? file_error(path, dir, number, err) : 0;
    }
    free(target);
    free(dir);
    return status;
}

int ffcl_atomic_open_own(ffcl_atomic_file *file, const char *path, unsigned mode, ffcl_error *err)
{
    struct stat st;
    *file = (ffcl_atomic_file){ 0 };
    if (lstat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return S_ISDIR(st.st_mode)
                   ? ffcl_write_error(path, EISDIR, err)
                   : ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: it is not a regular file",
                               path);
    file->path = ffcl_format("%s", path);
    int status = file->path ? open_temporary(file, path, mode, err)
                            : ffcl_write_error(path, ENOMEM, err);
    if (status)
        ffcl_atomic_discard(file);
    return status;
}

int ffcl_atomic_write(ffcl_atomic_file *file, const void *bytes, size_t n, ffcl_error *err)
{
    errno = 0;
    if (n && fwrite(bytes, 1, n, file->stream) != n)
        return ffcl_write_error(file->path, errno, err);
    return 0;
}

int ffcl_reserve(int fd, uint64_t n, const char *path, ffcl_error *err)
{
#ifdef __linux__
    /* Not posix_fallocate: where the file system cannot, it writes every block. */
    if (n && fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, (off_t)n))
        if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
            return ffcl_write_error(path, errno, err);
#else
    (void)fd, (void)n, (void)path, (void)err;
#endif
    return 0;
}

/* Some file systems cannot flush a folder, which is no failure; a disk that fails is one. */
int ffcl_atomic_flush_folder(const char *path, ffcl_error *err)
{
    char *dir = ffcl_path_dir(path);
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1, number = 0;
    if (fd >= 0) {
        number = fsync(fd) ? errno : 0;
        close(fd);
    }
    free(dir);
    return number == EIO || number == ENOSPC || number == EDQUOT
               ? ffcl_write_error(path, number, err)
               : 0;
}

/* Only Linux flushes a whole file system and waits for it (ffcl_atomic_flush_all): elsewhere no
 * file may be left to that. */
#ifdef __linux__
enum { FLUSHES_ALL = 1 };
#else
enum { FLUSHES_ALL = 0 };
#endif

/* Has the system begin to write the file: the end of a set would wait for thousands of them. */
static void begin_to_flush(int fd)
{
#ifdef __linux__
    (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
#else
    (void)fd;
#endif
}

int ffcl_atomic_commit(ffcl_atomic_file *file, ffcl_error *err)
{
    const int is_later = file->unflushed && FLUSHES_ALL;
    int status = 0;
    errno = 0;
    if (fflush(file->stream) || (!is_later && fsync(fileno(file->stream)))) {
        status = ffcl_write_error(file->path, errno, err);
        goto out;
    }
    if (is_later)
        begin_to_flush(fileno(file->stream));
    if (ferror(file->stream)) {
        status = ffcl_write_error(file->path, 0, err);
        goto out;
    }
    int closed = fclose(file->stream);
    file->stream = NULL;
    if (closed || rename(file->temporary, file->path)) {
        status = ffcl_write_error(file->path, errno, err);
        goto out;
    }
    ffcl_leftover_done(&file->leftover);
    free(file->temporary);      /* it is the file now: nothing to remove */
    file->temporary = NULL;
    if (!file->unflushed)
        status = ffcl_atomic_flush_folder(file->path, err);
out:
    ffcl_atomic_discard(file);
    return status;
}

void ffcl_atomic_discard(ffcl_atomic_file *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    ffcl_leftover_done(&file->leftover);
    free(file->temporary);
    free(file->path);
    *file = (ffcl_atomic_file){ 0 };
}

/* The length of NAME in ".NAME.PID-TRY.tmp", or 0 where the file is no temporary one. */
static size_t target_length(const char *name)
{
    const char *end = name + strlen(name) - 4, *p = end;
    if (end < name + 5 || name[0] != '.' || strcmp(end, ".tmp"))
        return 0;
    while (p > name && strchr("0123456789", p[-1]))
        p--;
    if (p == end || p[-1] != '-')
        return 0;
    const char *dash = --p;
    while (p > name && strchr("0123456789", p[-1]))
        p--;
    return p == dash || p[-1] != '.' || p - 1 <= name + 1 ? 0 : (size_t)(p - 1 - (name + 1));
}

void ffcl_atomic_sweep(const char *folder, int (*is_ours)(void *user, const char *name),
                       void *user)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        size_t length = target_length(e->d_name);
        char *target = length ? ffcl_format("%.*s", (int)length, e->d_name + 1) : NULL;
        char *path = target ? ffcl_path_join(folder, e->d_name) : NULL;
        if (path && is_ours(user, target))
            unlink(path);
        free(path);
        free(target);
    }
    if (dir)
        closedir(dir);
}

int ffcl_atomic_flush_all(const char *path, ffcl_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), number = fd < 0 ? errno : 0;
#ifdef __linux__
    if (fd >= 0 && syncfs(fd))
        number = errno;
#else
    sync();
#endif
    if (fd >= 0)
        close(fd);
    return number ? ffcl_write_error(path, number, err) : 0;
}
