/* SPDX-License-Identifier: MIT
 * Files by POSIX's names.  All are opened so that others may rename and remove them meanwhile. */
#include <fileapi.h>
#include <stdarg.h>

#include "os/windows/native.h"

#undef open
#undef read
#undef write

enum {
    SHARE = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
    MOST = 1 << 30,             /* bytes of a call of the C library, whose counts are int */
    TRIES = 20, PAUSE_MS = 25   /* where another program, such as a virus scanner, has the file */
};

int ffcl_windows_failed(void)
{
    enum { QUOTA_EXCEEDED = 1295 };     /* mingw-w64 has no name for it */
    static const struct { DWORD code; int number; } known[] = {
        {ERROR_FILE_NOT_FOUND, ENOENT}, {ERROR_PATH_NOT_FOUND, ENOENT},
        {ERROR_INVALID_NAME, ENOENT}, {ERROR_BAD_NETPATH, ENOENT}, {ERROR_BAD_NET_NAME, ENOENT},
        {ERROR_INVALID_DRIVE, ENOENT}, {ERROR_NOT_READY, ENOENT}, {ERROR_DIRECTORY, ENOTDIR},
        {ERROR_FILE_EXISTS, EEXIST}, {ERROR_ALREADY_EXISTS, EEXIST},
        {ERROR_ACCESS_DENIED, EACCES}, {ERROR_SHARING_VIOLATION, EBUSY},
        {ERROR_LOCK_VIOLATION, EAGAIN}, {ERROR_IO_PENDING, EAGAIN},
        {ERROR_WRITE_PROTECT, EROFS}, {ERROR_DISK_FULL, ENOSPC}, {ERROR_HANDLE_DISK_FULL, ENOSPC},
        {QUOTA_EXCEEDED, EDQUOT}, {ERROR_NOT_ENOUGH_MEMORY, ENOMEM},
        {ERROR_OUTOFMEMORY, ENOMEM}, {ERROR_COMMITMENT_LIMIT, ENOMEM},
        {ERROR_TOO_MANY_OPEN_FILES, EMFILE}, {ERROR_DIR_NOT_EMPTY, ENOTEMPTY},
        {ERROR_FILENAME_EXCED_RANGE, ENAMETOOLONG}, {ERROR_INVALID_HANDLE, EBADF},
        {ERROR_BROKEN_PIPE, EPIPE}, {ERROR_NO_DATA, EPIPE}, {ERROR_INVALID_PARAMETER, EINVAL},
        {ERROR_NOT_SUPPORTED, ENOTSUP}, {ERROR_INVALID_FUNCTION, ENOTSUP},
        {ERROR_CALL_NOT_IMPLEMENTED, ENOSYS}, {ERROR_NOT_SAME_DEVICE, EXDEV},
        {ERROR_CANT_RESOLVE_FILENAME, ELOOP},
    };
    const DWORD code = GetLastError();
    errno = EIO;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].code == code)
            errno = known[i].number;
    return -1;
}

static int64_t join(DWORD high, DWORD low)
{
    return (int64_t)((uint64_t)high << 32 | low);
}

/* From 100 ns since 1601. */
static struct timespec time_of(int64_t ticks)
{
    const int64_t since_1970 = ticks - 116444736000000000;
    return (struct timespec){.tv_sec = since_1970 / 10000000,
                             .tv_nsec = (long)(since_1970 % 10000000) * 100};
}

/* Only the user writes what is in the user's folders, as Windows' own rights say; they are not
 * looked at, so that all files are the user's here. */
static unsigned mode_of(DWORD attributes)
{
    const unsigned can_write = attributes & FILE_ATTRIBUTE_READONLY ? 0 : 0200;
    return attributes & FILE_ATTRIBUTE_DIRECTORY ? S_IFDIR | 0700 : S_IFREG | 0400 | can_write;
}

