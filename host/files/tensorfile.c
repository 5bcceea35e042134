/* SPDX-License-Identifier: MIT */
#include "tensorfile_impl.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../text.h"
#include "../util.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "weight files are little-endian and are read without swapping"
#endif

enum {
    BLOCK = 1 << 16,        /* bytes converted at a time: stays in the first-level caches */
    MAX_NAME = 1024,
    MAX_EXTENT = 1 << 30    /* bytes of a strided tensor that are held in memory */
};

const ffcl_dtype_name ffcl_dtype_names[FFCL_DTYPE_COUNT] = {
    [FFCL_F32] = {"FloatStorage", "float32", "F32", 4},
    [FFCL_F16] = {"HalfStorage", "float16", "F16", 2},
    [FFCL_BF16] = {"BFloat16Storage", "bfloat16", "BF16", 2},
    [FFCL_F64] = {"DoubleStorage", "float64", "F64", 8},
    [FFCL_F8_E4M3] = {NULL, "float8_e4m3fn", "F8_E4M3", 1},
    [FFCL_F8_E5M2] = {NULL, "float8_e5m2", "F8_E5M2", 1},
    [FFCL_I64] = {"LongStorage", "int64", "I64", 8},
    [FFCL_I32] = {"IntStorage", "int32", "I32", 4},
    [FFCL_I16] = {"ShortStorage", "int16", "I16", 2},
    [FFCL_I8] = {"CharStorage", "int8", "I8", 1},
    [FFCL_U8] = {"ByteStorage", "uint8", "U8", 1},
    [FFCL_BOOL] = {"BoolStorage", "bool", "BOOL", 1},
};

/* With this number, pickled in any protocol, torch.save began files before PyTorch 1.6. */
static int is_old_torch(const char *head)
{
    static const char number[] = "\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
    const char *at = head + 2;          /* the protocol */
    at += *at == '\x95' ? 9 : 0;        /* the length of a frame, from protocol 4 on */
    return head[0] == '\x80' && memcmp(at, number, sizeof number - 1) == 0;
}

/* What files that are no weights, or weights in a form that is not read, begin with. */
static const struct {
    size_t at, length;
    const char *bytes, *what;
} foreign[] = {
    {0, 23, "version https://git-lfs", "is a git-LFS pointer, not the weights: run git lfs pull"},
    {257, 5, "ustar",
     "is a tar archive: if it is an old torch checkpoint, load it and save it again with "
     "torch.save of PyTorch 1.6 or later"},
    {0, 4, "PK\x05\x06", "is an empty zip archive: make it or download it again"},
    {0, 4, "\x89PNG", "is a PNG image, not the weights"},
    {0, 2, "\x1f\x8b", "is gzip-compressed: unpack it first"},
    {0, 6, "\x93NUMPY", "is a NumPy array, not a safetensors or torch file"},
    {0, 4, "GGUF", "is a GGUF file: a safetensors or torch file is needed"},
    {0, 4, "\x89HDF", "is an HDF5 file: a safetensors or torch file is needed"},
    {0, 2, "\x80\x02", "is a bare pickle: save the state dict with torch.save"},
    {0, 2, "\x80\x03", "is a bare pickle: save the state dict with torch.save"},
    {0, 2, "\x80\x04", "is a bare pickle: save the state dict with torch.save"},
    {0, 2, "\x80\x05", "is a bare pickle: save the state dict with torch.save"},
};

