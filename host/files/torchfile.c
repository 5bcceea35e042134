/* SPDX-License-Identifier: MIT
 * torch's .pt / .bin: a zip archive <folder>/data.pkl (the objects) and <folder>/data/<key>
 * (the storages, stored without compression, so that any part can be read directly).  The form
 * before PyTorch 1.6 is in torchfile_old.c. */
#include "torchfile_impl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zip.h>

#include "../util.h"
#include "statedict.h"

enum {
    MAX_PICKLE = 64 << 20,      /* bytes; real ones have well under 1 MB */
    MAX_FOLDER = 512,
    READ_PIECE = 1 << 22,       /* bytes a zip_fread */
    MOST_TIMES = 30,            /* the archive's bytes, unpacked, ... */
    FREE_BYTES = 256 << 20      /* ... beyond these: zeros, with which training begins, pack well */
};

/* A failure that libzip reports on reading file->subject. */
static int zip_fail(const ffcl_tensor_file *file, zip_error_t *ze, ffcl_error *err)
{
    int code = FFCL_EFORMAT;
    /* libzip does not always report that memory was short, but malloc does. */
    if (errno == ENOMEM || zip_error_code_zip(ze) == ZIP_ER_MEMORY)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory to read %s", file->path);
    /* It may call a disk that fails the end of the file. */
    if (errno == EIO || errno == ESTALE || errno == ETIMEDOUT || errno == ENXIO)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be read at %s: %s", file->path, file->subject,
                         strerror(errno));
    switch (zip_error_code_zip(ze)) {
    case ZIP_ER_READ: case ZIP_ER_SEEK: case ZIP_ER_OPEN: code = FFCL_EFILE; break;
    case ZIP_ER_CRC:
        return ffcl_fail(err, code, "%s is damaged: the checksum of %s is wrong", file->path,
                         file->subject);
    default: break;
    }
    return ffcl_fail(err, code, "%s cannot be read at %s: %s", file->path, file->subject,
                     zip_error_strerror(ze));
}

/* Does the file end with the record that ends a zip archive's directory (APPNOTE 4.3.16)?  What
 * libzip says where it does not depends on libzip's version.  1 where nothing can be read. */
static int has_end(int fd)
{
    enum { RECORD = 22, COMMENT_AT = 20, MOST_COMMENT = 65535 };
    struct stat info;
    unsigned char *tail = malloc(RECORD + MOST_COMMENT);
    int found = !tail || fstat(fd, &info);
    if (!found) {
        const off_t size = info.st_size, most = RECORD + MOST_COMMENT;
        const off_t from = size > most ? size - most : 0;
        const ssize_t n = pread(fd, tail, (size_t)(size - from), from);
        found = n < 0;
        for (ssize_t i = n - RECORD; i >= 0 && !found; i--)
            found = !memcmp(tail + i, "PK\5\6", 4) &&
                    tail[i + COMMENT_AT] + 256 * tail[i + COMMENT_AT + 1] <= n - i - RECORD;
    }
    free(tail);
    return found;
}

static int open_archive(ffcl_tensor_file *file, ffcl_error *err)
{
    errno = 0;
    int code = ZIP_ER_OPEN, fd = dup(file->fd);
    file->zip.archive = fd < 0 ? NULL : zip_fdopen(fd, 0, &code);
    const int number = errno;
    if (file->zip.archive)
        return 0;
    if (fd >= 0)
        close(fd);
    if (code != ZIP_ER_MEMORY && code != ZIP_ER_READ && number != ENOMEM && !has_end(file->fd))
        return ffcl_fail(err, FFCL_EFORMAT, "%s is cut short: the directory at the end of the zip "
                         "archive is missing (an interrupted download?)", file->path);
    zip_error_t ze;
    errno = number;             /* libzip takes the cause from there */
    zip_error_init_with_code(&ze, code);
    int rc = zip_fail(file, &ze, err);
    zip_error_fini(&ze);
    return rc;
}

