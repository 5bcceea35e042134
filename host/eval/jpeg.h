/* SPDX-License-Identifier: MIT
 * JPEG files, where ffcl is built with libjpeg (the Makefile looks for it). */
#ifndef FFCL_EVAL_JPEG_H
#define FFCL_EVAL_JPEG_H

#include "error.h"

int ffcl_jpeg_is_known(void);
/* The library that ffcl was built with, "libjpeg-turbo 2.1.5"; "": none. */
const char *ffcl_jpeg_version(void);
/* FFCL_EFILE, FFCL_EFORMAT: no RGB JPEG (grey, CMYK), or not of this size. */
int ffcl_jpeg_size(const char *path, size_t *height, size_t *width, ffcl_error *err);
int ffcl_jpeg_read_as(const char *path, uint8_t *rgb, size_t height, size_t width,
                      ffcl_error *err);

#endif