static int stat_handle(HANDLE h, struct ffcl_stat *st)
{
    BY_HANDLE_FILE_INFORMATION info;
    FILE_BASIC_INFO times;
    *st = (struct ffcl_stat){.st_nlink = 1};
    const DWORD type = GetFileType(h);
    if (type == FILE_TYPE_CHAR || type == FILE_TYPE_PIPE) {
        st->st_mode = (type == FILE_TYPE_CHAR ? S_IFCHR : S_IFIFO) | 0600;
        return 0;
    }
    if (!GetFileInformationByHandle(h, &info))
        return ffcl_windows_failed();
    st->st_dev = info.dwVolumeSerialNumber;
    st->st_ino = (uint64_t)join(info.nFileIndexHigh, info.nFileIndexLow);
    st->st_nlink = info.nNumberOfLinks;
    st->st_mode = mode_of(info.dwFileAttributes);
    st->st_size = join(info.nFileSizeHigh, info.nFileSizeLow);
    st->st_mtim = st->st_ctim = time_of(join(info.ftLastWriteTime.dwHighDateTime,
                                             info.ftLastWriteTime.dwLowDateTime));
    if (GetFileInformationByHandleEx(h, FileBasicInfo, &times, sizeof times))
        st->st_ctim = time_of(times.ChangeTime.QuadPart);
    return 0;
}

static int stat_path(const char *path, struct ffcl_stat *st, DWORD flags)
{
    wchar_t *wide = ffcl_wide_path(path);
    if (!wide)
        return -1;
    HANDLE h = CreateFileW(wide, FILE_READ_ATTRIBUTES, SHARE, NULL, OPEN_EXISTING,
                           FILE_FLAG_BACKUP_SEMANTICS | flags, NULL);
    int rc = h == INVALID_HANDLE_VALUE ? ffcl_windows_failed() : stat_handle(h, st);
    FILE_ATTRIBUTE_TAG_INFO tag;
    if (rc == 0 && flags &&
        GetFileInformationByHandleEx(h, FileAttributeTagInfo, &tag, sizeof tag) &&
        (tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
        tag.ReparseTag == IO_REPARSE_TAG_SYMLINK)
        st->st_mode = S_IFLNK | 0700;
    if (h != INVALID_HANDLE_VALUE)
        CloseHandle(h);
    free(wide);
    return rc;
}

int ffcl_windows_stat(const char *path, struct ffcl_stat *st)
{
    return stat_path(path, st, 0);
}

int ffcl_windows_lstat(const char *path, struct ffcl_stat *st)
{
    return stat_path(path, st, FILE_FLAG_OPEN_REPARSE_POINT);
}

int ffcl_windows_fstat(int fd, struct ffcl_stat *st)
{
    HANDLE h = (HANDLE)_get_osfhandle(fd);
    if (h != INVALID_HANDLE_VALUE)
        return stat_handle(h, st);
    errno = EBADF;
    return -1;
}

unsigned geteuid(void)
{
    return 0;
}

int ffcl_windows_access(const char *path, int mode)
{
    struct ffcl_stat st;
    if (ffcl_windows_stat(path, &st))
        return -1;
    if ((mode & W_OK) && S_ISREG(st.st_mode) && !(st.st_mode & 0200)) {
        errno = EACCES;
        return -1;
    }
    return 0;
}

/* Is there a file of that name in a folder that is open? */
int faccessat(int folder, const char *name, int mode, int flags)
{
    HANDLE h = (HANDLE)_get_osfhandle(folder);
    const DWORD n = GetFinalPathNameByHandleW(h, NULL, 0, FILE_NAME_NORMALIZED);
    wchar_t *whole = n ? malloc((n + 1) * sizeof *whole) : NULL;
    char *path = NULL, *file = NULL;
    (void)flags;
    if (whole && GetFinalPathNameByHandleW(h, whole, n + 1, FILE_NAME_NORMALIZED))
        path = ffcl_narrow(whole);
    if (path && (file = malloc(strlen(path) + strlen(name) + 2)) != NULL)
        sprintf(file, "%s/%s", path, name);
    int rc = file ? ffcl_windows_access(file, mode) : -1;
    free(whole);
    free(path);
    free(file);
    return rc;
}

static DWORD creation(int flags)
{
    if ((flags & O_CREAT) && (flags & O_EXCL))
        return CREATE_NEW;
    if (flags & O_TRUNC)
        return flags & O_CREAT ? CREATE_ALWAYS : TRUNCATE_EXISTING;
    return flags & O_CREAT ? OPEN_ALWAYS : OPEN_EXISTING;
}

int ffcl_windows_open(const char *path, int flags, ...)
{
    const int how = flags & (O_RDONLY | O_WRONLY | O_RDWR);
    DWORD wanted = how == O_RDONLY ? GENERIC_READ
                   : how == O_WRONLY ? GENERIC_WRITE : GENERIC_READ | GENERIC_WRITE;
    wchar_t *wide = ffcl_wide_path(path);
    if (!wide)
        return -1;
    SECURITY_ATTRIBUTES attributes = {sizeof attributes, NULL, !(flags & O_CLOEXEC)};
    HANDLE h = CreateFileW(wide, wanted | (how == O_RDONLY ? 0 : DELETE), SHARE, &attributes,
                           creation(flags), FILE_FLAG_BACKUP_SEMANTICS |
                           (flags & O_NOFOLLOW ? FILE_FLAG_OPEN_REPARSE_POINT : 0), NULL);
    if (h == INVALID_HANDLE_VALUE && how != O_RDONLY)   /* a right that not every folder grants */
        h = CreateFileW(wide, wanted, SHARE, &attributes, creation(flags),
                        FILE_FLAG_BACKUP_SEMANTICS |
                        (flags & O_NOFOLLOW ? FILE_FLAG_OPEN_REPARSE_POINT : 0), NULL);
    free(wide);
    if (h == INVALID_HANDLE_VALUE)
        return ffcl_windows_failed();
    FILE_ATTRIBUTE_TAG_INFO tag;
    struct ffcl_stat st;
    int number = 0;
    if ((flags & O_NOFOLLOW) &&
        GetFileInformationByHandleEx(h, FileAttributeTagInfo, &tag, sizeof tag) &&
        (tag.FileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) &&
        tag.ReparseTag == IO_REPARSE_TAG_SYMLINK)
        number = ELOOP;
    else if (stat_handle(h, &st) == 0 && S_ISDIR(st.st_mode) && how != O_RDONLY)
        number = EISDIR;
    int fd = number ? -1 : _open_osfhandle((intptr_t)h, O_BINARY | (flags & O_APPEND) |
                                           (flags & O_CLOEXEC ? O_NOINHERIT : 0));
    if (fd < 0) {
        CloseHandle(h);
        errno = number ? number : EMFILE;
    }
    return fd;
}

FILE *ffcl_windows_fopen(const char *path, const char *mode)
{
    const int update = strchr(mode, '+') ? O_RDWR : 0;
    const int flags = mode[0] == 'r' ? (update ? update : O_RDONLY)
                      : (update ? update : O_WRONLY) | O_CREAT |
                        (mode[0] == 'a' ? O_APPEND : O_TRUNC);
    int fd = ffcl_windows_open(path, flags, 0666);
    if (fd >= 0 && mode[0] == 'a')
        _lseeki64(fd, 0, SEEK_END);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, mode);
    if (fd >= 0 && !stream)
        _close(fd);
    return stream;
}

