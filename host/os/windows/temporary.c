/* SPDX-License-Identifier: MIT
 * Files and folders that go when ffcl ends. */
#include "os/windows/native.h"

/* "FOLDER\ffcl-PID-N", in the user's folder for temporary files. */
static int name_one(wchar_t *to, size_t size, unsigned n)
{
    wchar_t folder[MAX_PATH + 1];
    if (!GetTempPathW(MAX_PATH + 1, folder))
        return -1;
    return _snwprintf(to, size, L"%lsffcl-%lu-%u", folder, GetCurrentProcessId(), n) > 0 ? 0 : -1;
}

/* A file without a name is one that goes when it is closed. */
int memfd_create(const char *name, unsigned flags)
{
    enum { TRIES = 1000 };
    wchar_t path[2 * MAX_PATH];
    (void)name, (void)flags;
    for (unsigned i = 0; i < TRIES && name_one(path, 2 * MAX_PATH, i) == 0; i++) {
        HANDLE h = CreateFileW(path, GENERIC_READ | GENERIC_WRITE | DELETE,
                               FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                               CREATE_NEW, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE,
                               NULL);
        if (h != INVALID_HANDLE_VALUE)
            return _open_osfhandle((intptr_t)h, O_BINARY | O_NOINHERIT | O_APPEND);
        if (GetLastError() != ERROR_FILE_EXISTS)
            break;
    }
    return ffcl_windows_failed();
}

/* "/tmp/NAME-XXXXXX": such a folder where the program runs from, as the caller's text has no room
 * for the path of the user's. */
char *mkdtemp(char *pattern)
{
    char *x = strstr(pattern, "XXXXXX"), *name = strrchr(pattern, '/');
    if (!x || !name)
        return NULL;
    memmove(pattern, name + 1, strlen(name));
    x -= name + 1 - pattern;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(x, 7, "%06lu", (GetCurrentProcessId() + i) % 1000000);
        if (mkdir(pattern, 0700) == 0)
            return pattern;
    }
    return NULL;
}
