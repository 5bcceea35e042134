/* SPDX-License-Identifier: MIT
 * What torch.save wrote before PyTorch 1.6, and still does when asked to: pickles of a number,
 * a version, the system and the objects, one of the storages' keys, and then each storage, a count
 * of elements before it. */
#include <stdlib.h>
#include <string.h>

#include "../util.h"
#include "torchfile_impl.h"

typedef struct old_storage {
    ffcl_pickle_text key;
    uint64_t begin, bytes;              /* where its elements begin in the file; their bytes */
} old_storage;

struct ffcl_old_storages {
    old_storage *items;                 /* first in the file's order, then by key */
    size_t n;
};

static int order(ffcl_pickle_text a, ffcl_pickle_text b)
{
    if (a.length != b.length)
        return a.length < b.length ? -1 : 1;
    return memcmp(a.bytes, b.bytes, a.length);
}

static int by_key(const void *a, const void *b)
{
    return order(((const old_storage *)a)->key, ((const old_storage *)b)->key);
}

static int by_named_key(const void *a, const void *b)
{
    return order((*(const ffcl_pickle_value *const *)a)->as.storage.key,
                 (*(const ffcl_pickle_value *const *)b)->as.storage.key);
}

int ffcl_torchfile_place_old(const ffcl_tensor_file *file, const ffcl_old_storages *old,
                             const ffcl_pickle_value *tensor, ffcl_tensor_entry *e,
                             ffcl_error *err)
{
    const uint64_t size = ffcl_dtype_names[e->info.dtype].size, offset = tensor->as.tensor.offset;
    const old_storage wanted = {.key = tensor->as.tensor.storage->as.storage.key};
    const old_storage *s =
        old->n ? bsearch(&wanted, old->items, old->n, sizeof wanted, by_key) : NULL;
    if (!s)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: it lacks the data of tensor %s",
                         file->path, e->name);
    const uint64_t has = s->bytes / size;
    if (e->info.count && (offset > has || e->place.extent > has - offset))
        return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: tensor %s reaches outside its storage",
                         file->path, e->name);
    e->place.member = 0;
    e->place.begin = s->begin + (e->info.count ? offset * size : 0);
    return 0;
}

/* Bytes of an element of a storage; 0: it is of a type that is not known. */
static size_t element_size(ffcl_pickle_text type)
{
    static const struct {
        const char *name;
        size_t size;
    } others[] = {
        {"UntypedStorage", 1}, {"ComplexFloatStorage", 8}, {"ComplexDoubleStorage", 16},
        {"QInt8Storage", 1}, {"QUInt8Storage", 1}, {"QInt32Storage", 4},
    };
    for (int i = 0; i < FFCL_DTYPE_COUNT; i++)
        if (ffcl_dtype_names[i].storage && ffcl_pickle_text_is(type, ffcl_dtype_names[i].storage))
            return ffcl_dtype_names[i].size;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (ffcl_pickle_text_is(type, others[i].name))
            return others[i].size;
    return 0;
}

/* A text of the list below, its length in `bytes` bytes before it, from p[*at] on. */
static int take_key(ffcl_old_storages *out, const unsigned char *p, size_t size, size_t *at,
                    size_t bytes)
{
    size_t length = 0;
    if (size - *at < bytes)
        return FFCL_EFORMAT;
    for (size_t i = bytes; i-- > 0;)
        length = length << 8 | p[*at + i];
    *at += bytes;
    if (size - *at < length)
        return FFCL_EFORMAT;
    if ((out->n & (out->n - 1)) == 0) {         /* full at the powers of two */
        old_storage *grown = realloc(out->items, (out->n ? 2 * out->n : 1) * sizeof *grown);
        if (!grown)
            return FFCL_ENOMEM;
        out->items = grown;
    }
    out->items[out->n++] = (old_storage){.key = {(const char *)p + *at, length}};
    *at += length;
    return 0;
}

/* The pickle of a list of texts, the storages' keys, as torch writes it.  *n bytes of it are used;
 * FFCL_EFORMAT without a sentence. */
static int parse_keys(ffcl_old_storages *out, const unsigned char *p, size_t size, size_t *n)
{
    size_t at = 2;
    int rc = size < 4 || p[0] != 0x80 ? FFCL_EFORMAT : 0;
    while (!rc && at < size && p[at] != '.') {
        switch (p[at++]) {
        case ']': case '(': case 'e': case 'a': case 0x94: break;
        case 'q': at += 1; break;               /* memo: nothing refers to it */
        case 'r': at += 4; break;
        case 0x95: at += 8; break;              /* frame */
        case 0x8c: rc = take_key(out, p, size, &at, 1); break;
        case 'X': rc = take_key(out, p, size, &at, 4); break;
        default: rc = FFCL_EFORMAT;
        }
    }
    *n = at + 1;
    return rc ? rc : at < size ? 0 : FFCL_EFORMAT;
}

static int cut_short(const ffcl_tensor_file *file, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_EFORMAT, "%s is cut short (an interrupted download?)", file->path);
}

/* Where each storage begins, from byte `at` of the file on; named: what the pickle says of them,
 * (n) by key. */
