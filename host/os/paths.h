/* SPDX-License-Identifier: MIT
 * What a path is to the system.  Inside ffcl folders are separated by slashes on every system. */
#ifndef FFCL_OS_PATHS_H
#define FFCL_OS_PATHS_H

/* Does the path mean the same file from whatever folder it is looked at? */
int ffcl_path_is_absolute(const char *path);

/* The home of a user, "": of whoever runs this; the caller's to free, NULL where none is known. */
char *ffcl_path_home(const char *user);

/* What separates folders in a path as the user types it. */
#ifdef _WIN32
#define FFCL_PATH_SEPARATORS "/\\"
#else
#define FFCL_PATH_SEPARATORS "/"
#endif

/* A path as the user typed it, in place: other separators that the system has become slashes. */
void ffcl_path_clean(char *path);

#endif
