/* SPDX-License-Identifier: MIT
 * The arrays of an .npz, read: numbers of any usual type, streamed, stored or compressed; and a
 * small .npz written. */
#ifndef FFCL_FILES_ARRAYS_H
#define FFCL_FILES_ARRAYS_H

#include "../error.h"

enum { FFCL_ARRAY_RANK = 4 };

typedef struct ffcl_array {
    char name[40];              /* without .npy */
    char type;                  /* u unsigned, i signed, f float */
    int is_swapped;             /* bytes of an element in the other order: big-endian */
    int is_fortran;             /* a matrix by columns */
    size_t item;                /* bytes an element */
    int rank;
    size_t shape[FFCL_ARRAY_RANK], count;
} ffcl_array;

typedef struct ffcl_arrays ffcl_arrays;

/* Reads the directory and the headers of the arrays.  Arrays of other kinds (objects, more axes
 * than four or than two in Fortran's order) and of long names are left out.  FFCL_EFILE,
 * FFCL_EFORMAT: no zip archive, cut short, encrypted, more arrays than are read, an array shorter
 * than its shape says, two of one name; FFCL_ENOMEM. */
int ffcl_arrays_open(ffcl_arrays **out, const char *path, ffcl_error *err);
void ffcl_arrays_close(ffcl_arrays **arrays);
const char *ffcl_arrays_path(const ffcl_arrays *arrays);

/* Array i, or NULL where there are fewer. */
const ffcl_array *ffcl_arrays_at(const ffcl_arrays *arrays, size_t i);

/* The name of array i of those that are left out, cut where it is longer than ffcl_array's; or
 * NULL. */
const char *ffcl_arrays_left_out_at(const ffcl_arrays *arrays, size_t i);

/* The array of that name, or NULL. */
const ffcl_array *ffcl_arrays_find(const ffcl_arrays *arrays, const char *name);

/* Of an array that is there and left out: its header, which says why; else NULL. */
const char *ffcl_arrays_left_out(const ffcl_arrays *arrays, const char *name);

/* The next n elements' bytes of the array, from its first on after ffcl_arrays_rewind; one array
 * at a time.  The checksum is compared at the end.  FFCL_EFORMAT, FFCL_EFILE. */
int ffcl_arrays_rewind(ffcl_arrays *arrays, const ffcl_array *array, ffcl_error *err);
int ffcl_arrays_read(ffcl_arrays *arrays, void *to, size_t n, ffcl_error *err);

/* The whole array as doubles, new, rows first. */
int ffcl_arrays_doubles(ffcl_arrays *arrays, const ffcl_array *array, double **out,
                        ffcl_error *err);

/* What ffcl_arrays_write writes: doubles, or bytes of a text. */
typedef struct ffcl_array_out {
    const char *name;
    int rank;
    size_t shape[2];
    const double *doubles;      /* NULL: text */
    const char *text;
} ffcl_array_out;

/* A new .npz of n stored arrays at path, whole or not at all.  FFCL_EOUTPUT, FFCL_ENOMEM. */
int ffcl_arrays_write(const char *path, const ffcl_array_out *arrays, size_t n, ffcl_error *err);

#endif
