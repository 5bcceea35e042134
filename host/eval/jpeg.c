/* SPDX-License-Identifier: MIT */
#include "eval/jpeg.h"

#ifdef FFCL_JPEG
#include <errno.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "files/input.h"

typedef struct reader {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    jmp_buf back;
    char text[JMSG_LENGTH_MAX];
} reader;

static void give_up(j_common_ptr jpeg)
{
    reader *r = jpeg->client_data;
    jpeg->err->format_message(jpeg, r->text);
    longjmp(r->back, 1);
}

/* Warnings are damage: pixels would be made up. */
static void warn(j_common_ptr jpeg, int level)
{
    if (level < 0)
        give_up(jpeg);
}

/* Can the file hold its pixels?  Of the component of most samples a block of 8 x 8 has a Huffman
 * code of at least one bit; arithmetic coding has none. */
static int is_enough(const reader *r, uint64_t bytes)
{
    const uint64_t blocks = (uint64_t)((r->jpeg.image_height + 7) / 8) *
                            ((r->jpeg.image_width + 7) / 8);
    return r->jpeg.arith_code || blocks / 8 <= bytes;
}

/* The calls of libjpeg; rgb NULL: the size alone. */
static int decode(reader *r, FILE *stream, const char *path, uint8_t *rgb, size_t *height,
                  size_t *width, ffcl_error *err)
{
    if (setjmp(r->back)) {
        /* libjpeg takes a disk that fails for the end of the file. */
        if (ferror(stream))
            return ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", path, strerror(errno));
        if (r->manager.msg_code == JERR_OUT_OF_MEMORY)
            return ffcl_fail(err, FFCL_ENOMEM, "host memory does not suffice for the JPEG %s",
                             path);
        return ffcl_fail(err, FFCL_EFORMAT, "%s is not a readable JPEG: %s", path, r->text);
    }
    jpeg_create_decompress(&r->jpeg);
    jpeg_stdio_src(&r->jpeg, stream);
    jpeg_read_header(&r->jpeg, TRUE);
    if (r->jpeg.num_components != 3)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is %s, and RGB images are evaluated: convert it to "
                         "RGB first", path, r->jpeg.num_components == 1 ? "grey"
                         : r->jpeg.num_components == 4 ? "of four inks (CMYK)"
                                                       : "no RGB image");
    if (rgb && (r->jpeg.image_height != *height || r->jpeg.image_width != *width))
        return ffcl_fail(err, FFCL_EFORMAT, "%s has %u x %u pixels, and the first image %zu x "
                         "%zu: all images must be of one size", path, r->jpeg.image_width,
                         r->jpeg.image_height, *width, *height);
    *height = r->jpeg.image_height;
    *width = r->jpeg.image_width;
    const uint64_t bytes = ffcl_input_size(stream);
    if (!is_enough(r, bytes))
        return ffcl_fail(err, FFCL_EFORMAT, "%s is not a readable JPEG: its %llu bytes cannot hold "
                         "the %zu x %zu pixels of its header", path, (unsigned long long)bytes,
                         *width, *height);
    if (!rgb)
        return 0;
    r->jpeg.out_color_space = JCS_RGB;
    jpeg_start_decompress(&r->jpeg);
    while (r->jpeg.output_scanline < r->jpeg.output_height) {
        JSAMPROW row = rgb + (size_t)r->jpeg.output_scanline * *width * 3;
        jpeg_read_scanlines(&r->jpeg, &row, 1);
    }
    jpeg_finish_decompress(&r->jpeg);
    return 0;
}

static int read_jpeg(const char *path, uint8_t *rgb, size_t *height, size_t *width,
                     ffcl_error *err)
{
    reader r;
    FILE *stream;
    memset(&r, 0, sizeof r);
    int rc = ffcl_input_stream(&stream, path, INT64_MAX, err);
    if (rc)
        return rc;
    r.jpeg.err = jpeg_std_error(&r.manager);
    r.manager.error_exit = give_up;
    r.manager.emit_message = warn;
    r.jpeg.client_data = &r;
    rc = decode(&r, stream, path, rgb, height, width, err);
    jpeg_destroy_decompress(&r.jpeg);
    fclose(stream);
    return rc;
}

int ffcl_jpeg_is_known(void)
{
    return 1;
}

/* The library itself tells nobody its version. */
#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

const char *ffcl_jpeg_version(void)
{
#ifdef LIBJPEG_TURBO_VERSION
    return "libjpeg-turbo " TEXT(LIBJPEG_TURBO_VERSION);
#else
    return "libjpeg " TEXT(JPEG_LIB_VERSION);
#endif
}

int ffcl_jpeg_size(const char *path, size_t *height, size_t *width, ffcl_error *err)
{
    return read_jpeg(path, NULL, height, width, err);
}

int ffcl_jpeg_read_as(const char *path, uint8_t *rgb, size_t height, size_t width, ffcl_error *err)
{
    return read_jpeg(path, rgb, &height, &width, err);
}
#else
int ffcl_jpeg_is_known(void)
{
    return 0;
}

const char *ffcl_jpeg_version(void)
{
    return "";
}

int ffcl_jpeg_size(const char *path, size_t *height, size_t *width, ffcl_error *err)
{
    *height = *width = 0;
    return ffcl_fail(err, FFCL_EFORMAT, "%s: this ffcl is built without libjpeg", path);
}

int ffcl_jpeg_read_as(const char *path, uint8_t *rgb, size_t height, size_t width, ffcl_error *err)
{
    (void)rgb;
    return ffcl_jpeg_size(path, &height, &width, err);
}
#endif
