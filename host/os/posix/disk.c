/* SPDX-License-Identifier: MIT */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE             /* O_TMPFILE */
#endif

#include "os/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/vfs.h>
#endif

#include "util.h"

double ffcl_free_bytes(const char *path)
{
    struct statvfs s;
    struct stat st;
    const int is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    char *dir = is_folder ? ffcl_format("%s", path) : ffcl_path_dir(path);
    const int bad = !dir || statvfs(dir, &s) != 0;
    free(dir);
    return bad ? NAN : (double)s.f_bavail * (double)s.f_frsize;
}

double ffcl_bytes_on_disk(const char *path)
{
    enum { BLOCK = 512 };       /* POSIX leaves it open; all that ffcl knows take this */
    struct stat st;
    return stat(path, &st) ? 0 : (double)st.st_blocks * BLOCK;
}

/* The system's own folders look writable to root, and take no file all the same. */
static int refuses_always(const char *folder)
{
#ifdef __linux__
    struct statfs fs;
    if (statfs(folder, &fs))
        return errno;
    if (fs.f_type == PROC_SUPER_MAGIC)
        return ENOENT;          /* what open says there */
    return fs.f_type == SYSFS_MAGIC ? EACCES : 0;
#else
    (void)folder;
    return 0;
#endif
}

int ffcl_folder_refuses(const char *folder)
{
    const int number = refuses_always(folder);
    if (number)
        return number;
#ifdef O_TMPFILE
    /* A file without a name, which nobody sees.  Not every file system has them. */
    const int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT && errno != EINVAL))
        return fd >= 0 ? 0 : errno;
#endif
    return access(folder, W_OK | X_OK) ? errno : 0;
}