/* Text that a download may have left in place of the weights. */
static int check_text(const ffcl_tensor_file *file, const char *head, ffcl_error *err)
{
    const char *at = head;
    if (memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    at += strspn(at, " \t\r\n");
    if (strncasecmp(at, "<!doctype html", 14) == 0 || strncasecmp(at, "<html", 5) == 0)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is an HTML page (a failed download?)", file->path);
    if (strncasecmp(at, "<?xml", 5) == 0)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is an XML text (a failed download?)", file->path);
    if (*at == '{')
        return ffcl_fail(err, FFCL_EFORMAT, "%s is a JSON text, not the weights", file->path);
    return 0;
}

static int open_by_content(ffcl_tensor_file *file, ffcl_error *err)
{
    char head[513] = {0};
    ssize_t n = pread(file->fd, head, sizeof head - 1, 0);
    if (n < 0)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", file->path, strerror(errno));
    if (n == 0)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is empty", file->path);
    /* First, as a header length under 2^40 can look like the first bytes of other formats. */
    if (head[8] == '{' && !head[5] && !head[6] && !head[7])
        return ffcl_safetensors_open(file, err);
    if (is_old_torch(head))
        return ffcl_torchfile_open_old(file, err);
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (memcmp(head + foreign[i].at, foreign[i].bytes, foreign[i].length) == 0)
            return ffcl_fail(err, FFCL_EFORMAT, "%s %s", file->path, foreign[i].what);
    if (ffcl_graphdef_looks_so((const unsigned char *)head, (size_t)n))
        return ffcl_graphdef_open(file, err);
    int rc = file->is_part || head[0] != '{' ? 0 : ffcl_shardfile_open(file, err);
    if (rc || file->n_parts)
        return rc;
    rc = check_text(file, head, err);
    if (rc)
        return rc;
    if (memcmp(head, "PK\x03\x04", 4) == 0)
        return ffcl_torchfile_open(file, err);
    if (n < 9)
        return ffcl_fail(err, FFCL_EFORMAT, "%s is no weight file: it has %zd bytes only",
                         file->path, n);
    if (head[8] == '{')     /* a header length beyond reason */
        return ffcl_safetensors_open(file, err);
    return ffcl_fail(err, FFCL_EFORMAT,
                     "%s is neither a safetensors file nor one of torch.save", file->path);
}

/* Its parts are zip archives after each other, so that only names tell it. */
static const char distributed[] =
    "is, or is a part of, a distributed checkpoint of PyTorch: make one file of the folder with "
    "python3 -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE.pt";

void ffcl_tensor_file_in_folder(const char *folder, char *name, size_t size)
{
    static const char *const endings[] = {".safetensors", ".pt", ".pth", ".bin", ".ckpt"};
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    name[0] = '\0';
    while (dir && (entry = readdir(dir))) {
        const char *dot = strrchr(entry->d_name, '.');
        int is_weights = 0;
        for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
            is_weights |= !strcmp(dot, endings[i]);
        if (is_weights && strlen(entry->d_name) < size &&
            (!*name || strcmp(entry->d_name, name) < 0))
            snprintf(name, size, "%s", entry->d_name);
    }
    if (dir)
        closedir(dir);
}

static int is_folder(const ffcl_tensor_file *file, ffcl_error *err)
{
    char name[256];
    if (faccessat(file->fd, ".metadata", F_OK, 0) == 0)
        return ffcl_fail(err, FFCL_EFORMAT, "%s %s", file->path, distributed);
    ffcl_tensor_file_in_folder(file->path, name, sizeof name);
    if (!*name)
        return ffcl_fail(err, FFCL_EFILE, "%s is a folder, not a weight file, and has none in it",
                         file->path);
    const size_t length = strlen(file->path);
    return ffcl_fail(err, FFCL_EFILE, "%s is a folder, not a weight file: did you mean %s%s%s?",
                     file->path, file->path,
                     length && file->path[length - 1] == '/' ? "" : "/", name);
}

static int open_file(ffcl_tensor_file *file, ffcl_error *err)
{
    struct stat st;
    /* O_NONBLOCK: a FIFO must be refused below, not waited for. */
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0 && errno == ENOENT && ffcl_input_check_local(file->path, err))
        return FFCL_EFILE;
    if (file->fd < 0 || fstat(file->fd, &st) != 0)
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: %s", file->path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return is_folder(file, err);
    const size_t length = strlen(file->path);
    if (length > 7 && !strcmp(file->path + length - 7, ".distcp"))
        return ffcl_fail(err, FFCL_EFORMAT, "%s %s", file->path, distributed);
    if (!S_ISREG(st.st_mode))
        return ffcl_fail(err, FFCL_EFILE, "%s is not a regular file", file->path);
    file->size = (uint64_t)st.st_size;
    return ffcl_file_id_get(&file->id, file->fd)
               ? ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", file->path, strerror(errno))
               : 0;
}

