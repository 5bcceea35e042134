/* SPDX-License-Identifier: MIT
 * Files that are read: named by the user, or found where others may write.  Only regular files are
 * opened, so that nobody is waited for and nothing is endless; only a name that stands for nothing
 * is absent. */
#ifndef FFCL_FILES_INPUT_H
#define FFCL_FILES_INPUT_H

#include <stdint.h>
#include <stdio.h>

#include "../error.h"

/* Opens a regular file.  FFCL_EFILE; *fd is then -1. */
int ffcl_input_open(int *fd, uint64_t *bytes, const char *path, ffcl_error *err);

/* Whether the path names a pipe, such as the shell's <(command). */
int ffcl_input_is_pipe(const char *path);

/* The same as a stream, of a file of at most `most` bytes, behind a byte order mark if it has one.
 * FFCL_EFILE, FFCL_EFORMAT. */
int ffcl_input_stream(FILE **stream, const char *path, uint64_t most, ffcl_error *err);

/* Bytes of the file of such a stream; UINT64_MAX where nobody says. */
uint64_t ffcl_input_size(FILE *stream);

/* Of a path with no file: FFCL_EFILE, with the remedy, where it is an address such as https://X. */
int ffcl_input_check_local(const char *path, ffcl_error *err);

/* The whole file but a byte order mark in *text, new, with a '\0' behind its *n bytes.
 * FFCL_EFILE, FFCL_EFORMAT where it has more than `most` bytes, FFCL_ENOMEM. */
int ffcl_input_read(char **text, size_t *n, const char *path, size_t most, ffcl_error *err);

/* Which file it is, and that nobody has written into it since: times are those of the last change
 * of its contents and of any change, which no tool sets back.  A file that another is renamed over
 * loses a name and keeps its contents. */
typedef struct ffcl_file_id {
    uint64_t device, inode, bytes, names;
    int64_t written[2], changed[2];     /* seconds, nanoseconds */
} ffcl_file_id;

/* 0, or -1 with errno. */
int ffcl_file_id_get(ffcl_file_id *id, int fd);
int ffcl_file_id_same(const ffcl_file_id *a, const ffcl_file_id *b);

/* 1 where path names nothing, not even a link that leads nowhere. */
int ffcl_input_is_absent(const char *path);

#endif
