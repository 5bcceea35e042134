/* SPDX-License-Identifier: MIT */
#include "files/arrays.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

#include "dtype.h"
#include "files/atomic.h"
#include "files/input.h"
#include "util.h"

enum { MOST_ARRAYS = 4096, MOST_HEADER = 4096 };

typedef struct entry {
    ffcl_array array;
    zip_uint64_t index;
    size_t begin;               /* bytes before the data */
} entry;

typedef struct left_out {
    char name[40], header[120];
} left_out;

struct ffcl_arrays {
    char *path;
    zip_t *archive;
    entry *items;               /* room for all members, and so for */
    left_out *left_out;
    size_t n, n_left_out;
    zip_file_t *member;         /* being read */
    size_t current, left;       /* its item, bytes that follow */
};

static int damaged(const ffcl_arrays *a, const char *what, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged or cut short: %s", a->path, what);
}

/* What libzip says of the archive or a member of it; errno is 0 before the call that fails. */
static int zip_fails(const ffcl_arrays *a, zip_error_t *ze, const char *what, ffcl_error *err)
{
    const int code = ze ? zip_error_code_zip(ze) : 0;
    /* libzip does not always report memory and disks, but they set errno. */
    if (code == ZIP_ER_MEMORY || errno == ENOMEM)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", a->path);
    if (errno == EIO || errno == ESTALE || errno == ETIMEDOUT || errno == ENXIO)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be read at %s: %s", a->path, what,
                         strerror(errno));
    if (code == ZIP_ER_COMPNOTSUPP)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: %s is compressed in a way that this libzip cannot "
                         "undo: write it by numpy.savez or savez_compressed", a->path, what);
    if (code == ZIP_ER_NOPASSWD || code == ZIP_ER_ENCRNOTSUPP)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: %s is encrypted, and no password is asked for: "
                         "unlock it first", a->path, what);
    return damaged(a, what, err);
}

/* The text after 'key': in a header. */
static const char *value_of(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    at = at ? strchr(at + strlen(key), ':') : NULL;
    return at ? at + 1 + strspn(at + 1, " ") : NULL;
}

/* {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }: 1 where it is of a kind that is
 * read. */
static int parse(const char *header, ffcl_array *a)
{
    const char *type = value_of(header, "'descr'"), *order = value_of(header, "'fortran_order'");
    const char *shape = value_of(header, "'shape'");
    unsigned item = 0;
    if (!type || !order || !shape || *shape != '(' ||
        sscanf(type, "'%*1[<>|]%c%u'", &a->type, &item) != 2 || !strchr("uif", a->type))
        return 0;
    a->item = item;
    a->is_swapped = type[1] == '>';
    a->is_fortran = strncmp(order, "True", 4) == 0;
    if ((item != 1 && item != 2 && item != 4 && item != 8) || (a->type == 'f' && item < 2))
        return 0;
    a->count = 1;
    for (const char *p = shape + 1; *p && *p != ')';) {
        char *end;
        errno = 0;
        const unsigned long long n = strtoull(p, &end, 10);
        if (end == p || errno || n > SIZE_MAX / 16 || a->rank == FFCL_ARRAY_RANK ||
            ffcl_mul(&a->count, a->count, (size_t)n))
            return 0;
        a->shape[a->rank++] = (size_t)n;
        p = end + strspn(end, ", ");
    }
    a->is_fortran &= a->rank > 1;
    /* Of more, none can be: sizes in bytes, as doubles too, would wrap around. */
    return a->count <= SIZE_MAX / 16 && (!a->is_fortran || a->rank == 2);
}

/* The header of a member, which is open: its text into text (MOST_HEADER), and how long all of it
 * is; 0 where it is no array. */
static size_t read_header(zip_file_t *member, char *text)
{
    unsigned char head[12];
    size_t length, before = 10;
    if (zip_fread(member, head, 10) != 10 || memcmp(head, "\x93NUMPY", 6) != 0)
        return 0;
    length = head[8] | (size_t)head[9] << 8;
    if (head[6] >= 2) {
        if (zip_fread(member, head + 10, 2) != 2)
            return 0;
        length |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
        before = 12;
    }
    if (length >= MOST_HEADER || zip_fread(member, text, length) != (zip_int64_t)length)
        return 0;
    text[length] = '\0';
    return before + length;
}

static void leave_out(ffcl_arrays *a, const char *name, const char *header)
{
    const size_t i = a->n_left_out++;
    snprintf(a->left_out[i].name, sizeof a->left_out[i].name, "%s", name);
    snprintf(a->left_out[i].header, sizeof a->left_out[i].header, "%.*s",
             (int)strcspn(header, "\n"), header);
    char *end = strrchr(a->left_out[i].header, '}');
    if (end)
        end[1] = '\0';          /* blanks follow */
}