static int by_name(const void *a, const void *b)
{
    const ffcl_tensor_entry *x = *(ffcl_tensor_entry *const *)a;
    const ffcl_tensor_entry *y = *(ffcl_tensor_entry *const *)b;
    return strcmp(x->name, y->name);
}

/* Sorts the names; all that occur twice are listed in one message. */
static int index_names(ffcl_tensor_file *file, ffcl_error *err)
{
    if (!file->count)
        return 0;
    file->by_name = malloc(file->count * sizeof *file->by_name);
    if (!file->by_name)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensor names of %s", file->path);
    for (size_t i = 0; i < file->count; i++) {
        file->entries[i].info.name = file->entries[i].name;
        file->entries[i].info.unread = file->entries[i].unread;
        file->by_name[i] = &file->entries[i];
    }
    qsort(file->by_name, file->count, sizeof *file->by_name, by_name);

    char list[3072] = "";
    size_t used = 0;
    const char *last = "";
    for (size_t i = 1; i < file->count; i++) {
        const char *name = file->by_name[i]->name;
        if (strcmp(file->by_name[i - 1]->name, name) != 0 || strcmp(last, name) == 0)
            continue;
        last = name;
        int n = snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", name);
        used = ffcl_min(used + (size_t)n, sizeof list - 1);
    }
    if (!used)
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s holds more than one tensor of the same name "
                     "(prefixes module. and _orig_mod. removed): %s%s", file->path, list,
                     used == sizeof list - 1 ? "..." : "");
}

int ffcl_tensor_file_open(ffcl_tensor_file **out, const char *path, ffcl_error *err)
{
    return ffcl_tensor_file_open_as(out, path, "auto", 0, err);
}

int ffcl_tensor_file_reopen(ffcl_tensor_file **out, const ffcl_tensor_file *opened,
                            ffcl_error *err)
{
    return ffcl_tensor_file_open_as(out, opened->path, opened->wrapper, opened->of_vae, err);
}

/* A dictionary that is asked for by name must be there. */
static int check_wrapper(const ffcl_tensor_file *file, ffcl_error *err)
{
    const char *wrapper = file->wrapper;
    if (file->has_dicts || file->n_parts || !strcmp(wrapper, "auto") || !strcmp(wrapper, "none"))
        return 0;
    return ffcl_fail(err, FFCL_EFORMAT, "%s is no torch file, so that it has no dictionaries: "
                     "wrapper = %.80s names none; what names of tensors begin with is [model] "
                     "prefix", file->path, wrapper);
}

/* is_part: it is of sharded weights. */
static int open_any(ffcl_tensor_file **out, const char *path, const char *wrapper, int of_vae,
                    bool is_part, ffcl_error *err)
{
    *out = NULL;
    ffcl_tensor_file *file = calloc(1, sizeof *file);
    if (file)
        file->fd = -1;
    int rc = 0;
    if (file) {
        file->of_vae = of_vae;
        file->is_part = is_part;
    }
    if (!file || !(file->path = ffcl_format("%s", path)) ||
        !(file->wrapper = ffcl_format("%s", wrapper)))
        rc = ffcl_fail(err, FFCL_ENOMEM, "no memory to open %s", path);
    if (!rc)
        rc = open_file(file, err);
    if (!rc)
        rc = open_by_content(file, err);
    if (!rc)
        rc = check_wrapper(file, err);
    if (!rc)
        rc = index_names(file, err);
    if (rc)
        ffcl_tensor_file_close(&file);
    *out = file;
    return rc;
}

