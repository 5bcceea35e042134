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
    struct ffcl_leftover *leftover;     /* the temporary one */
    char *path, *temporary;     /* path: the given one, or what a link there points to */
    int unflushed;              /* commit renames without waiting for the disk: for files of a set
                                 * that are read back and verified before they are relied on */
} ffcl_atomic_file;

/* Opens a temporary file beside path for writing (seekable).  FFCL_EOUTPUT. */
int ffcl_atomic_open(ffcl_atomic_file *file, const char *path, ffcl_error *err);

/* What ffcl_atomic_open would say, as far as can be told without making a file. */
int ffcl_atomic_look(const char *path, ffcl_error *err);

/* As ffcl_atomic_open for a name that ffcl chose, in a folder where others may write: a link there
 * is replaced and never followed.  mode: the file's rights, as the umask leaves them. */
int ffcl_atomic_open_own(ffcl_atomic_file *file, const char *path, unsigned mode,
                         ffcl_error *err);

/* Appends n bytes at the stream's position.  FFCL_EOUTPUT names path and reason. */
int ffcl_atomic_write(ffcl_atomic_file *file, const void *bytes, size_t n, ffcl_error *err);

/* Asks the file system for the blocks of the first n bytes of a file, so that a disk too small for
 * them shows before hours of work; path is for errors.  FFCL_EOUTPUT; a file system that cannot
 * reserve is no failure. */
int ffcl_reserve(int fd, uint64_t n, const char *path, ffcl_error *err);

/* Flushes to disk and renames.  FFCL_EOUTPUT; the temporary file is then removed. */
int ffcl_atomic_commit(ffcl_atomic_file *file, ffcl_error *err);

/* Removes the temporary file; nothing happens after a commit.  Safe on a zeroed struct. */
void ffcl_atomic_discard(ffcl_atomic_file *file);

/* Refuses what a rename would replace but should not; *target is path, or what a link there points
 * to, and the caller's to free.  FFCL_EOUTPUT. */
int ffcl_atomic_target(char **target, const char *path, ffcl_error *err);

/* FFCL_EOUTPUT: "cannot write PATH: REASON" for an errno, "disk full" among them. */
int ffcl_write_error(const char *path, int number, ffcl_error *err);

/* FFCL_EOUTPUT: "cannot make the folder FOLDER: REASON" for an errno. */
int ffcl_folder_error(const char *folder, int number, ffcl_error *err);

/* Removes temporary files in folder that a killed process left: those of target names for which
 * is_ours is true.  They must not be in use. */
void ffcl_atomic_sweep(const char *folder, int (*is_ours)(void *user, const char *name),
                       void *user);

/* Makes a rename to path durable, where the file system can.  FFCL_EOUTPUT. */
int ffcl_atomic_flush_folder(const char *path, ffcl_error *err);

/* Waits until all that was written to the file system of path is on the disk.  FFCL_EOUTPUT. */
int ffcl_atomic_flush_all(const char *path, ffcl_error *err);

#endif