static int place_storages(ffcl_tensor_file *file, ffcl_old_storages *old, uint64_t at,
                          const ffcl_pickle_value **named, size_t n, ffcl_error *err)
{
    char label[64];
    for (size_t i = 0; i < old->n; i++) {
        old_storage *s = &old->items[i];
        const ffcl_pickle_value wanted = {.as.storage.key = s->key}, *key = &wanted;
        const ffcl_pickle_value **found = n ? bsearch(&key, named, n, sizeof *named, by_named_key)
                                            : NULL;
        const ffcl_pickle_text type = found ? (*found)->as.storage.type : (ffcl_pickle_text){0};
        const uint64_t size = found ? element_size(type) : 0;
        uint64_t count = 0;
        if (!found)
            return ffcl_fail(err, FFCL_EFORMAT, "%s is damaged: no tensor has the storage %s",
                             file->path, ffcl_tensor_file_label(label, sizeof label, s->key.bytes,
                                                                s->key.length));
        if (!size)
            return ffcl_fail(err, FFCL_EFORMAT, "%s is of the form before PyTorch 1.6 and has a "
                             "storage of type %s, after which nothing can be found: load it and "
                             "save the state dict again with torch.save", file->path,
                             ffcl_tensor_file_label(label, sizeof label, type.bytes, type.length));
        if (at > file->size || file->size - at < sizeof count)
            return cut_short(file, err);
        int rc = ffcl_tensor_file_read_plain(file, 0, at, sizeof count, &count, err);
        if (rc)
            return rc;
        s->begin = at + sizeof count;
        if (count > (file->size - s->begin) / size)
            return cut_short(file, err);
        s->bytes = count * size;
        at = s->begin + s->bytes;
    }
    if (old->n)
        qsort(old->items, old->n, sizeof *old->items, by_key);
    return 0;
}

/* The same by what the pickle names, in an order of its own. */
static int find_storages(ffcl_tensor_file *file, ffcl_old_storages *old, uint64_t at,
                         const ffcl_pickle *pickle, ffcl_error *err)
{
    size_t n = 0;
    const ffcl_pickle_value *const *all = ffcl_pickle_storages(pickle, &n);
    const ffcl_pickle_value **named = malloc((n + 1) * sizeof *named);
    if (!named)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the pickle of %s", file->path);
    if (n) {
        memcpy(named, all, n * sizeof *named);
        qsort(named, n, sizeof *named, by_named_key);
    }
    int rc = place_storages(file, old, at, named, n, err);
    free(named);
    return rc;
}

/* Passes over the pickles before the objects': *at is the first byte of those. */
static int skip_pickles(const ffcl_tensor_file *file, const unsigned char *bytes, size_t size,
                        size_t *at, ffcl_error *err)
{
    static const char key[] = "little_endian";
    ffcl_pickle *pickle = NULL;
    int rc = 0;
    *at = 0;
    for (int i = 0; !rc && i < 3; i++) {
        rc = ffcl_pickle_open(&pickle, bytes + *at, size - *at, file->path, err);
        *at += rc ? 0 : ffcl_pickle_length(pickle);
        ffcl_pickle_close(&pickle);
    }
    const char *said = rc ? NULL : memmem(bytes, *at, key, sizeof key - 1);
    /* The value is False, a memo of the key being before it or not. */
    const unsigned char *value = said ? (const unsigned char *)said + sizeof key - 1 : NULL;
    for (int i = 0; value && i < 4 && value + i < bytes + *at; i++)
        if (value[i] == 0x89)
            return ffcl_fail(err, FFCL_EFORMAT, "%s was saved on a big-endian machine: load it and "
                             "save it again on a little-endian machine", file->path);
    return rc;
}

int ffcl_torchfile_open_old(ffcl_tensor_file *file, ffcl_error *err)
{
    enum { MOST = 16 << 20 };           /* of the pickles; real ones have well under 1 MB */
    const size_t size = (size_t)(file->size < MOST ? file->size : MOST);
    unsigned char *bytes = malloc(size + 1);
    ffcl_old_storages storages = {0};
    ffcl_pickle *pickle = NULL;
    size_t at = 0, length = 0;
    file->read = ffcl_tensor_file_read_plain;
    int rc = bytes ? ffcl_tensor_file_read_plain(file, 0, 0, size, bytes, err)
                   : ffcl_fail(err, FFCL_ENOMEM, "no memory for the pickle of %s", file->path);
    if (!rc)
        rc = skip_pickles(file, bytes, size, &at, err);
    if (!rc)
        rc = ffcl_pickle_open(&pickle, bytes + at, size - at, file->path, err);
    if (!rc) {
        at += ffcl_pickle_length(pickle);
        rc = parse_keys(&storages, bytes + at, size - at, &length);
        if (rc)
            ffcl_fail(err, rc, rc == FFCL_ENOMEM ? "no memory for the pickle of %s"
                      : "%s is damaged: the list of its storages cannot be read", file->path);
    }
    if (!rc)
        rc = find_storages(file, &storages, at + length, pickle, err);
    if (!rc)
        rc = ffcl_torchfile_add_state(file, "", &storages, pickle, err);
    ffcl_pickle_close(&pickle);
    free(storages.items);
    free(bytes);
    return rc;
}
