/* SPDX-License-Identifier: MIT
 * The room that is left on a disk, and whether files can be made there. */
#ifndef FFCL_OS_DISK_H
#define FFCL_OS_DISK_H

/* Bytes that this user may still write into the folder path or, where path is none, into the one
 * that it is to lie in; a NaN where the system does not say. */
double ffcl_free_bytes(const char *path);

/* What a file takes of its disk, which may be more than is in it; 0: it is not there. */
double ffcl_bytes_on_disk(const char *path);

/* Why no file can be made in a folder that is there, an errno; 0: one can, as far as can be told
 * without making one. */
int ffcl_folder_refuses(const char *folder);

#endif
