/* SPDX-License-Identifier: MIT */
#include "eval/images.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "eval/jpeg.h"
#include "files/input.h"
#include "files/png.h"
#include "files/tensorfile.h"
#include "team.h"
#include "util.h"

struct ffcl_images_in {
    char *folder, **names;      /* (count) of a folder; else NULL */
    ffcl_arrays *arrays;
    const ffcl_array *array;
    size_t count, passed_over, folders, height, width, at;
    ffcl_team *team;
};

static int ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n > m && strcasecmp(name + n - m, end) == 0;
}

static int is_png(const char *name)
{
    return ends_with(name, ".png");
}

static int is_jpeg(const char *name)
{
    return ends_with(name, ".jpg") || ends_with(name, ".jpeg");
}

static int is_image(const char *name)
{
    return name[0] != '.' && (is_png(name) || (ffcl_jpeg_is_known() && is_jpeg(name)));
}

/* Images of a kind that is not read: what other evaluators would count, too. */
static int is_other_image(const char *name)
{
    static const char *const ends[] = {".bmp", ".gif", ".pgm", ".ppm", ".tif", ".tiff", ".webp"};
    int is_one = is_jpeg(name) && !ffcl_jpeg_is_known();
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        is_one |= ends_with(name, ends[i]);
    return is_one && name[0] != '.';
}

/* What ffcl leaves beside images, and what is hidden. */
static int is_own(const char *name)
{
    static const char *const names[] = {"manifest.json", "evaluation.json", "labels.txt",
                                        "images.crc32"};
    int own = name[0] == '.';
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        own |= strcmp(name, names[i]) == 0;
    return own;
}

/* Of classes, as ImageNet is laid out. */
static int is_folder(const char *folder, const char *name)
{
    struct stat st;
    char *path = name[0] == '.' ? NULL : ffcl_path_join(folder, name);
    const int yes = path && stat(path, &st) == 0 && S_ISDIR(st.st_mode);
    free(path);
    return yes;
}

/* Big-endian, as PNGs have them. */
static uint32_t number_at(const unsigned char *c)
{
    return (uint32_t)c[0] << 24 | (uint32_t)c[1] << 16 | (uint32_t)c[2] << 8 | c[3];
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list(ffcl_images_in *s, ffcl_error *err)
{
    DIR *dir = opendir(s->folder);
    size_t room = 0;
    if (!dir)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: %s", s->folder, strerror(errno));
    int rc = 0;
    errno = 0;
    for (struct dirent *e; rc == 0 && (e = readdir(dir)); errno = 0) {
        if (is_other_image(e->d_name)) {
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s holds %s, an image of a kind that is not read: "
                           "convert it to PNG, or move it", s->folder, e->d_name);
            break;
        }
        if (!is_image(e->d_name)) {
            const int folder = is_folder(s->folder, e->d_name);
            s->folders += folder;
            s->passed_over += !folder && !is_own(e->d_name);
            continue;
        }
        if (s->count == room) {
            char **grown = realloc(s->names, (room ? 2 * room : 1024) * sizeof *grown);
            room = room ? 2 * room : 1024;
            if (!grown) {
                rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the names in %s", s->folder);
                break;
            }
            s->names = grown;
        }
        s->names[s->count] = ffcl_path_join(s->folder, e->d_name);
        if (!s->names[s->count])
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the names in %s", s->folder);
        else
            s->count++;
    }
    if (rc == 0 && errno)
        rc = ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", s->folder, strerror(errno));
    closedir(dir);
    if (rc == 0 && s->count == 0)
        rc = ffcl_fail(err, FFCL_EFILE, s->folders ? "%s holds no PNG%s files, and the %zu folders "
                       "in it are not looked into: name one of them, or put all images into one"
                       : "%s holds no PNG%s files", s->folder,
                       ffcl_jpeg_is_known() ? " or JPEG" : "", s->folders);
    if (rc == 0)
        qsort(s->names, s->count, sizeof *s->names, by_name);
    return rc;
}

/* Is there a chunk of transparent colours before the pixels?  After the head, a chunk is its
 * length, its name, its data and a checksum. */
static int has_transparency(FILE *stream)
{
    unsigned char c[8];
    while (fread(c, 1, sizeof c, stream) == sizeof c && memcmp(c + 4, "IDAT", 4) != 0) {
        const uint32_t n = number_at(c);
        if (memcmp(c + 4, "tRNS", 4) == 0)
            return 1;
        if (n > INT32_MAX - 4 || fseek(stream, (long)n + 4, SEEK_CUR) != 0)
            break;
    }
    return 0;
}