/* Checks that an entry can be read and gives its length. */
static int stat_member(ffcl_tensor_file *file, uint64_t index, zip_stat_t *st, ffcl_error *err)
{
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE |
                                ZIP_STAT_COMP_METHOD | ZIP_STAT_CRC;
    zip_stat_init(st);
    errno = 0;
    if (zip_stat_index(file->zip.archive, index, 0, st) != 0)
        return zip_fail(file, zip_get_error(file->zip.archive), err);
    if ((st->valid & needed) != needed ||
        (st->comp_method == ZIP_CM_STORE && st->size != st->comp_size) ||
        st->comp_size > file->size)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: the zip entry of %s is inconsistent",
                         file->path, file->subject);
    if ((st->valid & ZIP_STAT_ENCRYPTION_METHOD) && st->encryption_method != ZIP_EM_NONE)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: the zip entry of %s is encrypted", file->path,
                         file->subject);
    return 0;
}

/* Weights hardly compress: an archive that unpacks to far more than it has is none of a checkpoint,
 * and would take minutes. */
static int check_expansion(ffcl_tensor_file *file, ffcl_error *err)
{
    const uint64_t most = file->size > UINT64_MAX / MOST_TIMES ? UINT64_MAX
                                                               : file->size * MOST_TIMES;
    uint64_t sum = 0;
    zip_int64_t n = zip_get_num_entries(file->zip.archive, 0);
    for (zip_int64_t i = 0; i < n; i++) {
        zip_stat_t st;
        zip_stat_init(&st);
        if (zip_stat_index(file->zip.archive, (zip_uint64_t)i, 0, &st) == 0 &&
            (st.valid & ZIP_STAT_SIZE))
            sum = st.size > UINT64_MAX - sum ? UINT64_MAX : sum + st.size;
    }
    if (sum <= most || sum <= FREE_BYTES)
        return 0;
    return ffcl_fail(err, FFCL_EFORMAT, "%s has %llu bytes and would unpack to %llu: no checkpoint "
                     "does", file->path, (unsigned long long)file->size,
                     (unsigned long long)sum);
}

int ffcl_torchfile_checksum(ffcl_tensor_file *file, uint64_t member, uint64_t *bytes,
                            uint32_t *crc, ffcl_error *err)
{
    zip_stat_t st;
    int rc = stat_member(file, member, &st, err);
    *bytes = rc ? 0 : st.size;
    *crc = rc ? 0 : st.crc;
    return rc;
}

static void close_member(ffcl_torch_zip *zip)
{
    if (zip->member)
        zip_fclose(zip->member);
    zip->member = NULL;
}

static int open_member(ffcl_tensor_file *file, uint64_t index, ffcl_error *err)
{
    ffcl_torch_zip *zip = &file->zip;
    zip_stat_t st;
    close_member(zip);
    int rc = stat_member(file, index, &st, err);
    if (rc)
        return rc;
    errno = 0;
    zip->member = zip_fopen_index(zip->archive, index, 0);
    if (!zip->member)
        return zip_fail(file, zip_get_error(zip->archive), err);
    zip->index = index;
    zip->at = 0;
    zip->size = st.size;
    zip->stored = st.comp_method == ZIP_CM_STORE;
    zip->check = st.crc != 0;   /* torch can write archives without checksums: all are 0 */
    return 0;
}

/* The next n bytes of the open member; dst NULL skips them. */
static int read_on(ffcl_tensor_file *file, uint64_t n, char *dst, ffcl_error *err)
{
    ffcl_torch_zip *zip = &file->zip;
    char skipped[4096];
    while (n) {
        uint64_t piece = dst ? READ_PIECE : sizeof skipped;
        errno = 0;
        zip_int64_t got = zip_fread(zip->member, dst ? dst : skipped, n < piece ? n : piece);
        if (got < 0)
            return zip_fail(file, zip_file_get_error(zip->member), err);
        if (got == 0)
            return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: the data of %s ends early",
                             file->path, file->subject);
        dst = dst ? dst + got : NULL;
        n -= (uint64_t)got;
        zip->at += (uint64_t)got;
    }
    if (zip->at != zip->size || !zip->check)
        return 0;
    /* libzip compares the checksum at the end, if it saw every byte before. */
    zip->check = false;
    if (zip_fread(zip->member, skipped, 1) < 0)
        return zip_fail(file, zip_file_get_error(zip->member), err);
    return 0;
}

