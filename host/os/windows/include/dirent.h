/* SPDX-License-Identifier: MIT
 * Of POSIX, what ffcl uses: ../directories.c. */
#ifndef FFCL_OS_WINDOWS_DIRENT_H
#define FFCL_OS_WINDOWS_DIRENT_H

typedef struct ffcl_folder DIR;

struct dirent {
    char d_name[1024];
};

DIR *opendir(const char *path);
struct dirent *readdir(DIR *dir);
int closedir(DIR *dir);

#endif
