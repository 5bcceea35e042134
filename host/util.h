/* SPDX-License-Identifier: MIT
 * Small helpers without a subject of their own. */
#ifndef FFCL_UTIL_H
#define FFCL_UTIL_H

#include <stddef.h>
#include <stdint.h>

/* a * b in *out; returns 0, or -1 where it does not fit size_t. */
static inline int ffcl_mul(size_t *out, size_t a, size_t b)
{
    if (a && b > SIZE_MAX / a)
        return -1;
    *out = a * b;
    return 0;
}

static inline size_t ffcl_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t ffcl_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline size_t ffcl_div_up(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static inline size_t ffcl_round_up(size_t a, size_t b)
{
    return ffcl_div_up(a, b) * b;
}

/* Elements of the vectors (VW of cl/vector.clh) in which n of them are taken. */
static inline size_t ffcl_vector(size_t n)
{
    return n % 16 == 0 ? 16 : n % 8 == 0 ? 8 : n % 4 == 0 ? 4 : 1;
}

/* A new string of the formatted text, or NULL when memory is short; the caller frees it. */
char *ffcl_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A number that printf wrote in the locale of the library's caller, with a point. */
void ffcl_point(char *text);

/* dir + "/" + name, or a copy of name where it is absolute or dir is NULL or empty. */
char *ffcl_path_join(const char *dir, const char *name);

/* The folder part of path ("." where there is none); the caller frees it. */
char *ffcl_path_dir(const char *path);

/* What follows the last slash of path; the whole where nothing does. */
const char *ffcl_base_name(const char *path);

/* Does text begin with the other?  Is word in a list that ends with NULL? */
int ffcl_begins(const char *text, const char *with);
int ffcl_is_one_of(const char *word, const char *const *words);

/* "s", but "" of one: "%zu image%s". */
const char *ffcl_plural(size_t n);

/* Creates the folders of path that are missing, for this user alone.  0, or the errno, which need
 * not be looked at: a failure shows when the file is opened. */
int ffcl_make_folders(const char *path);

/* The edit distance of a and b (insert, delete, replace, each 1), for "did you mean". */
size_t ffcl_edit_distance(const char *a, const char *b);

/* Processors that the system has; at least 1. */
size_t ffcl_cores(void);

/* Seconds on a clock that nobody sets. */
double ffcl_clock(void);

#endif
