/* SPDX-License-Identifier: MIT */
#include "os/paths.h"

int ffcl_path_is_absolute(const char *path)
{
    return path[0] == '/';
}

void ffcl_path_clean(char *path)
{
    (void)path;                 /* a backslash is a letter like others */
}
