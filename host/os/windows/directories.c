/* SPDX-License-Identifier: MIT */
#include "os/windows/include/dirent.h"

#include "os/windows/native.h"

struct ffcl_folder {
    HANDLE search;
    WIN32_FIND_DATAW found;
    int is_first;
    struct dirent entry;
};

DIR *opendir(const char *path)
{
    char *pattern = malloc(strlen(path) + 3);
    DIR *dir = calloc(1, sizeof *dir);
    wchar_t *wide = NULL;
    if (pattern && dir) {
        strcpy(pattern, *path ? path : ".");
        strcat(pattern, "/*");
        wide = ffcl_wide_path(pattern);
    }
    if (wide) {
        dir->is_first = 1;
        dir->search = FindFirstFileW(wide, &dir->found);
    }
    if (!wide || dir->search == INVALID_HANDLE_VALUE) {
        if (wide)
            ffcl_windows_failed();
        free(dir);
        dir = NULL;
    }
    free(pattern);
    free(wide);
    return dir;
}

struct dirent *readdir(DIR *dir)
{
    if (!dir->is_first && !FindNextFileW(dir->search, &dir->found)) {
        if (GetLastError() != ERROR_NO_MORE_FILES)
            ffcl_windows_failed();
        return NULL;
    }
    dir->is_first = 0;
    WideCharToMultiByte(CP_UTF8, 0, dir->found.cFileName, -1, dir->entry.d_name,
                        sizeof dir->entry.d_name, NULL, NULL);
    return &dir->entry;
}

int closedir(DIR *dir)
{
    FindClose(dir->search);
    free(dir);
    return 0;
}
