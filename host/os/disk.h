/* SPDX-License-Identifier: MIT
 * The room that is left on a disk. */
#ifndef FFCL_OS_DISK_H
#define FFCL_OS_DISK_H

/* Bytes that this user may still write where path, or the folder that it is to lie in, is; a NaN
 * where the system does not say. */
double ffcl_free_bytes(const char *path);

#endif