ssize_t ffcl_windows_read(int fd, void *to, size_t n)
{
    return _read(fd, to, (unsigned)(n < MOST ? n : MOST));
}

ssize_t ffcl_windows_write(int fd, const void *from, size_t n)
{
    return _write(fd, from, (unsigned)(n < MOST ? n : MOST));
}

/* A read or write at a place.  Windows moves the descriptor's own place, which is put back. */
static ssize_t at_place(int fd, void *to, const void *from, size_t n, int64_t at)
{
    HANDLE h = (HANDLE)_get_osfhandle(fd);
    OVERLAPPED place = {.Offset = (DWORD)at, .OffsetHigh = (DWORD)((uint64_t)at >> 32)};
    LARGE_INTEGER nothing = {.QuadPart = 0}, before;
    DWORD done = 0;
    const DWORD most = (DWORD)(n < MOST ? n : MOST);
    const BOOL has_place = SetFilePointerEx(h, nothing, &before, FILE_CURRENT);
    BOOL ok = to ? ReadFile(h, to, most, &done, &place) : WriteFile(h, from, most, &done, &place);
    if (!ok && to && GetLastError() == ERROR_HANDLE_EOF)
        ok = TRUE;
    if (!ok)
        ffcl_windows_failed();
    if (has_place)
        SetFilePointerEx(h, before, NULL, FILE_BEGIN);
    return ok ? (ssize_t)done : -1;
}

ssize_t pread(int fd, void *to, size_t n, int64_t at)
{
    return at_place(fd, to, NULL, n, at);
}

