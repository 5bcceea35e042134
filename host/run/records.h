/* SPDX-License-Identifier: MIT
 * images.crc32 of an output folder: a line for each image that ffcl wrote there, its index and the
 * CRC-32 of its pixels.  So an image that somebody else put there is known from ffcl's own. */
#ifndef FFCL_RUN_RECORDS_H
#define FFCL_RUN_RECORDS_H

#include "error.h"

#define FFCL_RECORDS_NAME "images.crc32"

typedef struct ffcl_records ffcl_records;

typedef enum ffcl_record_match {
    FFCL_RECORD_NONE,           /* ffcl has written no image of this index */
    FFCL_RECORD_SAME, FFCL_RECORD_OTHER
} ffcl_record_match;

/* Opens the file in folder.  keep: what it says stays; where there is none, the folder is of an
 * earlier version of ffcl, and images are adopted as they are found.  Else it is begun anew, unless
 * is_client, of another process's run, which only adds to it.  FFCL_EOUTPUT, FFCL_ENOMEM. */
int ffcl_records_open(ffcl_records **out, const char *folder, int keep, int is_client,
                      ffcl_error *err);
void ffcl_records_close(ffcl_records **records);

/* Removes the file of a folder in which no image has been made. */
void ffcl_records_remove(const char *folder);

/* Before the file of image index gets its name, from any thread; crc: of its pixels. */
int ffcl_records_put(ffcl_records *records, size_t index, uint32_t crc, ffcl_error *err);

/* What the file says of image index, which was found with pixels of this CRC. */
ffcl_record_match ffcl_records_match(const ffcl_records *records, size_t index, uint32_t crc);

/* Are images without a record taken for ffcl's? */
int ffcl_records_adopts(const ffcl_records *records);
/* Takes one, from any thread; how many have been taken. */
int ffcl_records_adopt(ffcl_records *records, size_t index, uint32_t crc, ffcl_error *err);
size_t ffcl_records_adopted(const ffcl_records *records);

/* Forgets what is said of images from count on.  FFCL_EOUTPUT. */
int ffcl_records_cut(ffcl_records *records, size_t count, ffcl_error *err);

#endif
