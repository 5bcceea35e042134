/* SPDX-License-Identifier: MIT */
#include "os/paths.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int ffcl_path_is_absolute(const char *path)
{
    return path[0] == '/';
}

char *ffcl_path_home(const char *user)
{
    const char *home = *user ? NULL : getenv("HOME");
    if (home && *home)
        return strdup(home);
    const struct passwd *entry = *user ? getpwnam(user) : getpwuid(getuid());
    return entry && entry->pw_dir && *entry->pw_dir ? strdup(entry->pw_dir) : NULL;
}

void ffcl_path_clean(char *path)
{
    (void)path;                 /* a backslash is a letter like others */
}
