/* SPDX-License-Identifier: MIT
 * TensorFlow's frozen graphs, such as classify_image_graph_def.pb: a GraphDef message, of whose
 * nodes those of op Const hold the weights.  Fields are those of TensorFlow's graph.proto,
 * node_def.proto, attr_value.proto, tensor.proto and tensor_shape.proto; all others are passed
 * over.  Only what describes tensors is read; their data stays in the file. */
#include "tensorfile_impl.h"

#include <stdio.h>
#include <string.h>

#include "../util.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };   /* wire types */
enum { GRAPH_NODE = 1, NODE_NAME = 1, NODE_OP = 2, NODE_ATTR = 5, ENTRY_KEY = 1, ENTRY_VALUE = 2,
       VALUE_F = 4, VALUE_B = 5, VALUE_TENSOR = 8, TENSOR_DTYPE = 1, TENSOR_SHAPE = 2,
       TENSOR_CONTENT = 4, TENSOR_FLOATS = 5, SHAPE_DIM = 2, DIM_SIZE = 1 };
enum { DT_FLOAT = 1, DT_DOUBLE = 2 };
enum { MOST_NODES = 1 << 20, MOST_TEXT = 512, WINDOW = 1 << 12 };

/* Bytes at .. end of the file: a message, or a field of one. */
typedef struct span {
    uint64_t at, end;
} span;

typedef struct reader {
    ffcl_tensor_file *file;
    ffcl_error *err;
    unsigned char window[WINDOW];
    uint64_t begin;             /* of the window */
    size_t held;
} reader;

/* A field: its number, its wire type, its value or where its bytes are. */
typedef struct field {
    uint64_t number, value;
    int wire;
    span bytes;
} field;

static int damaged(const reader *r, uint64_t at)
{
    return ffcl_fail(r->err, FFCL_EFORMAT, "%s is no TensorFlow graph, or a damaged one: byte %llu "
                     "begins no field, or one that does not end within its message",
                     r->file->path, (unsigned long long)at);
}

/* n bytes at .. into to; at + n is within the file. */
static int take(reader *r, uint64_t at, size_t n, void *to)
{
    if (at < r->begin || at - r->begin > r->held || r->held - (at - r->begin) < n) {
        r->begin = at;
        r->held = (size_t)ffcl_min(WINDOW, r->file->size - at);
        int rc = ffcl_tensor_file_read_plain(r->file, 0, at, r->held, r->window, r->err);
        if (rc)
            return rc;
    }
    memcpy(to, r->window + (at - r->begin), n);
    return 0;
}

/* The varint at s->at. */
static int varint(reader *r, span *s, uint64_t *value)
{
    unsigned char byte = 0x80;
    *value = 0;
    const uint64_t begin = s->at;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (s->at >= s->end || shift > 63)
            return damaged(r, begin);
        int rc = take(r, s->at++, 1, &byte);
        if (rc)
            return rc;
        *value |= (uint64_t)(byte & 0x7f) << shift;
    }
    return 0;
}

/* The field at s->at, which then is behind it. */
static int next(reader *r, span *s, field *f)
{
    uint64_t key, length = 0;
    const uint64_t begin = s->at;
    int rc = varint(r, s, &key);
    if (rc)
        return rc;
    *f = (field){.number = key >> 3, .wire = (int)(key & 7)};
    switch (f->wire) {
    case VARINT:
        return varint(r, s, &f->value);
    case FIXED64:
        length = 8;
        break;
    case FIXED32:
        length = 4;
        break;
    case BYTES:
        rc = varint(r, s, &length);
        break;
    default:
        return damaged(r, begin);
    }
    if (rc)
        return rc;
    if (f->number == 0 || length > s->end - s->at)
        return damaged(r, begin);
    f->bytes = (span){s->at, s->at + length};
    s->at += length;
    return 0;
}

/* Is there another field, *f, and could it be read? */
static int has_next(reader *r, span *s, field *f, int *rc)
{
    if (s->at >= s->end)
        return 0;
    *rc = next(r, s, f);
    return *rc == 0;
}

/* A text into text (MOST_TEXT); one that is too long is cut. */
static int text_of(reader *r, const field *f, char *text)
{
    const size_t n = (size_t)ffcl_min(f->bytes.end - f->bytes.at, MOST_TEXT - 1);
    int rc = f->wire == BYTES ? take(r, f->bytes.at, n, text) : damaged(r, f->bytes.at);
    text[rc ? 0 : n] = '\0';
    return rc;
}

/* ---- a tensor ------------------------------------------------------------------------------- */