/* What a file begins with. */
typedef struct head {
    unsigned char bytes[33];    /* a PNG's signature and first chunk */
    size_t n;
    int is_png, is_jpeg, is_transparent;
} head;

static int read_head(head *h, const char *path, ffcl_error *err)
{
    FILE *stream;
    int rc = ffcl_input_stream(&stream, path, INT64_MAX, err);
    if (rc)
        return rc;
    h->n = fread(h->bytes, 1, sizeof h->bytes, stream);
    h->is_png = h->n >= 8 && memcmp(h->bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
    h->is_jpeg = h->n >= 3 && memcmp(h->bytes, "\xff\xd8\xff", 3) == 0;
    h->is_transparent = h->n == sizeof h->bytes && h->is_png && has_transparency(stream);
    if (ferror(stream))
        rc = ffcl_fail(err, FFCL_EFILE, "cannot read %s: %s", path, strerror(errno));
    fclose(stream);
    return rc;
}

/* Grey and alpha say that these are no plain images of a model; evaluators convert them in silence,
 * each in its own way. */
static int check_png(const char *path, const head *h, ffcl_error *err)
{
    static const char *const kinds[] = {[0] = "is grey", [4] = "is grey with alpha",
                                        [6] = "has alpha"};
    const unsigned type = h->is_transparent ? 6 : h->bytes[25];
    if (h->is_jpeg)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is no PNG but a JPEG: name it .jpg", path);
    if (h->n == sizeof h->bytes && !h->is_png)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is no PNG, whatever its name says", path);
    if (h->n < sizeof h->bytes)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is not a readable PNG: it is cut short", path);
    if (type == 0 || type == 4 || type == 6)
        return ffcl_fail(err, FFCL_EFORMAT, "%s %s, and RGB images are evaluated: convert it to "
                         "RGB first", path, kinds[type]);
    if (h->bytes[24] == 16)
        return ffcl_fail(err, FFCL_EFORMAT, "%s has 16 bits a channel, and images of 8 are "
                         "evaluated: convert it first", path);
    return 0;
}

/* A file named as a PNG, without its pixels. */
static int look_at_png(const char *path, size_t *height, size_t *width, ffcl_error *err)
{
    head h = {.n = 0};
    int rc = read_head(&h, path, err);
    if (rc == 0)
        rc = check_png(path, &h, err);
    *width = number_at(h.bytes + 16);
    *height = number_at(h.bytes + 20);
    return rc;
}

/* After a file named as a JPEG could not be read: is it a PNG? */
static int name_png(const char *path, int rc, ffcl_error *err)
{
    head h = {.n = 0};
    ffcl_error ignored;
    if (rc != FFCL_EFORMAT || read_head(&h, path, &ignored) || !h.is_png)
        return rc;
    return ffcl_fail(err, FFCL_EFORMAT, "%s is no JPEG but a PNG: name it .png", path);
}

/* The first image's size is that of all. */
static int read_file(const ffcl_images_in *s, size_t i, uint8_t *rgb, ffcl_error *err)
{
    const char *path = s->names[i];
    size_t height = 0, width = 0;
    if (!is_png(path))
        return name_png(path, ffcl_jpeg_read_as(path, rgb, s->height, s->width, err), err);
    int rc = look_at_png(path, &height, &width, err);
    if (rc == 0 && (height != s->height || width != s->width))
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s has %zu x %zu pixels, and %s has %zu x %zu: all "
                       "images must be of one size", path, width, height, s->names[0], s->width,
                       s->height);
    return rc ? rc : ffcl_png_read_as(path, rgb, s->height, s->width, err);
}

/* The first image's size; a PNG is read whole, as it stands for the others. */
static int measure(ffcl_images_in *s, ffcl_error *err)
{
    const char *path = s->names[0];
    uint8_t *rgb = NULL;
    if (!is_png(path))
        return name_png(path, ffcl_jpeg_size(path, &s->height, &s->width, err), err);
    int rc = look_at_png(path, &s->height, &s->width, err);
    if (rc == 0)
        rc = ffcl_png_read(path, &rgb, &s->height, &s->width, err);
    free(rgb);
    return rc;
}

int ffcl_images_open(ffcl_images_in **out, const char *folder, ffcl_error *err)
{
    ffcl_images_in *s = *out = calloc(1, sizeof *s);
    if (s)
        s->folder = ffcl_format("%s", folder);
    int rc = s && s->folder ? list(s, err)
                            : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", folder);
    if (rc == 0)
        rc = measure(s, err);
    if (rc == 0)
        rc = ffcl_team_open(&s->team, ffcl_min(ffcl_cores(), 16), err);
    if (rc)
        ffcl_images_close(out);
    return rc;
}

