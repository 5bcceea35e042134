/* SPDX-License-Identifier: MIT
 * Of POSIX, what ffcl uses: ../text.c. */
#ifndef FFCL_OS_WINDOWS_FNMATCH_H
#define FFCL_OS_WINDOWS_FNMATCH_H

#define FNM_NOMATCH 1

int fnmatch(const char *pattern, const char *text, int flags);

#endif