typedef struct tensor {
    uint64_t dtype;
    size_t rank, shape[FFCL_MAX_RANK];
    span data;                  /* of content, or of packed floats */
    int is_strange;             /* of a shape or form that is not read */
} tensor;

static int read_shape(reader *r, span s, tensor *t)
{
    field f, size;
    int rc = 0;
    while (rc == 0 && has_next(r, &s, &f, &rc)) {
        if (f.number != SHAPE_DIM || f.wire != BYTES)
            continue;
        uint64_t n = 0;
        for (span d = f.bytes; rc == 0 && d.at < d.end;) {
            rc = next(r, &d, &size);
            if (rc == 0 && size.number == DIM_SIZE && size.wire == VARINT)
                n = size.value;
        }
        if (t->rank == FFCL_MAX_RANK || n > (uint64_t)1 << 40)      /* unknown ones are negative */
            t->is_strange = 1;
        else
            t->shape[t->rank++] = (size_t)n;
    }
    return rc;
}

static int read_tensor(reader *r, span s, tensor *t)
{
    field f;
    int rc = 0;
    *t = (tensor){0};
    while (rc == 0 && has_next(r, &s, &f, &rc)) {
        if (f.number == TENSOR_DTYPE && f.wire == VARINT)
            t->dtype = f.value;
        else if (f.number == TENSOR_SHAPE && f.wire == BYTES)
            rc = read_shape(r, f.bytes, t);
        else if (f.number == TENSOR_CONTENT && f.wire == BYTES && f.bytes.at < f.bytes.end)
            t->data = f.bytes;
        else if (f.number == TENSOR_FLOATS && (f.wire == BYTES || f.wire == FIXED32)) {
            t->is_strange |= t->data.end != 0;      /* in several pieces */
            t->data = f.bytes;
        }
    }
    return rc;
}

/* Strides of what PyTorch has as (out, in, height, width) and (out, in), and TensorFlow as (height,
 * width, in, out) and (in, out). */
static void transpose(const tensor *t, size_t *shape, size_t *stride)
{
    static const size_t from4[] = {3, 2, 0, 1}, from2[] = {1, 0};
    size_t own[FFCL_MAX_RANK] = {0}, step = 1;
    for (size_t i = t->rank; i-- > 0; step *= t->shape[i])
        own[i] = step;
    for (size_t i = 0; i < t->rank; i++) {
        const size_t from = t->rank == 4 ? from4[i] : t->rank == 2 ? from2[i] : i;
        shape[i] = t->shape[from];
        stride[i] = own[from];
    }
}