int ffcl_tensor_file_open_as(ffcl_tensor_file **out, const char *path, const char *wrapper,
                             int of_vae, ffcl_error *err)
{
    return open_any(out, path, wrapper, of_vae, false, err);
}

int ffcl_tensor_file_open_part(ffcl_tensor_file **out, const char *path,
                               const ffcl_tensor_file *whole, ffcl_error *err)
{
    return open_any(out, path, whole->wrapper, whole->of_vae, true, err);
}

void ffcl_tensor_file_close(ffcl_tensor_file **file)
{
    ffcl_tensor_file *f = *file;
    *file = NULL;
    if (!f)
        return;
    ffcl_tensor_file_unmap(f);
    ffcl_torchfile_close(f);
    for (size_t i = 0; i < f->n_parts; i++)
        ffcl_tensor_file_close(&f->parts[i]);
    free(f->parts);
    if (f->fd >= 0)
        close(f->fd);
    for (size_t i = 0; i < f->count; i++) {
        free(f->entries[i].name);
        free(f->entries[i].unread);
    }
    for (size_t i = 0; i < f->note_count; i++) {
        free(f->notes[i].key);
        free(f->notes[i].value);
    }
    free(f->entries);
    free(f->by_name);
    free(f->notes);
    free(f->extent);
    free(f->foreign);
    free(f->wrapper);
    free(f->taken);
    free(f->path);
    free(f);
}

const char *ffcl_tensor_file_label(char *label, size_t size, const char *text, size_t length)
{
    size_t n = ffcl_min(size - 1, length);
    for (size_t i = 0; i < n; i++)
        label[i] = text[i] ? text[i] : '?';
    label[n] = '\0';
    ffcl_text_clean(label, 0);
    return label;
}

int ffcl_tensor_file_name(const char *path, char **out, const char *name, size_t length,
                          ffcl_error *err)
{
    static const char *const prefixes[] = {"module.", "_orig_mod."};
    for (size_t misses = 0, i = 0; misses < 2; i = !i) {    /* in any order and number */
        size_t n = strlen(prefixes[i]);
        bool found = length > n && memcmp(name, prefixes[i], n) == 0;
        name += found ? n : 0;
        length -= found ? n : 0;
        misses = found ? 0 : misses + 1;
    }
    if (length == 0 || length > MAX_NAME)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: a tensor name has %zu bytes (1 to %d are valid)",
                         path, length, MAX_NAME);
    if (!ffcl_text_is_clean(name, length))
        return ffcl_fail(err, FFCL_EFORMAT, "%s: a tensor name has a control character or is no "
                         "UTF-8", path);
    *out = ffcl_format("%.*s", (int)length, name);
    if (!*out)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensor names of %s", path);
    return 0;
}

/* Count, extent and contiguity from shape and stride. */
static int measure(const ffcl_tensor_file *file, ffcl_tensor_entry *e, const size_t *stride,
                   ffcl_error *err)
{
    size_t count = 1, extent = 1, bytes = 0;
    bool contiguous = true, overflow = false;
    for (int i = 0; i < e->info.rank; i++)
        overflow |= ffcl_mul(&count, count, e->info.shape[i]) != 0;
    /* A zero in the shape makes any product valid, as torch has it. */
    for (int i = 0; i < e->info.rank; i++)
        if (e->info.shape[i] == 0) {
            count = 0;
            overflow = false;
        }
    size_t row_major = 1;
    for (int i = e->info.rank - 1; i >= 0 && count && !overflow; i--) {
        size_t n = e->info.shape[i], s = stride ? stride[i] : row_major, reach = 0;
        contiguous &= n == 1 || s == row_major;
        overflow |= n > 1 && (ffcl_mul(&reach, n - 1, s) || reach > SIZE_MAX - extent);
        extent += reach;
        e->place.stride[i] = s;
        row_major *= n;
    }
    e->info.count = count;
    e->place.extent = count ? extent : 0;
    e->place.contiguous = contiguous;
    overflow |= ffcl_mul(&bytes, ffcl_max(count, extent), ffcl_dtype_names[e->info.dtype].size);
    if (overflow || bytes > SIZE_MAX / 4)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: the size of tensor %s exceeds any memory",
                         file->path, e->name);
    return 0;
}