/* NULL: there is none, or one that is not read, of this header. */
static int check_array(const char *path, const ffcl_array *a, const char *header, ffcl_error *err)
{
    char shape[160];
    if (!a)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: arr_0 is an array %s, and images are bytes "
                         "(numpy.uint8) in C's order (count, height, width, 3)", path,
                         header ? header : "that is not there");
    ffcl_shape_text(shape, sizeof shape, a->shape, a->rank);
    if (a->type != 'u' || a->item != 1)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: arr_0 has numbers of type %c%zu, and images are "
                         "bytes, 0 to 255 (numpy.uint8)", path, a->type, a->item);
    if (a->rank != 4 || a->shape[3] != 3 || a->is_fortran)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: arr_0 is %s, and RGB images are (count, height, "
                         "width, 3)", path, shape);
    if (!a->count)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: arr_0 is %s, which holds no image", path, shape);
    return 0;
}

int ffcl_images_of(ffcl_images_in **out, ffcl_arrays *arrays, ffcl_error *err)
{
    const ffcl_array *array = ffcl_arrays_find(arrays, "arr_0");
    ffcl_images_in *s = *out = calloc(1, sizeof *s);
    if (!s)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", ffcl_arrays_path(arrays));
    s->arrays = arrays;
    s->array = array;
    int rc = check_array(ffcl_arrays_path(arrays), array, ffcl_arrays_left_out(arrays, "arr_0"),
                         err);
    if (rc == 0)
        rc = ffcl_arrays_rewind(arrays, array, err);
    if (rc == 0) {
        s->count = array->shape[0];
        s->height = array->shape[1];
        s->width = array->shape[2];
    } else {
        ffcl_images_close(out);
    }
    return rc;
}

void ffcl_images_close(ffcl_images_in **images)
{
    ffcl_images_in *s = *images;
    if (!s)
        return;
    for (size_t i = 0; s->names && i < s->count; i++)
        free(s->names[i]);
    free(s->names);
    free(s->folder);
    ffcl_team_close(&s->team);
    free(s);
    *images = NULL;
}

size_t ffcl_images_count(const ffcl_images_in *s)
{
    return s->count;
}

void ffcl_images_size(const ffcl_images_in *s, size_t *height, size_t *width)
{
    *height = s->height;
    *width = s->width;
}

size_t ffcl_images_folders(const ffcl_images_in *s)
{
    return s->folders;
}

size_t ffcl_images_passed_over(const ffcl_images_in *s)
{
    return s->passed_over;
}

/* Files that a team reads; each has an error of its own, the first in order counts. */
typedef struct job {
    const ffcl_images_in *s;
    size_t first;
    uint8_t *rgb;
    ffcl_error *errors;
} job;

static void read_one(void *user, size_t i)
{
    const job *j = user;
    const size_t bytes = j->s->height * j->s->width * 3;
    read_file(j->s, j->first + i, j->rgb + i * bytes, &j->errors[i]);
}

static int next_files(ffcl_images_in *s, uint8_t *rgb, size_t n, ffcl_error *err)
{
    job j = {s, s->at, rgb, calloc(n + 1, sizeof *j.errors)};
    int rc = j.errors ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for reading images");
    if (rc == 0)
        ffcl_team_run(s->team, read_one, &j, n);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (j.errors[i].code) {
            *err = j.errors[i];
            rc = err->code;
        }
    free(j.errors);
    return rc;
}

int ffcl_images_next(ffcl_images_in *s, uint8_t *rgb, size_t n, ffcl_error *err)
{
    int rc = s->names ? next_files(s, rgb, n, err)
                      : ffcl_arrays_read(s->arrays, rgb, n * s->height * s->width * 3, err);
    s->at += n;
    return rc;
}

int ffcl_images_get(ffcl_images_in *s, size_t i, uint8_t *rgb, ffcl_error *err)
{
    if (s->names)
        return read_file(s, i, rgb, err);
    int rc = 0;
    if (i < s->at || s->at == s->count) {
        rc = ffcl_arrays_rewind(s->arrays, s->array, err);
        s->at = 0;
    }
    for (; rc == 0 && s->at <= i; s->at++)
        rc = ffcl_arrays_read(s->arrays, rgb, s->height * s->width * 3, err);
    return rc;
}
