/* SPDX-License-Identifier: MIT
 * Images as PNG files, RGB, 8 bits. */
#ifndef FFCL_FILES_PNG_H
#define FFCL_FILES_PNG_H

#include "../error.h"

/* Writes rgb (height, width, 3) to path: a temporary file beside it, flush, rename, so that
 * path is either whole or untouched.  FFCL_EOUTPUT names path and reason (folder missing,
 * read-only, disk full); the temporary file is removed. */
int ffcl_png_write(const char *path, const uint8_t *rgb, size_t height, size_t width,
                   ffcl_error *err);

/* A text beside the pixels, UTF-8; the key in Latin letters, at most 79. */
typedef struct ffcl_png_text {
    const char *key, *text;     /* key NULL ends a list */
} ffcl_png_text;

/* How else a PNG is written. */
typedef struct ffcl_png_options {
    int level;                  /* of compression, from 0 (none) to 9; -1: libpng's own choice */
    int is_of_many;             /* renamed without waiting for the disk (ffcl_atomic_file) */
    const ffcl_png_text *texts; /* NULL: none */
} ffcl_png_options;
int ffcl_png_write_as(const char *path, const uint8_t *rgb, size_t height, size_t width,
                      const ffcl_png_options *options, ffcl_error *err);

/* The bytes that such a file would have; nothing is written. */
int ffcl_png_size(size_t *bytes, const uint8_t *rgb, size_t height, size_t width,
                  const ffcl_png_options *options, ffcl_error *err);

/* Calls visit with the texts before the pixels of a PNG, each of at most so many bytes; they are
 * as the file has them, which may be anything.  FFCL_EFILE, FFCL_EFORMAT. */
enum { FFCL_PNG_TEXT_BYTES = 1 << 20 };
typedef void ffcl_png_text_visitor(void *user, const char *key, const char *text);
int ffcl_png_texts(const char *path, ffcl_png_text_visitor *visit, void *user, ffcl_error *err);

/* Reads an RGB or RGBA or grey 8-bit PNG as RGB; *rgb is the caller's to free. */
int ffcl_png_read(const char *path, uint8_t **rgb, size_t *height, size_t *width,
                  ffcl_error *err);

/* The same of a PNG of this size alone, into the caller's rgb (height, width, 3): what another one
 * says of its size costs no memory.  FFCL_EFORMAT where it is another. */
int ffcl_png_read_as(const char *path, uint8_t *rgb, size_t height, size_t width,
                     ffcl_error *err);

#endif
