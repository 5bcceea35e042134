/* SPDX-License-Identifier: MIT */
#include "os/disk.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "os/windows/native.h"
#include "util.h"

double ffcl_free_bytes(const char *path)
{
    ULARGE_INTEGER bytes;
    struct stat st;
    const int is_folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    char *dir = is_folder ? ffcl_format("%s", path) : ffcl_path_dir(path);
    wchar_t *wide = dir ? ffcl_wide_path(dir) : NULL;
    const int bad = !wide || !GetDiskFreeSpaceExW(wide, &bytes, NULL, NULL);
    free(wide);
    free(dir);
    return bad ? NAN : (double)bytes.QuadPart;
}

double ffcl_bytes_on_disk(const char *path)
{
    struct stat st;
    return stat(path, &st) ? 0 : (double)st.st_size;
}

int ffcl_folder_refuses(const char *folder)
{
    wchar_t *wide = ffcl_wide_path(folder);
    HANDLE h = wide ? CreateFileW(wide, FILE_ADD_FILE,
                                  FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                                  OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL)
                    : INVALID_HANDLE_VALUE;
    if (wide && h == INVALID_HANDLE_VALUE)
        ffcl_windows_failed();
    free(wide);
    if (h == INVALID_HANDLE_VALUE)
        return errno;
    CloseHandle(h);
    return 0;
}