static int add(reader *r, const char *name, const tensor *t)
{
    ffcl_tensor_file *file = r->file;
    const size_t size = t->dtype == DT_DOUBLE ? 8 : 4;
    const uint64_t bytes = t->data.end - t->data.at;
    size_t shape[FFCL_MAX_RANK] = {0}, stride[FFCL_MAX_RANK] = {0}, count = 1;
    ffcl_tensor_entry *e;
    char unread[64] = "";
    int is_too_large = 0;
    for (size_t i = 0; i < t->rank; i++)
        is_too_large |= ffcl_mul(&count, count, t->shape[i]) != 0;
    /* One value stands for all. */
    const int is_one = bytes == size && count > 1;
    if (t->dtype != DT_FLOAT && t->dtype != DT_DOUBLE)
        snprintf(unread, sizeof unread, "of TensorFlow's type %llu", (unsigned long long)t->dtype);
    else if (t->is_strange)
        snprintf(unread, sizeof unread, "in a form that is not read");
    if (!*unread && (is_too_large || count > UINT64_MAX / size ||
                     (!is_one && bytes != (uint64_t)count * size))) {
        char label[128];
        return ffcl_fail(r->err, FFCL_EFORMAT, "%s: tensor %s has %llu bytes of data, which its "
                         "shape does not need", file->path,
                         ffcl_tensor_file_label(label, sizeof label, name, strlen(name)),
                         (unsigned long long)bytes);
    }
    if (!*unread)
        transpose(t, shape, stride);
    for (size_t i = 0; is_one && i < t->rank; i++)
        stride[i] = 0;
    int rc = ffcl_tensor_file_add(file, &e, &(ffcl_tensor_header){
        .name = name, .length = strlen(name), .dtype = t->dtype == DT_DOUBLE ? FFCL_F64 : FFCL_F32,
        .rank = *unread ? 0 : (int)t->rank, .shape = shape, .stride = stride,
        .unread = *unread ? unread : NULL}, r->err);
    if (rc == 0) {
        e->place.begin = t->data.at;
        e->place.bytes = bytes;
    }
    return rc;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* What of a node counts here. */
typedef struct node {
    char name[MOST_TEXT], op[MOST_TEXT];
    span value;                 /* attribute "value", a tensor; end 0: none */
    float epsilon;              /* of a batch norm */
    int has_scale, is_scaled;
} node;

static int read_value(reader *r, span s, const char *key, node *n)
{
    field f;
    int rc = 0;
    while (rc == 0 && has_next(r, &s, &f, &rc)) {
        if (f.number == VALUE_TENSOR && f.wire == BYTES && strcmp(key, "value") == 0)
            n->value = f.bytes;
        if (f.number == VALUE_F && f.wire == FIXED32 && strcmp(key, "variance_epsilon") == 0)
            rc = take(r, f.bytes.at, 4, &n->epsilon);
        if (f.number == VALUE_B && f.wire == VARINT &&
            strcmp(key, "scale_after_normalization") == 0) {
            n->has_scale = 1;
            n->is_scaled = f.value != 0;
        }
    }
    return rc;
}

static int read_attribute(reader *r, span s, node *n)
{
    char key[MOST_TEXT] = "";
    span value = {0, 0};
    field f;
    int rc = 0;
    while (rc == 0 && has_next(r, &s, &f, &rc)) {
        if (f.number == ENTRY_KEY)
            rc = text_of(r, &f, key);
        else if (f.number == ENTRY_VALUE && f.wire == BYTES)
            value = f.bytes;
    }
    return rc ? rc : read_value(r, value, key, n);
}

/* What batch norms do with their numbers, which is the same for all of a graph. */
static int note_norm(reader *r, const node *n)
{
    ffcl_tensor_file *file = r->file;
    char epsilon[32];
    snprintf(epsilon, sizeof epsilon, "%.9g", (double)n->epsilon);
    const char *const values[2] = {epsilon, n->has_scale && !n->is_scaled ? "no" : "yes"};
    static const char *const keys[2] = {FFCL_GRAPH_EPSILON, FFCL_GRAPH_SCALES};
    for (size_t i = 0; i < 2; i++) {
        const char *known = ffcl_tensor_file_metadata(file, keys[i]);
        int rc = known ? 0 : ffcl_tensor_file_add_note(file, keys[i], values[i], r->err);
        if (rc)
            return rc;
        if (known && strcmp(known, values[i]) != 0)
            return ffcl_fail(r->err, FFCL_EFORMAT, "%s: batch norms of two kinds, %s = %s and %s",
                             file->path, keys[i], known, values[i]);
    }
    return 0;
}

static int read_node(reader *r, span s)
{
    node n = {.value = {0, 0}};
    tensor t;
    field f;
    int rc = 0;
    while (rc == 0 && has_next(r, &s, &f, &rc)) {
        if (f.number == NODE_NAME)
            rc = text_of(r, &f, n.name);
        else if (f.number == NODE_OP)
            rc = text_of(r, &f, n.op);
        else if (f.number == NODE_ATTR && f.wire == BYTES)
            rc = read_attribute(r, f.bytes, &n);
    }
    if (rc == 0 && strcmp(n.op, "BatchNormWithGlobalNormalization") == 0)
        rc = note_norm(r, &n);
    if (rc || strcmp(n.op, "Const") != 0 || !n.value.end)
        return rc;
    rc = read_tensor(r, n.value, &t);
    return rc ? rc : add(r, n.name, &t);
}

int ffcl_graphdef_looks_so(const unsigned char *head, size_t n)
{
    /* The first field of a graph is a node, and its first field the name. */
    size_t at = 1;
    if (n < 4 || head[0] != (GRAPH_NODE << 3 | BYTES))
        return 0;
    while (at < 6 && at < n && head[at] & 0x80)
        at++;
    return at + 2 < n && head[at + 1] == (NODE_NAME << 3 | BYTES) && head[at + 2] > 0 &&
           head[at + 2] < 0x80;
}

int ffcl_graphdef_open(ffcl_tensor_file *file, ffcl_error *err)
{
    reader r = {.file = file, .err = err};
    span all = {0, file->size};
    field f;
    int rc = 0;
    file->read = ffcl_tensor_file_read_plain;
    for (size_t n = 0; rc == 0 && all.at < all.end; n++) {
        rc = next(&r, &all, &f);
        if (rc == 0 && n == MOST_NODES)
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s: a graph of more than %d nodes is beyond reason",
                           file->path, MOST_NODES);
        if (rc == 0 && f.number == GRAPH_NODE && f.wire == BYTES)
            rc = read_node(&r, f.bytes);
    }
    return rc;
}
