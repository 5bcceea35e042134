/* SPDX-License-Identifier: MIT
 * Locks between processes: byte ranges of a file, released by the system when a process dies. */
#ifndef FFCL_FILES_LOCK_H
#define FFCL_FILES_LOCK_H

#include "../error.h"

/* Opens path (made if need be) and locks bytes first .. first+n-1 of it (n 0: to the end).  *fd is
 * the caller's to close, which releases the lock.  1: another process has some of them; 0; or
 * FFCL_EOUTPUT.  A file that was removed or replaced meanwhile is opened anew. */
int ffcl_lock_open(int *fd, const char *path, uint64_t first, uint64_t n, ffcl_error *err);

/* More bytes of the same file; wait: as long as it takes, else 1 where another has them. */
int ffcl_lock_more(int fd, uint64_t first, uint64_t n, int wait);
void ffcl_lock_less(int fd, uint64_t first, uint64_t n);

/* Closes *fd; removes path where no other process has a lock on it, as its last user. */
void ffcl_lock_remove(int *fd, const char *path);

#endif