/* Adds the member where it is an array of a kind that is read. */
static int add(ffcl_arrays *a, zip_uint64_t index, ffcl_error *err)
{
    char text[MOST_HEADER], what[128];
    zip_stat_t st;
    ffcl_array array = {.rank = 0};
    zip_stat_init(&st);
    if (zip_stat_index(a->archive, index, 0, &st) != 0 ||
        (st.valid & (ZIP_STAT_NAME | ZIP_STAT_SIZE)) != (ZIP_STAT_NAME | ZIP_STAT_SIZE))
        return 0;
    const size_t length = strlen(st.name);
    if (length < 5 || strcmp(st.name + length - 4, ".npy") != 0)
        return 0;
    if (length - 4 >= sizeof array.name) {
        leave_out(a, st.name, "");
        return 0;
    }
    memcpy(array.name, st.name, length - 4);
    if (ffcl_arrays_find(a, array.name) || ffcl_arrays_left_out(a, array.name))
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds %s twice: which of them counts is not said",
                         a->path, array.name);
    errno = 0;
    zip_file_t *member = zip_fopen_index(a->archive, index, 0);
    if (!member)
        return zip_fails(a, zip_get_error(a->archive), st.name, err);
    const size_t begin = read_header(member, text);
    const int rc = begin ? 0 : zip_fails(a, zip_file_get_error(member),
                                         "a member is no NumPy array", err);
    zip_fclose(member);
    if (rc)
        return rc;
    if (!parse(text, &array)) {
        leave_out(a, array.name, text);
        return 0;
    }
    if (st.size != begin + array.count * array.item) {
        snprintf(what, sizeof what, "%s has %llu bytes, and its shape needs %llu", array.name,
                 (unsigned long long)st.size,
                 (unsigned long long)(begin + array.count * array.item));
        return damaged(a, what, err);
    }
    a->items[a->n].array = array;
    a->items[a->n].index = index;
    a->items[a->n++].begin = begin;
    return 0;
}

/* What a file is instead, by its first bytes. */
static const char *other_kind(const char *head, size_t n)
{
    return n >= 6 && memcmp(head, "\x93NUMPY", 6) == 0
               ? "a single NumPy array (.npy): numpy.savez makes an .npz of it"
           : n >= 4 && (memcmp(head, "\x89PNG", 4) == 0 || memcmp(head, "\xff\xd8\xff", 3) == 0)
               ? "a single image: name its folder"
           : n == 0 ? "an empty file"
                    : "no zip archive";
}

static int open_archive(ffcl_arrays *a, ffcl_error *err)
{
    int fd, code = 0;
    uint64_t bytes;
    int rc = ffcl_input_open(&fd, &bytes, a->path, err);
    if (rc)
        return rc;
    errno = 0;
    a->archive = zip_fdopen(fd, 0, &code);
    if (a->archive)
        return 0;
    int number = errno;
    char head[6] = "";
    errno = 0;
    const ssize_t n = pread(fd, head, sizeof head, 0);
    const int is_zip = n >= 4 && memcmp(head, "PK\x03\x04", 4) == 0;
    number = errno ? errno : number;
    close(fd);
    if (code == ZIP_ER_MEMORY || number == ENOMEM)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", a->path);
    if (number == EIO || number == ESTALE || number == ETIMEDOUT || number == ENXIO)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", a->path, strerror(number));
    if (is_zip)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is cut short: the directory at the end of the zip "
                         "archive is missing (an interrupted copy?)", a->path);
    return ffcl_fail(err, FFCL_EFORMAT, "%s is no .npz: it is %s", a->path,
                     other_kind(head, n > 0 ? (size_t)n : 0));
}

int ffcl_arrays_open(ffcl_arrays **out, const char *path, ffcl_error *err)
{
    ffcl_arrays *a = *out = calloc(1, sizeof *a);
    if (a)
        a->path = ffcl_format("%s", path);
    int rc = a && a->path ? open_archive(a, err)
                          : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    const zip_int64_t n = rc ? 0 : zip_get_num_entries(a->archive, 0);
    if (n > MOST_ARRAYS)
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s holds %lld arrays, and up to %d are read: save those "
                       "that are needed alone", path, (long long)n, MOST_ARRAYS);
    if (rc == 0) {
        a->items = calloc((size_t)n + 1, sizeof *a->items);
        a->left_out = calloc((size_t)n + 1, sizeof *a->left_out);
        if (!a->items || !a->left_out)
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    }
    for (zip_int64_t i = 0; rc == 0 && i < n; i++)
        rc = add(a, (zip_uint64_t)i, err);
    if (rc)
        ffcl_arrays_close(out);
    return rc;
}