int ffcl_tensor_file_add(ffcl_tensor_file *file, ffcl_tensor_entry **out,
                         const ffcl_tensor_header *h, ffcl_error *err)
{
    if (file->count == file->capacity) {
        size_t capacity = ffcl_max(64, file->capacity * 2);
        ffcl_tensor_entry *grown = realloc(file->entries, capacity * sizeof *grown);
        if (!grown)
            return ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensors of %s", file->path);
        file->entries = grown;
        file->capacity = capacity;
    }
    ffcl_tensor_entry *e = &file->entries[file->count];
    memset(e, 0, sizeof *e);
    int rc = ffcl_tensor_file_name(file->path, &e->name, h->name, h->length, err);
    if (rc)
        return rc;
    file->count++;      /* from here the name is freed with the file */
    e->info.name = e->name;
    e->info.dtype = h->dtype;
    e->info.rank = h->rank;
    if (h->rank > FFCL_MAX_RANK)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s has %d dimensions (at most %d are read)",
                         file->path, e->name, h->rank, FFCL_MAX_RANK);
    for (int i = 0; i < h->rank; i++)
        e->info.shape[i] = h->shape[i];
    *out = e;
    if (!h->unread)
        return measure(file, e, h->stride, err);
    e->info.unread = e->unread = ffcl_format("%s", h->unread);
    e->info.is_object = h->is_object;
    return e->unread ? 0 : ffcl_fail(err, FFCL_ENOMEM, "no memory for the tensors of %s",
                                     file->path);
}

int ffcl_tensor_file_add_note(ffcl_tensor_file *file, const char *key, const char *value,
                              ffcl_error *err)
{
    ffcl_tensor_note *grown = realloc(file->notes, (file->note_count + 1) * sizeof *grown);
    if (grown) {
        file->notes = grown;
        ffcl_tensor_note *note = &grown[file->note_count++];
        *note = (ffcl_tensor_note){ffcl_format("%s", key), ffcl_format("%s", value)};
        if (note->key && note->value)
            return 0;
    }
    return ffcl_fail(err, FFCL_ENOMEM, "no memory for the header of %s", file->path);
}

int ffcl_tensor_file_check(const ffcl_tensor_file *file, ffcl_error *err)
{
    ffcl_file_id now;
    int rc = 0;
    if (ffcl_file_id_get(&now, file->fd))
        return ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", file->path, strerror(errno));
    for (size_t i = 0; !rc && i < file->n_parts; i++)
        rc = ffcl_tensor_file_check(file->parts[i], err);
    if (rc || ffcl_file_id_same(&now, &file->id))
        return rc;
    return ffcl_fail(err, FFCL_EFILE, "%s was changed while it was used: images of other weights "
                     "are not kept; write new weights to a new file and rename it", file->path);
}

int ffcl_tensor_file_is_mapped(const ffcl_tensor_file *file)
{
    for (size_t i = 0; i < file->n_parts; i++)
        if (file->parts[i]->map)
            return 1;
    return file->map != NULL;
}

size_t ffcl_tensor_file_parts(const ffcl_tensor_file *file)
{
    return 1 + file->n_parts;
}

const ffcl_file_id *ffcl_tensor_file_id(const ffcl_tensor_file *file, size_t part)
{
    return part == 0 ? &file->id : &file->parts[part - 1]->id;
}

