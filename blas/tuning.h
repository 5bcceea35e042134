/* SPDX-License-Identifier: MIT
 * Sets of CLBlast's parameters: what there is, which sets are legal, and the text files that
 * ffcl tune writes and [blas] tuning reads (docs/tuning.md). */
#ifndef FFCL_BLAS_TUNING_H
#define FFCL_BLAS_TUNING_H

#include "cl/context.h"

enum { FFCL_TUNING_ROWS = 42, FFCL_TUNING_CHOICES = 8 };

/* A parameter of one of CLBlast's kernels; the rows of a kernel stand together. */
typedef struct ffcl_tuning_row {
    const char *kernel, *name;
    int is_strict;              /* no value but those of choices is legal */
    unsigned short choices[FFCL_TUNING_CHOICES];    /* what ffcl tune tries; ends with NO_CHOICE */
} ffcl_tuning_row;

enum { FFCL_TUNING_NO_CHOICE = 65535 };

extern const ffcl_tuning_row ffcl_tuning_rows[FFCL_TUNING_ROWS];

/* A value a row; all rows of a kernel are UNSET where CLBlast's own values are to stay. */
#define FFCL_TUNING_UNSET SIZE_MAX
typedef struct ffcl_tuning {
    size_t value[FFCL_TUNING_ROWS];
} ffcl_tuning;

/* The home of a set: what it was found on. */
typedef struct ffcl_tuning_home {
    char device[260], platform[260], driver[130], library[130];
} ffcl_tuning_home;

/* A set without any value. */
void ffcl_tuning_clear(ffcl_tuning *t);

/* The row called name, FFCL_TUNING_ROWS where there is none. */
size_t ffcl_tuning_find(const char *name);

/* One past the last row of the kernel that row `first` begins. */
size_t ffcl_tuning_end(size_t first);

/* Takes over every kernel that `from` sets. */
void ffcl_tuning_merge(ffcl_tuning *to, const ffcl_tuning *from);

/* 1 where no kernel is set. */
int ffcl_tuning_is_empty(const ffcl_tuning *t);

/* "NAME=VALUE NAME=VALUE ..." of all values that are set; the caller's to free, NULL without
 * memory.  scan reads it, FFCL_ECONFIG for anything else. */
char *ffcl_tuning_line(const ffcl_tuning *t);
int ffcl_tuning_scan(ffcl_tuning *t, const char *line, ffcl_error *err);

/* 0, or FFCL_ECONFIG and why the kernel that begins with row `first` cannot run so: by the rules of
 * CLBlast's kernels and, where caps is given, by the device's limits. */
int ffcl_tuning_check(const ffcl_tuning *t, size_t first, const ffcl_caps *caps, ffcl_error *err);

/* Hash of the values, 8 hexadecimal digits, by which a sample set's manifest names the
 * parameters. */
void ffcl_tuning_id(const ffcl_tuning *t, char id[9]);

/* The device's home; library is the file name of the CLBlast in use. */
void ffcl_tuning_home_of(ffcl_tuning_home *home, const ffcl_device *device, const char *library);

/* text: what differs, `driver is "A", not "B"`; "" where all that the file states is the same. */
void ffcl_tuning_home_differs(const ffcl_tuning_home *file, const ffcl_tuning_home *here,
                              char *text, size_t size);

/* The file of a home in the user's folder, $XDG_CONFIG_HOME/ffcl/tuning, else
 * ~/.config/ffcl/tuning; NULL where there is no such folder or no memory.  The caller's to free. */
char *ffcl_tuning_path(const ffcl_tuning_home *home, const char *ending);

/* Reads a file.  FFCL_EFILE where it cannot be opened, FFCL_ECONFIG: "FILE:LINE: ...". */
int ffcl_tuning_read(ffcl_tuning *t, ffcl_tuning_home *home, const char *path, ffcl_error *err);

/* Writes it, with the comment at its head ("" or lines that begin with #), whole or not at all;
 * folders are made.  FFCL_EOUTPUT. */
int ffcl_tuning_write(const ffcl_tuning *t, const ffcl_tuning_home *home, const char *comment,
                      const char *path, ffcl_error *err);

#endif
