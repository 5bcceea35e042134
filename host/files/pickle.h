/* SPDX-License-Identifier: MIT
 * A restricted unpickler: enough of protocols 2 to 5 to find the tensors of a torch checkpoint.
 *
 * Nothing is imported or called.  Dicts, tuples, strings, integers and the constructors of
 * tensors are understood; what other calls would make becomes an OBJECT that says which; None,
 * truth values and floating-point numbers are PLAIN, and all else (lists) is OTHER.  OBJECT and
 * OTHER swallow what is appended to them or set on them. */
#ifndef FFCL_FILES_PICKLE_H
#define FFCL_FILES_PICKLE_H

#include <stddef.h>
#include <stdint.h>

#include "../error.h"

typedef enum ffcl_pickle_kind {
    FFCL_PICKLE_OTHER,
    FFCL_PICKLE_INT,
    FFCL_PICKLE_STRING,
    FFCL_PICKLE_TUPLE,
    FFCL_PICKLE_DICT,
    FFCL_PICKLE_GLOBAL,
    FFCL_PICKLE_STORAGE,
    FFCL_PICKLE_TENSOR,
    FFCL_PICKLE_OBJECT,
    FFCL_PICKLE_PLAIN
} ffcl_pickle_kind;

/* Bytes of the pickle; no terminator, may hold any byte. */
typedef struct ffcl_pickle_text {
    const char *bytes;
    size_t length;
} ffcl_pickle_text;

typedef struct ffcl_pickle_value ffcl_pickle_value;
struct ffcl_pickle_value {
    ffcl_pickle_kind kind;
    union {
        int64_t integer;
        ffcl_pickle_text text;                          /* STRING */
        struct {
            ffcl_pickle_value **items;                  /* TUPLE; DICT: key, value, key, ... */
            size_t count, capacity;
        } list;
        struct {
            ffcl_pickle_text module, name;
        } global;
        struct {
            ffcl_pickle_text type, key;                 /* e.g. FloatStorage, 12 */
            uint64_t count;                             /* elements; UntypedStorage: bytes */
        } storage;
        struct {
            const ffcl_pickle_value *storage, *size, *stride;   /* STORAGE, TUPLE, TUPLE */
            const ffcl_pickle_value *dtype;             /* GLOBAL, or NULL: the storage's */
            uint64_t offset;                            /* elements */
        } tensor;
        struct {
            const char *form;                           /* of a tensor: "quantized"; or NULL */
            ffcl_pickle_text module, name;              /* what would make it; empty: unknown */
        } object;
    } as;
};

typedef struct ffcl_pickle ffcl_pickle;

/* Runs the pickle; data must stay as long as *out, which owns all values.  path is for messages.
 * FFCL_EFORMAT (malformed, or too large: memory is bounded to 256 MB), FFCL_ENOMEM. */
int ffcl_pickle_open(ffcl_pickle **out, const void *data, size_t size, const char *path,
                     ffcl_error *err);
void ffcl_pickle_close(ffcl_pickle **pickle);

/* How many bytes of the data are the pickle; others may follow. */
size_t ffcl_pickle_length(const ffcl_pickle *pickle);

/* The storages that the pickle names, those of what is passed over, too; a storage may be named
 * several times.  Returns (*n). */
const ffcl_pickle_value *const *ffcl_pickle_storages(const ffcl_pickle *pickle, size_t *n);

const ffcl_pickle_value *ffcl_pickle_root(const ffcl_pickle *pickle);

/* What Python would have called, other than constructors of tensors and dicts: names such as
 * "argparse.Namespace, os.system"; "": nothing. */
const char *ffcl_pickle_foreign(const ffcl_pickle *pickle);

/* The value of a key, or NULL where dict is no DICT or lacks the key. */
const ffcl_pickle_value *ffcl_pickle_get(const ffcl_pickle_value *dict, const char *key);

int ffcl_pickle_text_is(ffcl_pickle_text text, const char *expected);

#endif