int ffcl_tensor_file_same(const ffcl_tensor_file *a, const ffcl_tensor_file *b)
{
    if (a->n_parts != b->n_parts || !ffcl_file_id_same(&a->id, &b->id))
        return 0;
    for (size_t i = 0; i < a->n_parts; i++)
        if (!ffcl_file_id_same(&a->parts[i]->id, &b->parts[i]->id))
            return 0;
    return 1;
}

const char *ffcl_tensor_file_path(const ffcl_tensor_file *file)
{
    return file->path;
}

size_t ffcl_tensor_file_count(const ffcl_tensor_file *file)
{
    return file->count;
}

const ffcl_tensor_info *ffcl_tensor_file_at(const ffcl_tensor_file *file, size_t i)
{
    assert(i < file->count);
    return &file->entries[i].info;
}

const ffcl_tensor_info *ffcl_tensor_file_find(const ffcl_tensor_file *file, const char *name)
{
    size_t low = 0, high = file->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, file->by_name[middle]->name);
        if (order == 0)
            return &file->by_name[middle]->info;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

const char *ffcl_tensor_file_metadata(const ffcl_tensor_file *file, const char *key)
{
    for (size_t i = 0; i < file->note_count; i++)
        if (strcmp(file->notes[i].key, key) == 0)
            return file->notes[i].value;
    return NULL;
}

const char *ffcl_tensor_file_wrapper(const ffcl_tensor_file *file)
{
    return strcmp(file->wrapper, "auto") ? file->wrapper : "none";
}

/* A scaler is that of gradients in training; parameters that models have are none, either. */
bool ffcl_tensor_file_sounds_scaled(const char *name)
{
    static const char *const words[] = {"scale", "amax", "quantizer"};
    static const char *const own[] = {"norm.scale", "attn_scale", "mlp_scale", "latents_scale",
                                      "logit_scale", "scale_factor"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (length >= strlen(own[i]) && !strcmp(name + length - strlen(own[i]), own[i]))
            return false;
    for (; *name; name++)
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            const size_t n = strlen(words[i]);
            if (strncasecmp(name, words[i], n) == 0 && tolower((unsigned char)name[n]) != 'r')
                return true;
        }
    return false;
}

const char *ffcl_tensor_file_scale(const ffcl_tensor_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        if (ffcl_tensor_file_sounds_scaled(ffcl_tensor_file_at(file, i)->name))
            return ffcl_tensor_file_at(file, i)->name;
    for (size_t i = 0; i < file->n_parts; i++)
        if (*file->parts[i]->scales)
            return file->parts[i]->scales;
    return *file->scales ? file->scales : NULL;
}

int ffcl_tensor_file_refuse_scaled(const ffcl_tensor_file *file, const ffcl_tensor_info *info,
                                   const char *scale, ffcl_error *err)
{
    if (!scale || (info->dtype != FFCL_F8_E4M3 && info->dtype != FFCL_F8_E5M2))
        return 0;
    return ffcl_fail(err, FFCL_EWEIGHTS, "%s has 8-bit weights (%s) with scales beside them "
                     "(%.200s), which ffcl does not apply: multiply them where the file was made, "
                     "and save the weights as half or float32", file->path, info->name, scale);
}

const char *ffcl_tensor_file_taken(const ffcl_tensor_file *file)
{
    return file->taken;
}

const char *ffcl_tensor_file_foreign(const ffcl_tensor_file *file)
{
    return file->foreign;
}

/* out[i] = an expression of v, the element i of type T at src, which may lie at any address. */
#define EACH(T, expression)                         \
    for (size_t i = 0; i < n; i++) {                \
        T v;                                        \
        memcpy(&v, src + i * sizeof v, sizeof v);   \
        out[i] = (expression);                      \
    }

