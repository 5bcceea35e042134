/* SPDX-License-Identifier: MIT
 * A thread that has the system put a growing file on the disk bit by bit, so that the end of the
 * job does not wait for gigabytes; those who write the file never wait for the disk. */
#ifndef FFCL_FILES_FLUSHER_H
#define FFCL_FILES_FLUSHER_H

#include <stdint.h>

typedef struct ffcl_flusher ffcl_flusher;

/* For fd, which stays open meanwhile.  NULL where there is no such thread to be had, which costs
 * nothing but time at the end; the functions below take that. */
ffcl_flusher *ffcl_flusher_open(int fd);

/* Bytes from `at` on were written; from any thread. */
void ffcl_flusher_add(ffcl_flusher *flusher, uint64_t at, uint64_t bytes);

/* Ends the thread; what is left is for fsync. */
void ffcl_flusher_close(ffcl_flusher **flusher);

#endif
