/* SPDX-License-Identifier: MIT
 * Files that appear whole or not at all: written under a temporary name, flushed, renamed.
 *
 * The temporary name is .NAME.PID-TRY.tmp in the same folder.  A symbolic link is followed: its
 * target is replaced.  Only regular files are replaced, never a device or a pipe. */
#ifndef FFCL_FILES_ATOMIC_H
#define FFCL_FILES_ATOMIC_H

#include <stdio.h>

#include "../error.h"

typedef struct ffcl_atomic_file {
    FILE *stream;
    char *path, *temporary;     /* path: the given one, or what a link there points to */
} ffcl_atomic_file;

/* Opens a temporary file beside path for writing (seekable).  FFCL_EOUTPUT. */
int ffcl_atomic_open(ffcl_atomic_file *file, const char *path, ffcl_error *err);

/* Appends n bytes at the stream's position.  FFCL_EOUTPUT names path and reason. */
int ffcl_atomic_write(ffcl_atomic_file *file, const void *bytes, size_t n, ffcl_error *err);

/* The next write goes to this offset from the start. */
int ffcl_atomic_seek(ffcl_atomic_file *file, uint64_t offset, ffcl_error *err);

/* Asks the file system for the blocks of the first n bytes, so that a disk too small for them
 * shows before hours of work.  FFCL_EOUTPUT; a file system that cannot reserve is no failure. */
int ffcl_atomic_reserve(ffcl_atomic_file *file, uint64_t n, ffcl_error *err);

/* Flushes to disk and renames.  FFCL_EOUTPUT; the temporary file is then removed. */
int ffcl_atomic_commit(ffcl_atomic_file *file, ffcl_error *err);

/* Removes the temporary file; nothing happens after a commit.  Safe on a zeroed struct. */
void ffcl_atomic_discard(ffcl_atomic_file *file);

#endif