/* n bytes from byte at of an entry.  The entry stays open, so that reading on costs nothing;
 * compressed entries (of re-packed archives) cannot be entered in the middle: what lies before
 * is skipped, from the start when the read goes back. */
static int read_member(ffcl_tensor_file *file, uint64_t index, uint64_t at, size_t n, void *dst,
                       ffcl_error *err)
{
    ffcl_torch_zip *zip = &file->zip;
    int rc = 0;
    if (!zip->member || zip->index != index)
        rc = open_member(file, index, err);
    if (!rc && (at > zip->size || n > zip->size - at))
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: %s reaches outside its zip entry",
                       file->path, file->subject);
    if (!rc && zip->at != at && zip->stored) {
        if (zip_fseek(zip->member, (zip_int64_t)at, SEEK_SET) != 0)
            rc = zip_fail(file, zip_file_get_error(zip->member), err);
        zip->at = at;
    }
    if (!rc && zip->at > at)
        rc = open_member(file, index, err);
    if (!rc && zip->at < at)
        rc = read_on(file, at - zip->at, NULL, err);
    if (!rc)
        rc = read_on(file, n, dst, err);
    if (rc)
        close_member(zip);      /* its position is unknown */
    return rc;
}

/* The folder of data.pkl with its slash: "archive/", or "" in archives packed without one. */
static int find_folder(ffcl_tensor_file *file, char *folder, size_t size, uint64_t *pickle,
                       ffcl_error *err)
{
    zip_int64_t count = zip_get_num_entries(file->zip.archive, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        const char *name = zip_get_name(file->zip.archive, (zip_uint64_t)i, ZIP_FL_ENC_RAW);
        const char *slash = name ? strchr(name, '/') : NULL;
        if (!name || strcmp(slash ? slash + 1 : name, "data.pkl") != 0)
            continue;
        size_t n = slash ? (size_t)(slash + 1 - name) : 0;
        if (n >= size)
            return ffcl_fail(err, FFCL_EFORMAT, "%s: the name of its top folder is beyond reason",
                             file->path);
        memcpy(folder, name, n);
        folder[n] = '\0';
        *pickle = (uint64_t)i;
        return 0;
    }
    return ffcl_fail(err, FFCL_EFORMAT, "%s is a zip archive without data.pkl, so it is no torch "
                     "checkpoint", file->path);
}

/* The entry folder + name, or -1. */
static zip_int64_t locate(const ffcl_tensor_file *file, const char *folder, const char *name)
{
    char full[MAX_FOLDER + 128];
    snprintf(full, sizeof full, "%s%s", folder, name);
    return zip_name_locate(file->zip.archive, full, ZIP_FL_ENC_RAW);
}

static int check_byteorder(ffcl_tensor_file *file, const char *folder, ffcl_error *err)
{
    char text[7] = {0};
    zip_stat_t st;
    file->subject = "byteorder";
    zip_int64_t index = locate(file, folder, "byteorder");
    if (index < 0)
        return 0;       /* older than PyTorch 2.1: little-endian */
    int rc = stat_member(file, (uint64_t)index, &st, err);
    if (!rc)
        rc = read_member(file, (uint64_t)index, 0, ffcl_min(st.size, 6), text, err);
    if (!rc && (st.size != 6 || strcmp(text, "little") != 0))
        rc = ffcl_fail(err, FFCL_EFORMAT, "%s was saved %s: load it and save it again on a "
                       "little-endian machine", file->path, strcmp(text, "big") == 0
                       ? "on a big-endian machine" : "in an unknown byte order");
    return rc;
}

/* The whole of data.pkl into *out (new). */
static int read_pickle(ffcl_tensor_file *file, uint64_t index, void **out, size_t *size,
                       ffcl_error *err)
{
    zip_stat_t st;
    file->subject = "data.pkl";
    int rc = stat_member(file, index, &st, err);
    if (rc)
        return rc;
    if (st.size > MAX_PICKLE)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: a data.pkl of %llu bytes is beyond reason",
                         file->path, (unsigned long long)st.size);
    *size = (size_t)st.size;
    *out = malloc(*size + 1);
    if (!*out)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the pickle of %s", file->path);
    return read_member(file, index, 0, *size, *out, err);
}

