/* SPDX-License-Identifier: MIT
 * Locks between processes: byte ranges of a file, released by the system when a process dies. */
#ifndef FFCL_FILES_LOCK_H
#define FFCL_FILES_LOCK_H

#include "../error.h"

/* Opens path (made if need be) and locks bytes first .. first+n-1 of it (n 0: to the end).  *fd is
 * the caller's to close, which releases the lock.  1: another process has some of them; 0; or
 * FFCL_EOUTPUT.  A file that was removed or replaced meanwhile is opened anew.  Where the file
 * system has no locks, the file is opened all the same: see ffcl_lock_is_real. */
int ffcl_lock_open(int *fd, const char *path, uint64_t first, uint64_t n, ffcl_error *err);

/* What that would return; the file is not made. */
int ffcl_lock_look(const char *path, uint64_t first, uint64_t n, ffcl_error *err);

/* Opens a file that ffcl makes, for reading and writing, where others may have put something of its
 * name: a link, or anything but a file of one name, is refused.  FFCL_EOUTPUT. */
int ffcl_own_open(int *fd, const char *path, ffcl_error *err);

/* Opens path so and locks all of it, if that can be had at once.  1: not. */
int ffcl_lock_try(int *fd, const char *path);

/* 0: the file system has no locks, so that nothing keeps others off. */
int ffcl_lock_is_real(int fd);

/* More bytes of the same file; wait: as long as it takes, else 1 where another has them. */
int ffcl_lock_more(int fd, uint64_t first, uint64_t n, int wait);
void ffcl_lock_less(int fd, uint64_t first, uint64_t n);

/* Closes *fd; removes path where no other process has a lock on it, as its last user.  0, or the
 * errno with which it could not be removed. */
int ffcl_lock_remove(int *fd, const char *path);

#endif
