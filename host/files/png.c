/* SPDX-License-Identifier: MIT */
#include "png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "../util.h"
#include "atomic.h"

enum { SIDE_LIMIT = 1 << 24 };  /* pixels; libpng's own limit is a million */

/* Everything that must outlive libpng's longjmp.  The functions that call setjmp keep no other
 * state, so no local can be clobbered. */
typedef struct png_job {
    png_structp png;
    png_infop info;
    const char *path;
    ffcl_error *err;
    int status;                 /* set where a failure has been described already */
    char message[128];          /* libpng's own words */
    ffcl_atomic_file file;      /* writing */
    FILE *stream;               /* reading */
    uint8_t *rgb;               /* reading: (height, width, 3) */
    png_bytep *rows;            /* reading: (height) */
    size_t height, width;
    int level;                  /* writing: zlib's, -1 for libpng's own choice */
} png_job;

static void on_error(png_structp png, png_const_charp message)
{
    png_job *job = png_get_error_ptr(png);
    snprintf(job->message, sizeof job->message, "%s", message);
    png_longjmp(png, 1);
}

/* Warnings are about oddities of files that still decode. */
static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    png_job *job = png_get_io_ptr(png);
    job->status = ffcl_atomic_write(&job->file, bytes, n, job->err);
    if (job->status)
        png_error(png, "");
}

/* The commit flushes. */
static void on_flush(png_structp png)
{
    (void)png;
}

static void on_read(png_structp png, png_bytep bytes, size_t n)
{
    png_job *job = png_get_io_ptr(png);
    errno = 0;
    if (fread(bytes, 1, n, job->stream) == n)
        return;
    if (ferror(job->stream))
        job->status = ffcl_fail(job->err, FFCL_EFILE, "cannot read %s: %s", job->path,
                                strerror(errno));
    png_error(png, "the file is truncated");
}

/* The libpng calls of writing; 0, or a status after libpng gave up. */
static int encode(png_job *job, const uint8_t *rgb)
{
    if (setjmp(png_jmpbuf(job->png)))
        return job->status ? job->status
                           : ffcl_fail(job->err, FFCL_EOUTPUT, "cannot write %s: libpng: %s",
                                       job->path, job->message);
    png_set_user_limits(job->png, SIDE_LIMIT, SIDE_LIMIT);
    png_set_write_fn(job->png, job, on_write, on_flush);
    if (job->level >= 0)
        png_set_compression_level(job->png, job->level);
    png_set_IHDR(job->png, job->info, (png_uint_32)job->width, (png_uint_32)job->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_write_info(job->png, job->info);
    for (size_t y = 0; y < job->height; y++)
        png_write_row(job->png, rgb + y * job->width * 3);
    png_write_end(job->png, NULL);
    return 0;
}

static int write_png(const char *path, const uint8_t *rgb, size_t height, size_t width, int level,
                     int unflushed, ffcl_error *err)
{
    if (height == 0 || width == 0 || height > SIDE_LIMIT || width > SIDE_LIMIT)
        return ffcl_fail(err, FFCL_EOUTPUT,
                         "cannot write %s: an image of %zu x %zu pixels is no PNG (sides are "
                         "1 to %d)", path, width, height, SIDE_LIMIT);
    png_job job = { .path = path, .err = err, .height = height, .width = width,
                    .level = level };
    int status = ffcl_atomic_open(&job.file, path, err);
    if (status)
        return status;
    job.file.unflushed = unflushed;
    job.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info) {
        status = ffcl_fail(err, FFCL_ENOMEM, "cannot write %s: out of host memory", path);
        goto out;
    }
    status = encode(&job, rgb);
    if (!status)
        status = ffcl_atomic_commit(&job.file, err);
out:
    png_destroy_write_struct(&job.png, &job.info);
    ffcl_atomic_discard(&job.file);
    return status;
}

int ffcl_png_write(const char *path, const uint8_t *rgb, size_t height, size_t width,
                   ffcl_error *err)
{
    return write_png(path, rgb, height, width, -1, 0, err);
}

int ffcl_png_write_many(const char *path, const uint8_t *rgb, size_t height, size_t width,
                        int level, ffcl_error *err)
{
    return write_png(path, rgb, height, width, level, 1, err);
}

/* Buffers for job->height x job->width; not in decode(), where a longjmp could cross it. */
static int allocate(png_job *job)
{
    size_t pixels, bytes, pointers;
    if (!ffcl_mul(&pixels, job->height, job->width) && !ffcl_mul(&bytes, pixels, 3)
        && !ffcl_mul(&pointers, job->height, sizeof *job->rows)) {
        job->rgb = malloc(bytes);
        job->rows = malloc(pointers);
    }
    if (!job->rgb || !job->rows)
        return ffcl_fail(job->err, FFCL_ENOMEM, "cannot read %s: no host memory for %zu x %zu "
                         "pixels", job->path, job->width, job->height);
    for (size_t y = 0; y < job->height; y++)
        job->rows[y] = job->rgb + y * job->width * 3;
    return 0;
}

/* The libpng calls of reading; 0, or a status. */
static int decode(png_job *job)
{
    if (setjmp(png_jmpbuf(job->png)))
        return job->status ? job->status
                           : ffcl_fail(job->err, FFCL_EFORMAT, "%s is not a readable PNG: %s",
                                       job->path, job->message);
    png_set_read_fn(job->png, job, on_read);
    png_read_info(job->png, job->info);
    job->height = png_get_image_height(job->png, job->info);
    job->width = png_get_image_width(job->png, job->info);
    if (png_get_bit_depth(job->png, job->info) == 16)
        png_error(job->png, "16 bits a channel, 8 are expected");
    png_set_expand(job->png);               /* palettes and fewer bits, without loss */
    png_set_gray_to_rgb(job->png);
    png_set_strip_alpha(job->png);
    png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    if (png_get_rowbytes(job->png, job->info) != job->width * 3)
        png_error(job->png, "an unknown pixel layout");
    job->status = allocate(job);
    if (job->status)
        return job->status;
    png_read_image(job->png, job->rows);
    png_read_end(job->png, NULL);
    return 0;
}

int ffcl_png_read(const char *path, uint8_t **rgb, size_t *height, size_t *width,
                  ffcl_error *err)
{
    int status = 0;
    png_job job = { .path = path, .err = err };
    *rgb = NULL;
    job.stream = fopen(path, "rb");
    if (!job.stream)
        return ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", path, strerror(errno));
    job.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning);
    job.info = job.png ? png_create_info_struct(job.png) : NULL;
    if (!job.info) {
        status = ffcl_fail(err, FFCL_ENOMEM, "cannot read %s: out of host memory", path);
        goto out;
    }
    status = decode(&job);
    if (!status) {
        *rgb = job.rgb;
        job.rgb = NULL;
        *height = job.height;
        *width = job.width;
    }
out:
    png_destroy_read_struct(&job.png, &job.info, NULL);
    fclose(job.stream);
    free(job.rows);
    free(job.rgb);
    return status;
}
