/* SPDX-License-Identifier: MIT
 * fcntl, above all its locks of ranges of an open file.
 *
 * Windows keeps others from reading and writing what is locked, and POSIX does not.  So a lock of
 * byte n is taken at byte n + 2^62, where no file has any.  Windows refuses a range of which the
 * same file has a part already, and gives up only what was taken as one: what is held is in a
 * table, and is given up first. */
#include <stdarg.h>

#include "os/windows/native.h"

#undef close

static const uint64_t FAR_AWAY = (uint64_t)1 << 62;

typedef struct held {
    int fd, type;
    uint64_t first, end;
} held;

enum { MOST = 256 };

static struct {
    pthread_mutex_t mutex;
    size_t n;
    held held[MOST];
} table = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static int take(int fd, int type, uint64_t first, uint64_t end)
{
    const uint64_t n = end - first, at = FAR_AWAY + first;
    OVERLAPPED place = {.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};
    if (LockFileEx((HANDLE)_get_osfhandle(fd), LOCKFILE_FAIL_IMMEDIATELY |
                   (type == F_WRLCK ? LOCKFILE_EXCLUSIVE_LOCK : 0), 0, (DWORD)n, (DWORD)(n >> 32),
                   &place))
        return 0;
    return ffcl_windows_failed();
}

static void give(const held *h)
{
    const uint64_t n = h->end - h->first, at = FAR_AWAY + h->first;
    OVERLAPPED place = {.Offset = (DWORD)at, .OffsetHigh = (DWORD)(at >> 32)};
    UnlockFileEx((HANDLE)_get_osfhandle(h->fd), 0, (DWORD)n, (DWORD)(n >> 32), &place);
}

static int hold(int fd, int type, uint64_t first, uint64_t end)
{
    if (first >= end)
        return 0;
    if (table.n == MOST) {
        errno = ENOLCK;
        return -1;
    }
    if (take(fd, type, first, end))
        return -1;
    table.held[table.n++] = (held){fd, type, first, end};
    return 0;
}

/* Gives up what fd holds of the range; what it holds beside it is taken again. */
static void release(int fd, uint64_t first, uint64_t end)
{
    for (size_t i = table.n; i-- > 0;) {
        const held h = table.held[i];
        if (h.fd != fd || h.first >= end || h.end <= first)
            continue;
        give(&h);
        table.held[i] = table.held[--table.n];
        hold(fd, h.type, h.first, h.first < first ? first : h.first);
        hold(fd, h.type, h.end > end ? end : h.end, h.end);
    }
}

/* One try; what was held before is held again where it fails. */
static int change(int fd, int type, uint64_t first, uint64_t end)
{
    held before[MOST];
    size_t n = 0;
    for (size_t i = 0; i < table.n; i++)
        if (table.held[i].fd == fd && table.held[i].first < end && table.held[i].end > first)
            before[n++] = table.held[i];
    release(fd, first, end);
    if (type == F_UNLCK || hold(fd, type, first, end) == 0)
        return 0;
    const int number = errno;
    for (size_t i = 0; i < n; i++) {
        release(fd, before[i].first, before[i].end);
        hold(fd, before[i].type, before[i].first, before[i].end);
    }
    errno = number;
    return -1;
}

static int set_lock(int fd, const struct flock *range, int waits)
{
    const uint64_t first = (uint64_t)range->l_start;
    const uint64_t end = range->l_len ? first + (uint64_t)range->l_len : FAR_AWAY;
    for (;;) {
        pthread_mutex_lock(&table.mutex);
        const int rc = change(fd, range->l_type, first, end);
        pthread_mutex_unlock(&table.mutex);
        if (rc == 0 || !waits || (errno != EAGAIN && errno != EACCES))
            return rc;
        Sleep(20);
    }
}

void ffcl_windows_forget_locks(int fd)
{
    pthread_mutex_lock(&table.mutex);
    release(fd, 0, UINT64_MAX);
    pthread_mutex_unlock(&table.mutex);
}

int ffcl_windows_close(int fd)
{
    ffcl_windows_forget_locks(fd);
    return _close(fd);
}

int fcntl(int fd, int command, ...)
{
    va_list args;
    va_start(args, command);
    const struct flock *range = command >= F_OFD_SETLK ? va_arg(args, const struct flock *) : NULL;
    va_end(args);
    if (_get_osfhandle(fd) == -1 || _get_osfhandle(fd) == -2) {     /* -2: of no file */
        errno = EBADF;
        return -1;
    }
    if (command == F_DUPFD_CLOEXEC) {
        int copy = _dup(fd);
        if (copy >= 0)
            SetHandleInformation((HANDLE)_get_osfhandle(copy), HANDLE_FLAG_INHERIT, 0);
        return copy;
    }
    return range ? set_lock(fd, range, command == F_OFD_SETLKW || command == F_SETLKW) : 0;
}
