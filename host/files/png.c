/* SPDX-License-Identifier: MIT */
#include "png.h"

#include <errno.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "../util.h"
#include "atomic.h"
#include "input.h"

/* SIDE_LIMIT: pixels; libpng's own limit is a million.  UNPACKED: a byte of a zlib stream stands
 * for at most so many bytes of rows (zlib's page "Technical Details", maximum compression
 * factor). */
enum { SIDE_LIMIT = 1 << 24, UNPACKED = 1032 };

/* Everything that must outlive libpng's longjmp.  The functions that call setjmp keep no other
 * state, so no local can be clobbered. */
typedef struct png_job {
    png_structp png;
    png_infop info;
    const char *path;
    ffcl_error *err;
    int status;                 /* set where a failure has been described already */
    int is_short;               /* reading: there was no memory for something */
    char message[128];          /* libpng's own words */
    ffcl_atomic_file file;      /* writing */
    FILE *stream;               /* reading */
    uint8_t *rgb;               /* reading: (height, width, 3) */
    png_bytep *rows;            /* reading: (height) */
    size_t height, width;
    ffcl_png_text_visitor *visit;   /* reading: texts are wanted, and no pixels */
    void *user;
    int is_known;               /* reading: rgb, height and width are the caller's */
    const ffcl_png_options *options;    /* writing */
    size_t written;             /* writing: bytes so far */
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

/* libpng passes over a text that there is no memory for, or calls its chunk a wrong one. */
static png_voidp on_malloc(png_structp png, png_alloc_size_t n)
{
    png_job *job = png_get_mem_ptr(png);
    void *memory = malloc(n);
    job->is_short |= !memory;
    return memory;
}

static void on_write(png_structp png, png_bytep bytes, size_t n)
{
    png_job *job = png_get_io_ptr(png);
    job->written += n;
    if (job->file.stream)       /* else only the size is wanted */
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

/* After libpng gave up; it does not report that memory was short, but malloc does. */
__attribute__((format(printf, 3, 0)))
static int gave_up(png_job *job, int code, const char *sentence)
{
    char text[300];
    if (job->status)
        return job->status;
    if (errno == ENOMEM || job->is_short)
        return ffcl_fail(job->err, FFCL_ENOMEM, "host memory does not suffice for the PNG %s",
                         job->path);
    snprintf(text, sizeof text, "%s", job->message);
    return ffcl_fail(job->err, code, sentence, job->path, text);
}

/* Long ones are compressed; others than ASCII are said to be UTF-8. */
static void write_texts(png_job *job)
{
    enum { LONG = 1000 };
    for (const ffcl_png_text *t = job->options->texts; t && t->key; t++) {
        const size_t n = strlen(t->text);
        int is_ascii = 1;
        for (size_t i = 0; i < n; i++)
            is_ascii &= (unsigned char)t->text[i] < 0x80;
        png_text text = {
            .compression = is_ascii ? n > LONG ? PNG_TEXT_COMPRESSION_zTXt
                                               : PNG_TEXT_COMPRESSION_NONE
                                    : n > LONG ? PNG_ITXT_COMPRESSION_zTXt
                                               : PNG_ITXT_COMPRESSION_NONE,
            .key = (char *)t->key, .text = (char *)t->text, .text_length = is_ascii ? n : 0,
            .itxt_length = is_ascii ? 0 : n};
        png_set_text(job->png, job->info, &text, 1);
    }
}

/* The libpng calls of writing; 0, or a status after libpng gave up. */
static int encode(png_job *job, const uint8_t *rgb)
{
    errno = 0;
    if (setjmp(png_jmpbuf(job->png)))
        return gave_up(job, FFCL_EOUTPUT, "cannot write %s: libpng: %s");
    png_set_user_limits(job->png, SIDE_LIMIT, SIDE_LIMIT);
    png_set_write_fn(job->png, job, on_write, on_flush);
    if (job->options->level >= 0)
        png_set_compression_level(job->png, job->options->level);
    png_set_IHDR(job->png, job->info, (png_uint_32)job->width, (png_uint_32)job->height, 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    write_texts(job);
    png_write_info(job->png, job->info);
    for (size_t y = 0; y < job->height; y++)
        png_write_row(job->png, rgb + y * job->width * 3);
    png_write_end(job->png, NULL);
    return 0;
}

static int write_png(png_job *job, const uint8_t *rgb)
{
    job->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, job, on_error, on_warning);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    const int status = job->info ? encode(job, rgb)
                                 : ffcl_fail(job->err, FFCL_ENOMEM,
                                             "cannot write %s: out of host memory", job->path);
    png_destroy_write_struct(&job->png, &job->info);
    return status;
}

int ffcl_png_write_as(const char *path, const uint8_t *rgb, size_t height, size_t width,
                      const ffcl_png_options *options, ffcl_error *err)
{
    if (height == 0 || width == 0 || height > SIDE_LIMIT || width > SIDE_LIMIT)
        return ffcl_fail(err, FFCL_EOUTPUT,
                         "cannot write %s: an image of %zu x %zu pixels is no PNG (sides are "
                         "1 to %d)", path, width, height, SIDE_LIMIT);
    png_job job = { .path = path, .err = err, .height = height, .width = width,
                    .options = options };
    int status = options->is_of_many ? ffcl_atomic_open_own(&job.file, path, 0666, err)
                                     : ffcl_atomic_open(&job.file, path, err);
    if (status)
        return status;
    job.file.unflushed = options->is_of_many;
    status = write_png(&job, rgb);
    if (!status)
        status = ffcl_atomic_commit(&job.file, err);
    ffcl_atomic_discard(&job.file);
    return status;
}

int ffcl_png_write(const char *path, const uint8_t *rgb, size_t height, size_t width,
                   ffcl_error *err)
{
    return ffcl_png_write_as(path, rgb, height, width, &(ffcl_png_options){.level = -1}, err);
}

int ffcl_png_size(size_t *bytes, const uint8_t *rgb, size_t height, size_t width,
                  const ffcl_png_options *options, ffcl_error *err)
{
    png_job job = { .path = "an image", .err = err, .height = height, .width = width,
                    .options = options };
    const int status = write_png(&job, rgb);
    *bytes = job.written;
    return status;
}

/* No memory is asked for that the file's pixels cannot fill. */
static void check_size(png_job *job)
{
    char text[120];
    const uint64_t bytes = ffcl_input_size(job->stream);
    if ((double)png_get_rowbytes(job->png, job->info) * (double)job->height <=
        (double)UNPACKED * (double)bytes)
        return;
    snprintf(text, sizeof text, "its %llu bytes cannot hold the %zu x %zu pixels of its header",
             (unsigned long long)bytes, job->width, job->height);
    png_error(job->png, text);
}

/* Buffers for job->height x job->width; not in decode(), where a longjmp could cross it. */
static int allocate(png_job *job)
{
    size_t pixels, bytes, pointers;
    if (!ffcl_mul(&pixels, job->height, job->width) && !ffcl_mul(&bytes, pixels, 3)
        && !ffcl_mul(&pointers, job->height, sizeof *job->rows)) {
        if (!job->is_known)
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

/* Chunks that are passed over: names of four letters with a zero each. */
static const png_byte unwanted[] = "zTXt\0iTXt\0tEXt\0iCCP\0sPLT\0eXIf\0hIST";

/* The libpng calls of reading; 0, or a status. */
static int decode(png_job *job)
{
    errno = 0;
    if (setjmp(png_jmpbuf(job->png)))
        return gave_up(job, FFCL_EFORMAT, "%s is not a readable PNG: %s");
    png_set_read_fn(job->png, job, on_read);
    /* Texts and profiles are nothing that is wanted, however much they may unpack to. */
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, unwanted,
                                sizeof unwanted / 5);
    png_read_info(job->png, job->info);
    const size_t height = png_get_image_height(job->png, job->info);
    const size_t width = png_get_image_width(job->png, job->info);
    if (job->is_known && (height != job->height || width != job->width))
        png_error(job->png, "it is of another size");
    job->height = height;
    job->width = width;
    check_size(job);
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

/* Likewise of the head alone, up to the pixels. */
static int decode_texts(png_job *job)
{
    png_textp texts = NULL;
    errno = 0;
    if (setjmp(png_jmpbuf(job->png)))
        return gave_up(job, FFCL_EFORMAT, "%s is not a readable PNG: %s");
    png_set_read_fn(job->png, job, on_read);
    png_set_chunk_malloc_max(job->png, FFCL_PNG_TEXT_BYTES);
    png_read_info(job->png, job->info);
    const int n = png_get_text(job->png, job->info, &texts, NULL);
    for (int i = 0; i < n; i++)
        if (texts[i].key && texts[i].text)
            job->visit(job->user, texts[i].key, texts[i].text);
    return job->is_short ? gave_up(job, FFCL_ENOMEM, "%s: %s") : 0;
}

static int read_png(png_job *job)
{
    int status = ffcl_input_stream(&job->stream, job->path, INT64_MAX, job->err);
    if (status)
        return status;
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job,
                                        on_malloc, NULL);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    status = job->info ? job->visit ? decode_texts(job) : decode(job)
                       : ffcl_fail(job->err, FFCL_ENOMEM, "cannot read %s: out of host memory",
                                   job->path);
    png_destroy_read_struct(&job->png, &job->info, NULL);
    fclose(job->stream);
    free(job->rows);
    return status;
}

int ffcl_png_read(const char *path, uint8_t **rgb, size_t *height, size_t *width,
                  ffcl_error *err)
{
    png_job job = { .path = path, .err = err };
    int status = read_png(&job);
    *rgb = NULL;
    if (status) {
        free(job.rgb);
        return status;
    }
    *rgb = job.rgb;
    *height = job.height;
    *width = job.width;
    return 0;
}

int ffcl_png_read_as(const char *path, uint8_t *rgb, size_t height, size_t width, ffcl_error *err)
{
    png_job job = { .path = path, .err = err, .rgb = rgb, .height = height, .width = width,
                    .is_known = 1 };
    return read_png(&job);
}

int ffcl_png_texts(const char *path, ffcl_png_text_visitor *visit, void *user, ffcl_error *err)
{
    png_job job = { .path = path, .err = err, .visit = visit, .user = user };
    return read_png(&job);
}
