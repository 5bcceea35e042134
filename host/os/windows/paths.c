/* SPDX-License-Identifier: MIT */
#include "os/paths.h"

#include "os/windows/native.h"

#include <ctype.h>

int ffcl_path_is_absolute(const char *path)
{
    return path[0] == '/' || path[0] == '\\' || (isalpha((unsigned char)path[0]) && path[1] == ':');
}

char *ffcl_path_home(const char *user)
{
    const char *home = *user ? NULL : getenv("HOME");   /* which is USERPROFILE's value */
    return home && *home ? strdup(home) : NULL;
}

void ffcl_path_clean(char *path)
{
    for (; *path; path++)
        if (*path == '\\')
            *path = '/';
}

wchar_t *ffcl_wide(const char *text)
{
    int n = MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, text, -1, NULL, 0);
    wchar_t *wide = n > 0 ? malloc((size_t)n * sizeof *wide) : NULL;
    if (wide)
        MultiByteToWideChar(CP_UTF8, 0, text, -1, wide, n);
    else
        errno = n > 0 ? ENOMEM : EILSEQ;
    return wide;
}

char *ffcl_narrow(const wchar_t *text)
{
    int n = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *narrow = n > 0 ? malloc((size_t)n) : NULL;
    if (narrow)
        WideCharToMultiByte(CP_UTF8, 0, text, -1, narrow, n, NULL, NULL);
    return narrow;
}

/* "\\?\" before a whole path takes away the limit of 260 characters, and the reading of slashes and
 * dots, which GetFullPathName has done then. */
static wchar_t *without_limit(const wchar_t *path)
{
    DWORD n = GetFullPathNameW(path, 0, NULL, NULL);
    wchar_t *whole = n ? malloc((n + 8) * sizeof *whole) : NULL;
    if (!whole)
        return NULL;
    wchar_t *at = whole + 8;
    GetFullPathNameW(path, n, at, NULL);
    const int is_share = at[0] == L'\\' && at[1] == L'\\';
    if (is_share && (at[2] == L'?' || at[2] == L'.')) {     /* is so already, or a device */
        memmove(whole, at, n * sizeof *whole);
        return whole;
    }
    const wchar_t *prefix = is_share ? L"\\\\?\\UNC\\" : L"\\\\?\\";
    const size_t n_prefix = is_share ? 8 : 4, skip = is_share ? 2 : 0;
    memmove(whole + n_prefix, at + skip, (n - skip) * sizeof *whole);
    memcpy(whole, prefix, n_prefix * sizeof *whole);
    return whole;
}

wchar_t *ffcl_wide_path(const char *path)
{
    enum { SHORT = 200 };       /* a folder may have 248 characters at most */
    wchar_t *wide = ffcl_wide(strcmp(path, "/dev/null") ? path : "NUL");
    if (!wide)
        return NULL;
    for (wchar_t *c = wide; *c; c++)
        if (*c == L'/')
            *c = L'\\';
    if (GetFullPathNameW(wide, 0, NULL, NULL) <= SHORT)
        return wide;
    wchar_t *whole = without_limit(wide);
    free(wide);
    if (!whole)
        errno = ENOMEM;
    return whole;
}

char *realpath(const char *path, char *to)
{
    wchar_t *wide = ffcl_wide_path(path);
    HANDLE h = wide ? CreateFileW(wide, 0, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                  NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL)
                    : INVALID_HANDLE_VALUE;
    char *narrow = NULL;
    (void)to;                   /* NULL, for a new one */
    free(wide);
    if (h == INVALID_HANDLE_VALUE) {
        ffcl_windows_failed();
        return NULL;
    }
    DWORD n = GetFinalPathNameByHandleW(h, NULL, 0, FILE_NAME_NORMALIZED);
    wchar_t *whole = n ? malloc((n + 1) * sizeof *whole) : NULL;
    if (whole && GetFinalPathNameByHandleW(h, whole, n + 1, FILE_NAME_NORMALIZED)) {
        const int is_share = wcsncmp(whole, L"\\\\?\\UNC\\", 8) == 0;
        const int is_plain = !is_share && wcsncmp(whole, L"\\\\?\\", 4) == 0;
        if (is_share)
            whole[6] = L'\\';
        narrow = ffcl_narrow(whole + (is_share ? 6 : is_plain ? 4 : 0));
    }
    CloseHandle(h);
    free(whole);
    if (narrow)
        ffcl_path_clean(narrow);
    else
        errno = ENOMEM;
    return narrow;
}
