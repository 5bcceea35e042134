/* SPDX-License-Identifier: MIT
 * Images to evaluate, in order: the array arr_0 of an .npz, or the PNG files (and, where built in,
 * JPEG files) of a folder in the order of their names. */
#ifndef FFCL_EVAL_IMAGES_H
#define FFCL_EVAL_IMAGES_H

#include "error.h"
#include "files/arrays.h"

typedef struct ffcl_images_in ffcl_images_in;

/* Opens a folder; or the images of an .npz that is open and stays so.  FFCL_EFILE: not there,
 * empty; FFCL_EFORMAT: no RGB images of 8 bits, of one size. */
int ffcl_images_open(ffcl_images_in **out, const char *folder, ffcl_error *err);
int ffcl_images_of(ffcl_images_in **out, ffcl_arrays *arrays, ffcl_error *err);
void ffcl_images_close(ffcl_images_in **images);

size_t ffcl_images_count(const ffcl_images_in *images);
void ffcl_images_size(const ffcl_images_in *images, size_t *height, size_t *width);
/* Folders in the folder, and its files that are none of the images. */
size_t ffcl_images_folders(const ffcl_images_in *images);
size_t ffcl_images_passed_over(const ffcl_images_in *images);

/* The next n images into rgb (n, height, width, 3); several files are read at once. */
int ffcl_images_next(ffcl_images_in *images, uint8_t *rgb, size_t n, ffcl_error *err);

/* Image i alone; of an .npz it begins anew, so that a later next begins behind it. */
int ffcl_images_get(ffcl_images_in *images, size_t i, uint8_t *rgb, ffcl_error *err);

#endif
