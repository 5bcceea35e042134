/* SPDX-License-Identifier: MIT
 * What the readers of the two weight formats share; private to tensorfile, safetensors, torchfile.
 *
 * A reader fills file->entries through ffcl_tensor_file_add and sets file->read. */
#ifndef FFCL_FILES_TENSORFILE_IMPL_H
#define FFCL_FILES_TENSORFILE_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "input.h"
#include "tensorfile.h"

/* Where a tensor lies: element 0 at byte begin of member (0 in safetensors). */
typedef struct ffcl_tensor_place {
    uint64_t member, begin;
    size_t stride[FFCL_MAX_RANK];   /* in elements; row-major when contiguous */
    size_t extent;                  /* elements from the first to the last, both included */
    uint64_t bytes;                 /* in safetensors: of its data */
    bool contiguous;
} ffcl_tensor_place;

typedef struct ffcl_tensor_entry {
    ffcl_tensor_info info;          /* first, so that info's address is the entry's */
    ffcl_tensor_place place;
    char *name, *unread;            /* the entry's own */
} ffcl_tensor_entry;

typedef struct ffcl_tensor_note {
    char *key, *value;
} ffcl_tensor_note;

/* The zip archive of a torch file and the member that is being read. */
typedef struct ffcl_torch_zip {
    struct zip *archive;
    struct zip_file *member;
    uint64_t index, at, size;       /* of member: its entry, read position, length */
    bool stored;                    /* not compressed, so that any part can be read */
    bool check;                     /* it has a CRC and its end was not reached yet */
} ffcl_torch_zip;

struct ffcl_tensor_file {
    char *path;
    int fd;
    ffcl_file_id id;                /* as it was opened */
    uint64_t size;
    ffcl_tensor_entry *entries;     /* in the order of the data, as far as known */
    size_t count, capacity;
    ffcl_tensor_entry **by_name;
    ffcl_tensor_note *notes;
    size_t note_count;
    bool has_dicts;                 /* a torch file: one of its dictionaries was chosen */
    char scales[64];                /* the key of what sounds like scales, beside the state dict */
    char *wrapper, *taken;          /* see ffcl_tensor_file_open_as, ffcl_tensor_file_taken */
    int of_vae;
    char *foreign;                  /* of a torch file, see ffcl_tensor_file_foreign; or NULL */
    ffcl_torch_zip zip;
    ffcl_tensor_file **parts;       /* (n_parts) of sharded weights; else none */
    size_t n_parts;
    bool is_part;                   /* a shard, which is no index itself */
    const ffcl_tensor_entry *held;  /* the strided tensor whose extent is in memory */
    unsigned char *extent;
    const unsigned char *map;       /* the whole file; NULL: not mapped */
    const char *subject;            /* what is being read, for messages */
    /* n bytes from byte at of a member into dst. */
    int (*read)(ffcl_tensor_file *file, uint64_t member, uint64_t at, size_t n, void *dst,
                ffcl_error *err);
};

/* The names of a dtype in torch storages ("FloatStorage"; NULL: it has none of its own), torch and
 * safetensors. */
typedef struct ffcl_dtype_name {
    const char *storage, *torch, *safetensors;
    size_t size;                    /* bytes an element */
} ffcl_dtype_name;

enum { FFCL_DTYPE_COUNT = FFCL_BOOL + 1 };
extern const ffcl_dtype_name ffcl_dtype_names[FFCL_DTYPE_COUNT];

/* A tensor as a file declares it. */
typedef struct ffcl_tensor_header {
    const char *name;               /* length bytes, any bytes */
    size_t length;
    ffcl_dtype dtype;
    int rank;
    const size_t *shape, *stride;   /* (rank); stride NULL: row-major */
    const char *unread;             /* see ffcl_tensor_info; NULL: it can be read */
    int is_object;
} ffcl_tensor_header;

/* Appends a tensor: the name is checked and its prefixes are removed, count and extent computed.
 * *out, valid until the next call, lacks place.member and place.begin only. */
int ffcl_tensor_file_add(ffcl_tensor_file *file, ffcl_tensor_entry **out,
                         const ffcl_tensor_header *header, ffcl_error *err);

/* A tensor's name without prefixes into *out (new).  Names go into messages and on terminals, so
 * that control characters are refused. */
int ffcl_tensor_file_name(const char *path, char **out, const char *name, size_t length,
                          ffcl_error *err);

/* A text of the file for messages, in a buffer of size bytes: cut, control characters as "?". */
const char *ffcl_tensor_file_label(char *label, size_t size, const char *text, size_t length);

/* Does a name sound like the scale of weights, such as weight_scale_inv? */
bool ffcl_tensor_file_sounds_scaled(const char *name);

void ffcl_tensor_file_unmap(ffcl_tensor_file *file);

/* n bytes of the file itself; member is ignored. */
int ffcl_tensor_file_read_plain(ffcl_tensor_file *file, uint64_t member, uint64_t at, size_t n,
                                void *dst, ffcl_error *err);

/* Appends a string for ffcl_tensor_file_metadata. */
int ffcl_tensor_file_add_note(ffcl_tensor_file *file, const char *key, const char *value,
                              ffcl_error *err);

int ffcl_safetensors_open(ffcl_tensor_file *file, ffcl_error *err);

/* Do the first n bytes of a file look like a TensorFlow graph? */
int ffcl_graphdef_looks_so(const unsigned char *head, size_t n);
int ffcl_graphdef_open(ffcl_tensor_file *file, ffcl_error *err);

/* The bytes of a member and its checksum; 0: it has none. */
int ffcl_torchfile_checksum(ffcl_tensor_file *file, uint64_t member, uint64_t *bytes,
                            uint32_t *crc, ffcl_error *err);

int ffcl_torchfile_open(ffcl_tensor_file *file, ffcl_error *err);
/* Of the form that torch.save wrote before PyTorch 1.6. */
int ffcl_torchfile_open_old(ffcl_tensor_file *file, ffcl_error *err);
void ffcl_torchfile_close(ffcl_tensor_file *file);

/* Where the file is the index of sharded weights; else it does nothing. */
int ffcl_shardfile_open(ffcl_tensor_file *file, ffcl_error *err);
int ffcl_shardfile_can_map(ffcl_tensor_file *file, const ffcl_tensor_info *info);
int ffcl_shardfile_map(const float **out, ffcl_tensor_file *file, const ffcl_tensor_info *info,
                       ffcl_error *err);

/* A file of sharded weights, read as `whole` is. */
int ffcl_tensor_file_open_part(ffcl_tensor_file **out, const char *path,
                               const ffcl_tensor_file *whole, ffcl_error *err);

#endif