static float bf16_to_float(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

/* 4 bits of exponent, 3 of fraction, no infinity: all ones but the sign is NaN. */
static float e4m3_to_float(uint8_t b)
{
    const int exponent = b >> 3 & 15, fraction = b & 7;
    const float sign = b & 0x80 ? -1.0f : 1.0f;
    if ((b & 0x7f) == 0x7f)
        return NAN;
    return sign * (exponent ? ldexpf((float)(8 + fraction), exponent - 10)
                            : (float)fraction * 0x1p-9f);
}

static void to_f32(ffcl_dtype dtype, const unsigned char *src, size_t n, float *out)
{
    switch (dtype) {
    case FFCL_F32: memcpy(out, src, n * sizeof *out); break;
    case FFCL_F16: EACH(uint16_t, ffcl_half_to_float(v)) break;
    case FFCL_BF16: EACH(uint16_t, bf16_to_float(v)) break;
    case FFCL_F64: EACH(double, (float)v) break;
    case FFCL_F8_E4M3: EACH(uint8_t, e4m3_to_float(v)) break;
    case FFCL_F8_E5M2: EACH(uint8_t, ffcl_half_to_float((uint16_t)(v << 8))) break;
    case FFCL_I64: EACH(int64_t, (float)v) break;
    case FFCL_I32: EACH(int32_t, (float)v) break;
    case FFCL_I16: EACH(int16_t, (float)v) break;
    case FFCL_I8: EACH(int8_t, (float)v) break;
    case FFCL_U8: EACH(uint8_t, (float)v) break;
    case FFCL_BOOL: EACH(uint8_t, v ? 1.0f : 0.0f) break;
    }
}

static void to_i64(ffcl_dtype dtype, const unsigned char *src, size_t n, int64_t *out)
{
    switch (dtype) {
    case FFCL_I64: memcpy(out, src, n * sizeof *out); break;
    case FFCL_I32: EACH(int32_t, v) break;
    case FFCL_I16: EACH(int16_t, v) break;
    case FFCL_I8: EACH(int8_t, v) break;
    case FFCL_U8: EACH(uint8_t, v) break;
    case FFCL_BOOL: EACH(uint8_t, v != 0) break;
    default: break;
    }
}

/* Brings the bytes from the first to the last element of a strided tensor into memory. */
static int hold_extent(ffcl_tensor_file *file, const ffcl_tensor_entry *e, ffcl_error *err)
{
    if (file->held == e)
        return 0;
    free(file->extent);
    file->held = NULL;
    size_t bytes = e->place.extent * ffcl_dtype_names[e->info.dtype].size;
    file->extent = NULL;
    if (bytes > MAX_EXTENT)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: the strided tensor %s spans %zu bytes: save it "
                         "again with .contiguous()", file->path, e->name, bytes);
    file->extent = malloc(bytes);
    if (!file->extent)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the %zu bytes of %s in %s", bytes,
                         e->name, file->path);
    int rc = file->read(file, e->place.member, e->place.begin, bytes, file->extent, err);
    if (!rc)
        file->held = e;
    return rc;
}

/* Elements first .. first+n-1 in row-major order, raw, from the held extent. */
static void gather(const ffcl_tensor_file *file, const ffcl_tensor_entry *e, size_t first,
                   size_t n, unsigned char *out)
{
    size_t index[FFCL_MAX_RANK], at = 0, rest = first;
    size_t size = ffcl_dtype_names[e->info.dtype].size;
    for (int d = e->info.rank - 1; d >= 0; d--) {
        index[d] = rest % e->info.shape[d];
        rest /= e->info.shape[d];
        at += index[d] * e->place.stride[d];
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(out + i * size, file->extent + at * size, size);
        for (int d = e->info.rank - 1; d >= 0; d--) {
            at += e->place.stride[d];
            if (++index[d] < e->info.shape[d])
                break;
            at -= e->place.stride[d] * e->info.shape[d];
            index[d] = 0;
        }
    }
}

