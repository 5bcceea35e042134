/* SPDX-License-Identifier: MIT
 * Threads that check, compress and write finished images while devices compute others. */
#ifndef FFCL_RUN_WRITERS_H
#define FFCL_RUN_WRITERS_H

#include "error.h"

/* One batch of a worker, from its indices to its files.  Each worker has a few and uses them in
 * turn, which bounds the memory of a run. */
typedef struct ffcl_parcel {
    size_t n;                   /* images */
    size_t *index;              /* (n) */
    int32_t *y;                 /* (n) labels */
    float *z, *later;           /* (n, C, R, R), (later noises, n, C, R, R) */
    uint8_t *rgb;               /* (n, S, S, 3) */
    float *features;            /* (n, FFCL_INCEPTION_ALL), or NULL: nobody wants them */
    const char **stages;        /* (n) NULL, or where the image is not finite */
    size_t next, unfinished;    /* of the writers */
    struct ffcl_parcel *after;
} ffcl_parcel;

typedef struct ffcl_writers ffcl_writers;

/* Handles image k of a parcel: called once for each, from several threads at a time. */
typedef void ffcl_writer(void *user, const ffcl_parcel *parcel, size_t k);

int ffcl_writers_open(ffcl_writers **out, size_t threads, ffcl_writer *write, void *user,
                      ffcl_error *err);

/* Hands a parcel over; it must not be touched before ffcl_writers_wait has returned for it. */
void ffcl_writers_give(ffcl_writers *writers, ffcl_parcel *parcel);
void ffcl_writers_wait(ffcl_writers *writers, const ffcl_parcel *parcel);

/* Returns once everything is handled. */
void ffcl_writers_close(ffcl_writers **writers);

#endif