static void close_member(ffcl_arrays *a)
{
    if (a->member)
        zip_fclose(a->member);
    a->member = NULL;
}

void ffcl_arrays_close(ffcl_arrays **arrays)
{
    ffcl_arrays *a = *arrays;
    if (!a)
        return;
    close_member(a);
    if (a->archive)
        zip_discard(a->archive);
    free(a->items);
    free(a->left_out);
    free(a->path);
    free(a);
    *arrays = NULL;
}

const char *ffcl_arrays_path(const ffcl_arrays *a)
{
    return a->path;
}

const ffcl_array *ffcl_arrays_at(const ffcl_arrays *a, size_t i)
{
    return i < a->n ? &a->items[i].array : NULL;
}

const ffcl_array *ffcl_arrays_find(const ffcl_arrays *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i].array.name, name) == 0)
            return &a->items[i].array;
    return NULL;
}

const char *ffcl_arrays_left_out_at(const ffcl_arrays *a, size_t i)
{
    return i < a->n_left_out ? a->left_out[i].name : NULL;
}

const char *ffcl_arrays_left_out(const ffcl_arrays *a, const char *name)
{
    for (size_t i = 0; i < a->n_left_out; i++)
        if (strcmp(a->left_out[i].name, name) == 0)
            return a->left_out[i].header;
    return NULL;
}

/* n bytes; to NULL passes over them. */
static int read_bytes(ffcl_arrays *a, void *to, size_t n, ffcl_error *err)
{
    char skipped[4096], *at = to;
    while (n) {
        const size_t piece = ffcl_min(n, to ? (size_t)1 << 24 : sizeof skipped);
        errno = 0;
        const zip_int64_t got = zip_fread(a->member, to ? at : skipped, piece);
        if (got <= 0)
            return zip_fails(a, zip_file_get_error(a->member), a->items[a->current].array.name,
                             err);
        at = to ? at + got : at;
        n -= (size_t)got;
    }
    return 0;
}

int ffcl_arrays_rewind(ffcl_arrays *a, const ffcl_array *array, ffcl_error *err)
{
    close_member(a);
    for (a->current = 0; &a->items[a->current].array != array; a->current++)
        ;
    errno = 0;
    a->member = zip_fopen_index(a->archive, a->items[a->current].index, 0);
    if (!a->member)
        return zip_fails(a, zip_get_error(a->archive), array->name, err);
    a->left = array->count * array->item;
    return read_bytes(a, NULL, a->items[a->current].begin, err);
}

int ffcl_arrays_read(ffcl_arrays *a, void *to, size_t n, ffcl_error *err)
{
    char end;
    const size_t bytes = n * a->items[a->current].array.item;
    int rc = read_bytes(a, to, bytes, err);
    a->left -= rc ? 0 : bytes;
    /* libzip compares the checksum as it meets the end. */
    errno = 0;
    if (rc == 0 && a->left == 0 && zip_fread(a->member, &end, 1) < 0)
        rc = zip_fails(a, zip_file_get_error(a->member), "its checksum is wrong", err);
    return rc;
}

static double number(const ffcl_array *a, const unsigned char *at)
{
    float f;
    double d;
    uint64_t u = 0;
    unsigned char turned[8];
    if (a->is_swapped) {
        for (size_t i = 0; i < a->item; i++)
            turned[i] = at[a->item - 1 - i];
        at = turned;
    }
    if (a->type == 'f' && a->item == 2)
        return (double)ffcl_half_to_float((uint16_t)(at[0] | at[1] << 8));
    if (a->type == 'f' && a->item == 4) {
        memcpy(&f, at, sizeof f);
        return (double)f;
    }
    if (a->type == 'f') {
        memcpy(&d, at, sizeof d);
        return d;
    }
    memcpy(&u, at, a->item);
    if (a->type == 'i' && a->item < 8 && u >> (8 * a->item - 1))
        return (double)u - (double)(1ull << (8 * a->item));
    return a->type == 'i' ? (double)(int64_t)u : (double)u;
}

/* Where element i of the file belongs. */
static size_t place_of(const ffcl_array *a, size_t i)
{
    return a->is_fortran ? i % a->shape[0] * a->shape[1] + i / a->shape[0] : i;
}

