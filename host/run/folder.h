/* SPDX-License-Identifier: MIT
 * What lies in an output folder: images by their names, and what does not belong there. */
#ifndef FFCL_RUN_FOLDER_H
#define FFCL_RUN_FOLDER_H

#include "error.h"

/* Images 000000.png, 000001.png, ... of index `from` and above, of ranks that have rank of world;
 * world 1: all. */
typedef struct ffcl_folder_query {
    const char *folder;
    size_t from, world, rank;
    const char *grid;           /* an image of this path is no stranger; may be NULL */
} ffcl_folder_query;

typedef struct ffcl_folder_images {
    size_t n;                   /* of those */
    size_t first;               /* the lowest index of them */
    size_t strangers;           /* images of other names, by their extensions */
    char stranger[64];          /* one of these */
} ffcl_folder_images;

/* Counts; a folder that is not there has none.  FFCL_EOUTPUT: it cannot be read. */
int ffcl_folder_look(const ffcl_folder_query *query, ffcl_folder_images *images, ffcl_error *err);

/* Removes those counted in n.  FFCL_EOUTPUT. */
int ffcl_folder_clear(const ffcl_folder_query *query, ffcl_error *err);

/* Are there images, or can nobody say?  Those that were written and not finished, as an npz failed,
 * need the manifest. */
int ffcl_folder_holds(const ffcl_folder_query *query);

#endif
