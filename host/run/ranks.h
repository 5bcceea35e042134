/* SPDX-License-Identifier: MIT
 * The processes of an mpirun that generate one sample set together.  Rank 0 owns it: it gives
 * indices to the workers of all ranks and takes what npz and grid need; the others write their own
 * files into the shared folder.  ranks_mpi.c is built with MPI=1 and is the only file that includes
 * mpi.h; ranks_one.c is built without: there is one rank. */
#ifndef FFCL_RUN_RANKS_H
#define FFCL_RUN_RANKS_H

#include "run/indices.h"
#include "run/manifest.h"
#include "run/worker.h"

/* This process, and how many there are. */
void ffcl_ranks_where(size_t *rank, size_t *size);

/* What the MPI library says that it is; "": built without. */
void ffcl_ranks_library(char *text, size_t size);

/* Who this process is among those of this computer, and how many; all processes must call it. */
void ffcl_ranks_where_here(size_t *rank, size_t *size);

/* ---- rank 0 ---- */

/* What other ranks ask for; indices are theirs as owner 1 + rank. */
typedef struct ffcl_ranks_server {
    ffcl_indices *indices;
    uint32_t fingerprint;           /* of the settings: a rank with another is refused */
    int wants_pixels;
    size_t image_bytes;             /* of one image */
    size_t features;                /* numbers of one image that are wanted */
    void *user;
    /* An image of another rank: its file is in the folder; rgb NULL unless pixels are wanted,
     * features NULL unless they are. */
    int (*finished)(void *user, size_t index, const uint8_t *rgb, const float *features,
                    ffcl_error *err);
    int (*bad)(void *user, size_t index, int label, const char *stage, ffcl_error *err);
    /* A device of another rank is about to make images; what fails is that rank's failure. */
    int (*member)(void *user, const ffcl_manifest_member *member, ffcl_error *err);
    int (*device)(void *user, const ffcl_manifest_device *device, ffcl_error *err);
    /* A rank has ended: rc and its sentence; what it had was given back. */
    int (*left)(void *user, size_t rank, int rc, const char *text, size_t returned,
                ffcl_error *err);
    size_t n_left;                  /* ranks that have ended; 0 at first */
} ffcl_ranks_server;

/* Answers what has come, without waiting; *active: ranks that have not ended. */
int ffcl_ranks_serve(ffcl_ranks_server *server, size_t *active, ffcl_error *err);

/* ---- other ranks; from any thread ---- */

typedef struct ffcl_ranks_client ffcl_ranks_client;

/* Asks rank 0 whether to begin; *begin is 0 where it has failed or is done. */
int ffcl_ranks_join(ffcl_ranks_client **out, uint32_t fingerprint, size_t image_bytes,
                    int *begin, ffcl_error *err);

/* The functions of an ffcl_index_source whose user is the client. */
size_t ffcl_ranks_take(void *client, size_t *list, size_t n, int wait);
void ffcl_ranks_give_back(void *client, size_t index);

void ffcl_ranks_finished(ffcl_ranks_client *client, size_t index, const uint8_t *rgb,
                         const float *features);
void ffcl_ranks_bad(ffcl_ranks_client *client, size_t index, int label, const char *stage);
/* A device of this rank is about to make images: rank 0 knows whether it may. */
int ffcl_ranks_member(ffcl_ranks_client *client, const ffcl_manifest_member *member,
                      ffcl_error *err);
void ffcl_ranks_device(ffcl_ranks_client *client, const ffcl_manifest_device *device);

/* Takes no more indices. */
void ffcl_ranks_stop(ffcl_ranks_client *client);

/* The last word: rc and its sentence.  Frees the client. */
void ffcl_ranks_leave(ffcl_ranks_client **client, int rc, const char *text);

#endif
