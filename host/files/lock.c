/* SPDX-License-Identifier: MIT */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "atomic.h"

/* Locks of the open file where the system has them: POSIX's own belong to the process and vanish
 * when any descriptor of the file is closed. */
#ifdef F_OFD_SETLK
enum { SET = F_OFD_SETLK, SET_WAIT = F_OFD_SETLKW };
#else
enum { SET = F_SETLK, SET_WAIT = F_SETLKW };
#endif

static int change(int fd, short type, uint64_t first, uint64_t n, int wait)
{
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = (off_t)first,
                          .l_len = (off_t)n};
    int rc, command = wait ? SET_WAIT : SET;
    do {
        rc = fcntl(fd, command, &range);
        /* Some kernels have POSIX's alone. */
        if (rc && errno == EINVAL && command != F_SETLK && command != F_SETLKW) {
            command = wait ? F_SETLKW : F_SETLK;
            rc = fcntl(fd, command, &range);
        }
    } while (rc && errno == EINTR);
    return rc;
}

/* An errno of file systems that have no locks, such as NFS and Lustre mounted without. */
static int means_none(int number)
{
    return number == ENOLCK || number == ENOSYS || number == EOPNOTSUPP || number == ENOTSUP;
}

/* Is fd the file that path names now? */
static int is_current(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && lstat(path, &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

/* create: O_CREAT, or 0: then *fd is -1 where the file is not there. */
static int open_own(int *fd, const char *path, int create, ffcl_error *err)
{
    struct stat st = {0};
    *fd = open(path, O_RDWR | create | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    const int number = *fd < 0 || fstat(*fd, &st) ? errno : 0;
    if (number == ENOENT && !create)
        return 0;
    if (number == 0 && S_ISREG(st.st_mode) && st.st_nlink <= 1)
        return 0;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    if (number == ELOOP || (number == 0 && st.st_nlink > 1) || number == ENXIO || number == 0)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot write %s: it is a link or no regular file, "
                         "which ffcl never makes of that name: remove it", path);
    return ffcl_write_error(path, number, err);
}

int ffcl_own_open(int *fd, const char *path, ffcl_error *err)
{
    return open_own(fd, path, O_CREAT, err);
}

static int open_locked(int *fd, const char *path, int create, uint64_t first, uint64_t n,
                       ffcl_error *err)
{
    /* Whoever ends has the whole file for a moment (ffcl_lock_remove): that is no other run. */
    const struct timespec moment = {0, 20000000};
    for (int tries = 25;;) {
        int rc = open_own(fd, path, create, err);
        if (rc || *fd < 0)
            return rc;
        int held = change(*fd, F_WRLCK, first, n, 0), number = errno;
        if ((held == 0 || means_none(number)) && is_current(*fd, path))
            return 0;
        close(*fd);
        *fd = -1;
        int is_busy = held && (number == EAGAIN || number == EACCES);
        if (is_busy && --tries == 0)
            return 1;
        if (is_busy)
            nanosleep(&moment, NULL);
        else if (held)
            return ffcl_fail(err, FFCL_EOUTPUT, "cannot lock %s: %s", path, strerror(number));
    }
}

int ffcl_lock_open(int *fd, const char *path, uint64_t first, uint64_t n, ffcl_error *err)
{
    return open_locked(fd, path, O_CREAT, first, n, err);
}

int ffcl_lock_look(const char *path, uint64_t first, uint64_t n, ffcl_error *err)
{
    int fd = -1;
    const int rc = open_locked(&fd, path, 0, first, n, err);
    if (fd >= 0)
        close(fd);
    return rc;
}

int ffcl_lock_try(int *fd, const char *path)
{
    if (ffcl_own_open(fd, path, NULL))
        return 1;
    if (change(*fd, F_WRLCK, 0, 0, 0) == 0 && is_current(*fd, path))
        return 0;
    close(*fd);
    *fd = -1;
    return 1;
}

int ffcl_lock_is_real(int fd)
{
    /* A lock that is there already is had once more. */
    return change(fd, F_RDLCK, INT64_MAX / 2, 1, 0) == 0 || !means_none(errno);
}

int ffcl_lock_more(int fd, uint64_t first, uint64_t n, int wait)
{
    return change(fd, F_WRLCK, first, n, wait) != 0;
}

void ffcl_lock_less(int fd, uint64_t first, uint64_t n)
{
    change(fd, F_UNLCK, first, n, 0);
}

int ffcl_lock_remove(int *fd, const char *path)
{
    int number = 0;
    if (*fd < 0)
        return 0;
    /* Whoever opened the file before this sees that it is gone, and makes another. */
    if ((change(*fd, F_WRLCK, 0, 0, 0) == 0 || means_none(errno)) && is_current(*fd, path))
        number = unlink(path) ? errno : 0;
    close(*fd);
    *fd = -1;
    return number == ENOENT ? 0 : number;
}