/* The dtype of a tensor: that of its storage, or its own where the storage is untyped. */
static int find_dtype(const ffcl_pickle_value *tensor)
{
    ffcl_pickle_text type = tensor->as.tensor.storage->as.storage.type;
    const ffcl_pickle_value *own = tensor->as.tensor.dtype;
    for (int i = 0; i < FFCL_DTYPE_COUNT; i++)
        if (own ? ffcl_pickle_text_is(own->as.global.name, ffcl_dtype_names[i].torch)
                : ffcl_dtype_names[i].storage &&
                  ffcl_pickle_text_is(type, ffcl_dtype_names[i].storage))
            return i;
    return -1;
}

/* Up to FFCL_MAX_RANK whole numbers of a tuple; their count, or -1. */
static int number_tuple(const ffcl_pickle_value *tuple, size_t *out)
{
    if (tuple->as.list.count > FFCL_MAX_RANK)
        return -1;
    for (size_t i = 0; i < tuple->as.list.count; i++) {
        const ffcl_pickle_value *item = tuple->as.list.items[i];
        if (item->kind != FFCL_PICKLE_INT || item->as.integer < 0)
            return -1;
        out[i] = (size_t)item->as.integer;
    }
    return (int)tuple->as.list.count;
}

/* Finds the tensor's member and checks that all its elements lie in it. */
static int place_in_member(ffcl_tensor_file *file, const char *folder,
                        const ffcl_pickle_value *tensor, ffcl_tensor_entry *e, ffcl_error *err)
{
    const ffcl_pickle_value *storage = tensor->as.tensor.storage;
    ffcl_pickle_text key = storage->as.storage.key;
    uint64_t size = ffcl_dtype_names[e->info.dtype].size, offset = tensor->as.tensor.offset;
    uint64_t has = storage->as.storage.count;
    bool untyped = ffcl_pickle_text_is(storage->as.storage.type, "UntypedStorage");
    char name[64];
    zip_stat_t st;
    for (size_t i = 0; i < key.length; i++)
        if (key.bytes[i] < '0' || key.bytes[i] > '9' || i > 20)
            return ffcl_fail(err, FFCL_EFORMAT, "%s: the storage of tensor %s has no number as its "
                             "key", file->path, e->name);
    snprintf(name, sizeof name, "data/%.*s", (int)key.length, key.bytes);
    zip_int64_t index = locate(file, folder, name);
    if (index < 0)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: it lacks %s, the data of tensor %s",
                         file->path, name, e->name);
    int rc = stat_member(file, (uint64_t)index, &st, err);
    if (rc)
        return rc;
    if (untyped)
        has /= size;
    if (has > st.size / size)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: %s has %llu bytes, too few for the "
                         "storage of tensor %s", file->path, name, (unsigned long long)st.size,
                         e->name);
    if (e->info.count && (offset > has || e->place.extent > has - offset))
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: tensor %s reaches outside its storage",
                         file->path, e->name);
    e->place.member = (uint64_t)index;
    e->place.begin = e->info.count ? offset * size : 0;
    return 0;
}

/* What cannot be read may still be what nobody needs. */
static int add_unread(ffcl_tensor_file *file, ffcl_pickle_text name, const char *unread,
                      int is_object, ffcl_error *err)
{
    ffcl_tensor_entry *e;
    return ffcl_tensor_file_add(file, &e, &(ffcl_tensor_header){
        .name = name.bytes, .length = name.length, .dtype = FFCL_U8, .unread = unread,
        .is_object = is_object}, err);
}

/* A tensor of another form, or what Python would make of some class. */
static int add_object(ffcl_tensor_file *file, ffcl_pickle_text name,
                      const ffcl_pickle_value *object, ffcl_error *err)
{
    char unread[160], module[64], label[64];
    ffcl_pickle_text m = object->as.object.module, n = object->as.object.name;
    if (object->as.object.form)
        return add_unread(file, name, object->as.object.form, 0, err);
    snprintf(unread, sizeof unread, "an object of %s.%s",
             ffcl_tensor_file_label(module, sizeof module, m.bytes, m.length),
             ffcl_tensor_file_label(label, sizeof label, n.bytes, n.length));
    return n.length ? add_unread(file, name, unread, 1, err) : 0;
}

