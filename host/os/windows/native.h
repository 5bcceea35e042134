/* SPDX-License-Identifier: MIT
 * Windows' own interface, for the files of this folder: what they share. */
#ifndef FFCL_OS_WINDOWS_NATIVE_H
#define FFCL_OS_WINDOWS_NATIVE_H

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

/* A path in UTF-8 as Windows takes it, longer than 260 characters too; the caller frees it.  NULL:
 * errno says why. */
wchar_t *ffcl_wide_path(const char *path);

/* UTF-8 and UTF-16; the caller frees the text.  NULL: out of memory. */
wchar_t *ffcl_wide(const char *text);
char *ffcl_narrow(const wchar_t *text);

/* Sets errno by GetLastError; returns -1. */
int ffcl_windows_failed(void);

/* Forgets the locks of a descriptor that is closed. */
void ffcl_windows_forget_locks(int fd);

#endif
