/* SPDX-License-Identifier: MIT
 * Temporary files and folders that are there just now: a program that dies by a signal of its own
 * accord removes them first. */
#ifndef FFCL_FILES_LEFTOVERS_H
#define FFCL_FILES_LEFTOVERS_H

typedef struct ffcl_leftover ffcl_leftover;

/* Remembers the path, which is copied; NULL when memory is short, and then it would stay. */
ffcl_leftover *ffcl_leftover_add(const char *path);

/* The path is gone, or has become what it was to be.  *l, which may be NULL, is NULL then. */
void ffcl_leftover_done(ffcl_leftover **l);

/* Removes what is remembered, the last first: files of a folder, then that.  From any thread; the
 * process ends afterwards. */
void ffcl_leftovers_remove(void);

#endif