static int add_tensor(ffcl_tensor_file *file, const char *folder, const ffcl_old_storages *old,
                      ffcl_pickle_text name, const ffcl_pickle_value *tensor, ffcl_error *err)
{
    char label[128], type[64], unread[96];
    file->subject = ffcl_tensor_file_label(label, sizeof label, name.bytes, name.length);
    int dtype = find_dtype(tensor);
    if (dtype < 0) {
        const ffcl_pickle_value *own = tensor->as.tensor.dtype;
        ffcl_pickle_text text = own ? own->as.global.name
                                    : tensor->as.tensor.storage->as.storage.type;
        snprintf(unread, sizeof unread, "of type %s",
                 ffcl_tensor_file_label(type, sizeof type, text.bytes, text.length));
        return add_unread(file, name, unread, 0, err);
    }
    size_t shape[FFCL_MAX_RANK], stride[FFCL_MAX_RANK];
    int rank = number_tuple(tensor->as.tensor.size, shape);
    if (rank < 0 || number_tuple(tensor->as.tensor.stride, stride) != rank)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: size and strides of tensor %s are not up to %d "
                         "whole numbers each", file->path, label, FFCL_MAX_RANK);
    ffcl_tensor_entry *e;
    int rc = ffcl_tensor_file_add(file, &e, &(ffcl_tensor_header){
        .name = name.bytes, .length = name.length, .dtype = (ffcl_dtype)dtype, .rank = rank,
        .shape = shape, .stride = stride}, err);
    if (!rc)
        rc = old ? ffcl_torchfile_place_old(file, old, tensor, e, err)
                 : place_in_member(file, folder, tensor, e, err);
    file->subject = NULL;       /* label ends here */
    return rc;
}

int ffcl_torchfile_add_state(ffcl_tensor_file *file, const char *folder,
                             const ffcl_old_storages *old, const ffcl_pickle *pickle,
                             ffcl_error *err)
{
    if (*ffcl_pickle_foreign(pickle)) {
        file->foreign = ffcl_format("%s", ffcl_pickle_foreign(pickle));
        int rc = file->foreign ? 0
                               : ffcl_fail(err, FFCL_ENOMEM, "no memory for the pickle of %s",
                                       file->path);
        if (rc)
            return rc;
    }
    const ffcl_pickle_value *state = NULL;
    int rc = ffcl_statedict_choose(file, ffcl_pickle_root(pickle), &state, err);
    for (size_t i = 0; !rc && i < state->as.list.count; i += 2) {
        const ffcl_pickle_value *key = state->as.list.items[i];
        const ffcl_pickle_value *value = state->as.list.items[i + 1];
        if (key->kind == FFCL_PICKLE_STRING && value->kind == FFCL_PICKLE_TENSOR)
            rc = add_tensor(file, folder, old, key->as.text, value, err);
        else if (key->kind == FFCL_PICKLE_STRING && value->kind == FFCL_PICKLE_OBJECT)
            rc = add_object(file, key->as.text, value, err);
    }
    return rc;
}

int ffcl_torchfile_open(ffcl_tensor_file *file, ffcl_error *err)
{
    char folder[MAX_FOLDER] = "";
    uint64_t index = 0;
    void *bytes = NULL;
    size_t size = 0;
    ffcl_pickle *pickle = NULL;
    file->read = read_member;
    file->subject = "its directory";
    int rc = open_archive(file, err);
    if (!rc)
        rc = check_expansion(file, err);
    if (!rc)
        rc = find_folder(file, folder, sizeof folder, &index, err);
    if (!rc)
        rc = check_byteorder(file, folder, err);
    if (!rc)
        rc = read_pickle(file, index, &bytes, &size, err);
    if (!rc)
        rc = ffcl_pickle_open(&pickle, bytes, size, file->path, err);
    if (!rc)
        rc = ffcl_torchfile_add_state(file, folder, NULL, pickle, err);
    ffcl_pickle_close(&pickle);
    free(bytes);
    return rc;
}

void ffcl_torchfile_close(ffcl_tensor_file *file)
{
    close_member(&file->zip);
    if (file->zip.archive)
        zip_discard(file->zip.archive);
    file->zip.archive = NULL;
}