int ffcl_arrays_doubles(ffcl_arrays *a, const ffcl_array *array, double **out, ffcl_error *err)
{
    enum { PIECE = 1 << 16 };
    unsigned char *bytes = malloc((size_t)PIECE * array->item);
    *out = malloc((array->count + 1) * sizeof **out);
    int rc = bytes && *out ? ffcl_arrays_rewind(a, array, err)
                           : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s of %s", array->name,
                                       a->path);
    for (size_t at = 0; rc == 0 && at < array->count; at += PIECE) {
        const size_t n = ffcl_min(PIECE, array->count - at);
        rc = ffcl_arrays_read(a, bytes, n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            (*out)[place_of(array, at + i)] = number(array, bytes + i * array->item);
    }
    free(bytes);
    if (rc) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------- */

/* A member's bytes, new: the header, padded so that the data begin at a multiple of 64. */
static char *member_of(const ffcl_array_out *a, size_t *size)
{
    char text[256];
    const size_t length = a->text ? strlen(a->text) : 0;
    size_t count = a->text ? length : a->shape[0];
    for (int i = 1; i < a->rank && !a->text; i++)
        count *= a->shape[i];
    if (a->text || a->rank == 1)
        snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (%zu,), }",
                 a->text ? "|u1" : "<f8", count);
    else if (a->rank == 0)
        snprintf(text, sizeof text, "{'descr': '<f8', 'fortran_order': False, 'shape': (), }");
    else
        snprintf(text, sizeof text, "{'descr': '<f8', 'fortran_order': False, 'shape': (%zu, %zu),"
                 " }", a->shape[0], a->shape[1]);
    if (!a->text && a->rank == 0)
        count = 1;
    const size_t header = ffcl_round_up(10 + strlen(text) + 1, 64);
    const size_t data = count * (a->text ? 1 : sizeof(double));
    char *bytes = malloc(header + data);
    if (!bytes)
        return NULL;
    memset(bytes, ' ', header);
    memcpy(bytes, "\x93NUMPY\x01\x00", 8);
    bytes[8] = (char)((header - 10) & 255);
    bytes[9] = (char)((header - 10) >> 8);
    memcpy(bytes + 10, text, strlen(text));
    bytes[header - 1] = '\n';
    memcpy(bytes + header, a->text ? (const void *)a->text : a->doubles, data);
    *size = header + data;
    return bytes;
}

static int add_member(zip_t *archive, const ffcl_array_out *a)
{
    size_t size = 0;
    char name[64], *bytes = member_of(a, &size);
    zip_source_t *source = bytes ? zip_source_buffer(archive, bytes, size, 1) : NULL;
    if (!source) {
        free(bytes);
        return -1;
    }
    snprintf(name, sizeof name, "%s.npy", a->name);
    const zip_int64_t index = zip_file_add(archive, name, source, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
        zip_source_free(source);
        return -1;
    }
    /* The same numbers are the same file: of 1980-01-01. */
    if (zip_file_set_dostime(archive, (zip_uint64_t)index, 0, 1 << 5 | 1, 0) != 0)
        return -1;
    return zip_set_file_compression(archive, (zip_uint64_t)index, ZIP_CM_STORE, 0);
}

/* The archive's bytes from memory to the file. */
static int write_out(zip_source_t *memory, const char *path, ffcl_error *err)
{
    enum { PIECE = 1 << 20 };
    ffcl_atomic_file file = {0};
    char *piece = malloc(PIECE);
    zip_int64_t got = 0;
    int rc = piece && zip_source_open(memory) == 0
                 ? ffcl_atomic_open(&file, path, err)
                 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    while (rc == 0 && (got = zip_source_read(memory, piece, PIECE)) > 0)
        rc = ffcl_atomic_write(&file, piece, (size_t)got, err);
    if (rc == 0 && got < 0)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    if (rc == 0)
        rc = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    free(piece);
    return rc;
}

int ffcl_arrays_write(const char *path, const ffcl_array_out *arrays, size_t n, ffcl_error *err)
{
    zip_error_t ze;
    zip_error_init(&ze);
    zip_source_t *memory = zip_source_buffer_create(NULL, 0, 0, &ze);
    zip_t *archive = memory ? zip_open_from_source(memory, ZIP_TRUNCATE, &ze) : NULL;
    int bad = !archive, rc = 0;
    if (archive)
        zip_source_keep(memory);        /* closing the archive gives it back */
    for (size_t i = 0; i < n && !bad; i++)
        bad = add_member(archive, &arrays[i]);
    if (archive && !bad) {
        bad = zip_close(archive);
        archive = bad ? archive : NULL;
    }
    if (bad)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    if (archive)
        zip_discard(archive);
    if (rc == 0)
        rc = write_out(memory, path, err);
    if (memory)
        zip_source_free(memory);
    zip_error_fini(&ze);
    return rc;
}