/* A number above the largest float would become infinity. */
static int refuse_wide(const ffcl_tensor_file *file, const ffcl_tensor_entry *e,
                       const unsigned char *block, size_t n, ffcl_error *err)
{
    double v;
    for (size_t i = 0; e->info.dtype == FFCL_F64 && i < n; i++) {
        memcpy(&v, block + i * sizeof v, sizeof v);
        if (isfinite(v) && !isfinite((float)v))
            return ffcl_fail(err, FFCL_ENUMERIC, "%s: tensor %s has a value of %g, which float32, "
                             "as ffcl reads it, has no number for", file->path, e->name, v);
    }
    return 0;
}

/* Reads n elements block by block and converts each block into f32 or i64, the one not NULL. */
static int read_elements(ffcl_tensor_file *file, const ffcl_tensor_entry *e, size_t first,
                         size_t n, float *f32, int64_t *i64, ffcl_error *err)
{
    size_t size = ffcl_dtype_names[e->info.dtype].size, most = BLOCK / size;
    unsigned char *block = malloc(BLOCK);
    int rc = 0;
    if (!block)
        rc = ffcl_fail(err, FFCL_ENOMEM, "no memory to read %s", file->path);
    if (!rc && !e->place.contiguous)
        rc = hold_extent(file, e, err);
    for (size_t done = 0, m = 0; !rc && done < n; done += m) {
        m = ffcl_min(most, n - done);
        if (e->place.contiguous)
            rc = file->read(file, e->place.member, e->place.begin + (first + done) * size,
                            m * size, block, err);
        else
            gather(file, e, first + done, m, block);
        if (!rc && f32)
            rc = refuse_wide(file, e, block, m, err);
        if (!rc && f32)
            to_f32(e->info.dtype, block, m, f32 + done);
        else if (!rc)
            to_i64(e->info.dtype, block, m, i64 + done);
    }
    if (file->held == e && first + n == e->info.count) {
        free(file->extent);
        file->extent = NULL;
        file->held = NULL;
    }
    free(block);
    return rc;
}

static int refuse_unread(const ffcl_tensor_file *file, const ffcl_tensor_info *info,
                         ffcl_error *err)
{
    return info->unread ? ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s is %s, which is not read",
                                    file->path, info->name, info->unread) : 0;
}

int ffcl_tensor_file_read_f32(ffcl_tensor_file *file, const ffcl_tensor_info *info, size_t first,
                              size_t n, float *out, ffcl_error *err)
{
    const ffcl_tensor_entry *e = (const ffcl_tensor_entry *)info;
    if (refuse_unread(file, info, err))
        return FFCL_EFORMAT;
    assert(first <= info->count && n <= info->count - first);
    file->subject = info->name;
    if (n == 0)
        return 0;
    if (info->dtype == FFCL_F32 && e->place.contiguous)     /* no copy in between */
        return file->read(file, e->place.member, e->place.begin + first * sizeof *out,
                          n * sizeof *out, out, err);
    return read_elements(file, e, first, n, out, NULL, err);
}

int ffcl_tensor_file_read_i64(ffcl_tensor_file *file, const ffcl_tensor_info *info, size_t first,
                              size_t n, int64_t *out, ffcl_error *err)
{
    if (refuse_unread(file, info, err))
        return FFCL_EFORMAT;
    assert(first <= info->count && n <= info->count - first);
    if (info->dtype < FFCL_I64)
        return ffcl_fail(err, FFCL_EFORMAT, "%s: tensor %s is of type %s, not of an integer type",
                         file->path, info->name, ffcl_dtype_names[info->dtype].torch);
    file->subject = info->name;
    if (n == 0)
        return 0;
    return read_elements(file, (const ffcl_tensor_entry *)info, first, n, NULL, out, err);
}

const char *ffcl_shape_text(char *text, size_t size, const size_t *shape, int rank)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, i ? ", %zu" : "%zu", shape[i]);
    if (used < size)
        snprintf(text + used, size - used, rank == 1 ? ",)" : ")");
    return text;
}