ssize_t pwrite(int fd, const void *from, size_t n, int64_t at)
{
    return at_place(fd, NULL, from, n, at);
}

int ffcl_windows_ftruncate(int fd, int64_t bytes)
{
    HANDLE h = (HANDLE)_get_osfhandle(fd);
    FILE_END_OF_FILE_INFO end = {.EndOfFile = {.QuadPart = bytes}};
    return SetFileInformationByHandle(h, FileEndOfFileInfo, &end, sizeof end)
               ? 0 : ffcl_windows_failed();
}

int fsync(int fd)
{
    return FlushFileBuffers((HANDLE)_get_osfhandle(fd)) ? 0 : ffcl_windows_failed();
}

/* What is to be safe was flushed file by file: Windows lets an administrator alone flush all. */
void sync(void)
{
}

int ffcl_windows_mkdir(const char *path, unsigned mode)
{
    wchar_t *wide = ffcl_wide_path(path);
    (void)mode;
    int rc = !wide ? -1 : CreateDirectoryW(wide, NULL) ? 0 : ffcl_windows_failed();
    free(wide);
    return rc;
}

int ffcl_windows_rmdir(const char *path)
{
    wchar_t *wide = ffcl_wide_path(path);
    int rc = !wide ? -1 : RemoveDirectoryW(wide) ? 0 : ffcl_windows_failed();
    free(wide);
    return rc;
}

static int is_held(void)
{
    const DWORD code = GetLastError();
    return code == ERROR_SHARING_VIOLATION || code == ERROR_ACCESS_DENIED;
}

int ffcl_windows_unlink(const char *path)
{
    wchar_t *wide = ffcl_wide_path(path);
    if (!wide)
        return -1;
    const DWORD attributes = GetFileAttributesW(wide);
    BOOL ok = DeleteFileW(wide);
    for (int i = 0; !ok && i < TRIES && attributes != INVALID_FILE_ATTRIBUTES &&
                    !(attributes & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY)) &&
                    is_held(); i++) {
        Sleep(PAUSE_MS);
        ok = DeleteFileW(wide);
    }
    int rc = ok ? 0 : ffcl_windows_failed();
    free(wide);
    return rc;
}

/* Replaces a file that others have open, where the system can (Windows 10 of 2018). */
static BOOL rename_as_posix(const wchar_t *from, const wchar_t *to)
{
    enum { INFO_EX = 22, REPLACE = 1, POSIX = 2 };
    struct names {
        DWORD flags;
        HANDLE root;
        DWORD bytes;
        wchar_t name[1];
    } *names;
    const size_t bytes = wcslen(to) * sizeof *to, all = sizeof *names + bytes;
    HANDLE h = CreateFileW(from, DELETE | SYNCHRONIZE, SHARE, NULL, OPEN_EXISTING,
                           FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    names = h == INVALID_HANDLE_VALUE ? NULL : calloc(1, all);
    BOOL ok = FALSE;
    if (names) {
        names->flags = REPLACE | POSIX;
        names->bytes = (DWORD)bytes;
        memcpy(names->name, to, bytes);
        ok = SetFileInformationByHandle(h, (FILE_INFO_BY_HANDLE_CLASS)INFO_EX, names, (DWORD)all);
    }
    free(names);
    if (h != INVALID_HANDLE_VALUE)
        CloseHandle(h);
    return ok;
}

int ffcl_windows_rename(const char *from, const char *to)
{
    const DWORD how = MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH;
    wchar_t *a = ffcl_wide_path(from), *b = ffcl_wide_path(to);
    const DWORD there = b ? GetFileAttributesW(b) : INVALID_FILE_ATTRIBUTES;
    const int may_wait = there == INVALID_FILE_ATTRIBUTES ||
                         !(there & (FILE_ATTRIBUTE_DIRECTORY | FILE_ATTRIBUTE_READONLY));
    int rc = -1;
    for (int i = 0; a && b && rc && i < TRIES; i++) {
        if (i)
            Sleep(PAUSE_MS);
        if (rename_as_posix(a, b) || MoveFileExW(a, b, how))
            rc = 0;
        else if (!may_wait || !is_held())
            break;
    }
    if (rc && a && b)
        ffcl_windows_failed();
    free(a);
    free(b);
    return rc;
}
