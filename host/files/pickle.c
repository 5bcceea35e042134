/* SPDX-License-Identifier: MIT
 * The opcodes are those of Python's pickletools; text forms of protocols 0 and 1 are refused. */
#include "pickle_impl.h"

#include <stdlib.h>
#include <string.h>

#include "../util.h"

enum {
    CHUNK = 1 << 16,            /* bytes of an arena ffcl_pickle_chunk */
    MAX_MEMORY = 1 << 28        /* bytes of values, stacks and memo */
};

int ffcl_pickle_damaged(ffcl_pickle *p, const char *what)
{
    return ffcl_fail(p->err, FFCL_EFORMAT, "%s: its pickle is damaged: %s at byte %zu", p->path,
                     what, p->opcode_at);
}

static int old_protocol(ffcl_pickle *p)
{
    return ffcl_fail(p->err, FFCL_EFORMAT, "%s: its pickle is of protocol 0 or 1, which is not "
                     "read: load it in PyTorch and save it again with torch.save as it is by "
                     "default (pickle_protocol=2)", p->path);
}

/* Accounts for n more bytes of memory. */
static int charge(ffcl_pickle *p, size_t n)
{
    if (n > MAX_MEMORY - p->memory)
        return ffcl_fail(p->err, FFCL_EFORMAT, "%s: its pickle is beyond reason: it needs more "
                         "than %d MB", p->path, MAX_MEMORY >> 20);
    p->memory += n;
    return 0;
}

static int no_memory(ffcl_pickle *p)
{
    return ffcl_fail(p->err, FFCL_ENOMEM, "no memory for the pickle of %s", p->path);
}

/* n bytes that live as long as the pickle. */
static int allocate(ffcl_pickle *p, void **out, size_t n)
{
    n = ffcl_round_up(n, sizeof(max_align_t));
    if (!p->chunks || n > p->chunks->size - p->chunks->used) {
        size_t size = ffcl_max(n, CHUNK);
        int rc = charge(p, size);
        if (rc)
            return rc;
        ffcl_pickle_chunk *c = malloc(sizeof *c + size);
        if (!c)
            return no_memory(p);
        *c = (ffcl_pickle_chunk){.next = p->chunks, .size = size};
        p->chunks = c;
    }
    *out = (char *)p->chunks->bytes + p->chunks->used;
    p->chunks->used += n;
    return 0;
}

int ffcl_pickle_new(ffcl_pickle *p, ffcl_pickle_value **out, ffcl_pickle_kind kind)
{
    void *bytes = NULL;
    int rc = allocate(p, &bytes, sizeof **out);
    if (rc)
        return rc;
    *out = bytes;
    **out = (ffcl_pickle_value){.kind = kind};
    return 0;
}

/* Makes room for one more item. */
static int reserve(ffcl_pickle *p, ffcl_pickle_list *list)
{
    if (list->count < list->capacity)
        return 0;
    size_t capacity = ffcl_max(256, list->capacity * 2);
    int rc = charge(p, (capacity - list->capacity) * sizeof *list->items);
    if (rc)
        return rc;
    ffcl_pickle_value **grown = realloc(list->items, capacity * sizeof *grown);
    if (!grown)
        return no_memory(p);
    list->items = grown;
    list->capacity = capacity;
    return 0;
}

static int push(ffcl_pickle *p, ffcl_pickle_value *value)
{
    int rc = reserve(p, &p->stack);
    if (!rc)
        p->stack.items[p->stack.count++] = value;
    return rc;
}

/* The stack's height at the last mark: what lies below is out of reach. */
static size_t floor_of(const ffcl_pickle *p)
{
    return p->mark_count ? p->marks[p->mark_count - 1] : 0;
}

static int pop(ffcl_pickle *p, ffcl_pickle_value **out)
{
    if (p->stack.count <= floor_of(p))
        return ffcl_pickle_damaged(p, "the stack is empty");
    *out = p->stack.items[--p->stack.count];
    return 0;
}

/* The topmost value stays. */
static int top(ffcl_pickle *p, ffcl_pickle_value **out)
{
    int rc = pop(p, out);
    if (!rc)
        p->stack.count++;
    return rc;
}

/* Takes all values above the last mark; they stay readable until the next push. */
static int pop_to_mark(ffcl_pickle *p, ffcl_pickle_value ***items, size_t *count)
{
    if (!p->mark_count)
        return ffcl_pickle_damaged(p, "a mark is missing");
    size_t height = p->marks[--p->mark_count];
    *count = p->stack.count - height;
    *items = p->stack.items + height;
    p->stack.count = height;
    return 0;
}

/* n bytes of the stream. */
static int take(ffcl_pickle *p, const unsigned char **out, uint64_t n)
{
    if (n > p->size - p->at)
        return ffcl_pickle_damaged(p, "its end is missing");
    *out = p->data + p->at;
    p->at += (size_t)n;
    return 0;
}

/* A little-endian unsigned number of n <= 8 bytes. */
static int take_number(ffcl_pickle *p, uint64_t *out, int n)
{
    const unsigned char *bytes = NULL;
    int rc = take(p, &bytes, (uint64_t)n);
    *out = 0;
    for (int i = 0; !rc && i < n; i++)
        *out |= (uint64_t)bytes[i] << 8 * i;
    return rc;
}

/* A text up to the end of its line. */
static int take_line(ffcl_pickle *p, ffcl_pickle_text *out)
{
    const unsigned char *start = p->data + p->at;
    const unsigned char *end = memchr(start, '\n', p->size - p->at);
    if (!end)
        return ffcl_pickle_damaged(p, "its end is missing");
    *out = (ffcl_pickle_text){(const char *)start, (size_t)(end - start)};
    p->at += out->length + 1;
    return 0;
}

int ffcl_pickle_text_is(ffcl_pickle_text text, const char *expected)
{
    return text.length == strlen(expected) && memcmp(text.bytes, expected, text.length) == 0;
}

/* Each op_ function runs one opcode; arg is the number in the opcode's table row. */

static int op_proto(ffcl_pickle *p, int arg)
{
    uint64_t version = 0;
    int rc = take_number(p, &version, arg);
    if (!rc && version < 2)
        return old_protocol(p);
    if (!rc && version > 5)
        return ffcl_pickle_damaged(p, "an unknown protocol");
    return rc;
}

/* Skips arg bytes: frames are a hint only. */
static int op_skip(ffcl_pickle *p, int arg)
{
    const unsigned char *ignored = NULL;
    return take(p, &ignored, (uint64_t)arg);
}

/* A value of no interest that has arg bytes of argument. */
static int op_other(ffcl_pickle *p, int arg)
{
    int rc = op_skip(p, arg);
    return rc ? rc : push(p, &p->other);
}

/* The same of None, a truth value or a floating-point number. */
static int op_plain(ffcl_pickle *p, int arg)
{
    int rc = op_skip(p, arg);
    return rc ? rc : push(p, &p->plain);
}

/* Bytes, whose length has arg bytes. */
static int op_bytes(ffcl_pickle *p, int arg)
{
    uint64_t n = 0;
    const unsigned char *ignored = NULL;
    int rc = take_number(p, &n, arg);
    if (!rc)
        rc = take(p, &ignored, n);
    return rc ? rc : push(p, &p->other);
}

static int op_string(ffcl_pickle *p, int arg)
{
    uint64_t n = 0;
    const unsigned char *bytes = NULL;
    ffcl_pickle_value *value = NULL;
    int rc = take_number(p, &n, arg);
    if (!rc)
        rc = take(p, &bytes, n);
    if (!rc)
        rc = ffcl_pickle_new(p, &value, FFCL_PICKLE_STRING);
    if (rc)
        return rc;
    value->as.text = (ffcl_pickle_text){(const char *)bytes, (size_t)n};
    return push(p, value);
}

static int push_int(ffcl_pickle *p, int64_t number)
{
    ffcl_pickle_value *value = NULL;
    int rc = ffcl_pickle_new(p, &value, FFCL_PICKLE_INT);
    if (rc)
        return rc;
    value->as.integer = number;
    return push(p, value);
}

/* arg bytes: 1 and 2 unsigned, 4 signed. */
static int op_int(ffcl_pickle *p, int arg)
{
    uint64_t n = 0;
    int rc = take_number(p, &n, arg);
    return rc ? rc : push_int(p, arg == 4 ? (int64_t)(int32_t)(uint32_t)n : (int64_t)n);
}

/* Two's complement of any length, which has arg bytes; only 64 bits are of interest. */
static int op_long(ffcl_pickle *p, int arg)
{
    uint64_t n = 0, bits = 0;
    const unsigned char *bytes = NULL;
    int rc = take_number(p, &n, arg);
    if (!rc)
        rc = take(p, &bytes, n);
    if (rc)
        return rc;
    if (n > 8)
        return push(p, &p->other);
    for (size_t i = 0; i < n; i++)
        bits |= (uint64_t)bytes[i] << 8 * i;
    if (n > 0 && n < 8 && bytes[n - 1] & 0x80)
        bits |= UINT64_MAX << 8 * n;
    return push_int(p, (int64_t)bits);
}

static int op_mark(ffcl_pickle *p, int arg)
{
    (void)arg;
    if (p->mark_count == p->mark_capacity) {
        size_t capacity = ffcl_max(64, p->mark_capacity * 2);
        int rc = charge(p, (capacity - p->mark_capacity) * sizeof *p->marks);
        if (rc)
            return rc;
        size_t *grown = realloc(p->marks, capacity * sizeof *grown);
        if (!grown)
            return no_memory(p);
        p->marks = grown;
        p->mark_capacity = capacity;
    }
    p->marks[p->mark_count++] = p->stack.count;
    return 0;
}

/* Drops arg values; a mark on top counts as one, as in Python. */
static int op_pop(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *ignored = NULL;
    int rc = 0;
    for (int i = 0; !rc && i < arg; i++) {
        if (p->mark_count && p->stack.count == floor_of(p))
            p->mark_count--;
        else
            rc = pop(p, &ignored);
    }
    return rc;
}

/* POP_MARK, APPENDS, ADDITEMS: no list is kept. */
static int op_pop_mark(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value **items = NULL;
    size_t n = 0;
    (void)arg;
    return pop_to_mark(p, &items, &n);
}

/* FROZENSET. */
static int op_other_of_mark(ffcl_pickle *p, int arg)
{
    int rc = op_pop_mark(p, arg);
    return rc ? rc : push(p, &p->other);
}

static int op_dup(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *value = NULL;
    (void)arg;
    int rc = top(p, &value);
    return rc ? rc : push(p, value);
}

static int op_dict(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *value = NULL;
    (void)arg;
    int rc = ffcl_pickle_new(p, &value, FFCL_PICKLE_DICT);
    return rc ? rc : push(p, value);
}

/* A tuple of the arg topmost values, or of those above the mark (arg -1). */
static int op_tuple(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value **from = NULL, *value = NULL;
    void *items = NULL;
    size_t n = (size_t)arg;
    int rc = 0;
    if (arg < 0) {
        rc = pop_to_mark(p, &from, &n);
    } else {
        if (p->stack.count - floor_of(p) < n)
            return ffcl_pickle_damaged(p, "the stack is empty");
        p->stack.count -= n;
        from = p->stack.items + p->stack.count;
    }
    if (!rc)
        rc = ffcl_pickle_new(p, &value, FFCL_PICKLE_TUPLE);
    if (!rc && n)
        rc = allocate(p, &items, n * sizeof *from);
    if (rc)
        return rc;
    if (n)
        memcpy(items, from, n * sizeof *from);
    value->as.list.items = items;
    value->as.list.count = value->as.list.capacity = n;
    return push(p, value);
}

static int set_item(ffcl_pickle *p, ffcl_pickle_value *dict, ffcl_pickle_value *key,
                    ffcl_pickle_value *value)
{
    if (dict->kind == FFCL_PICKLE_OTHER || dict->kind == FFCL_PICKLE_OBJECT)
        return 0;
    if (dict->kind != FFCL_PICKLE_DICT)
        return ffcl_pickle_damaged(p, "an item is set on no dict");
    if (dict->as.list.count == dict->as.list.capacity) {
        size_t capacity = ffcl_max(8, dict->as.list.capacity * 2);
        void *items = NULL;
        int rc = allocate(p, &items, capacity * sizeof *dict->as.list.items);
        if (rc)
            return rc;
        if (dict->as.list.count)
            memcpy(items, dict->as.list.items, dict->as.list.count * sizeof key);
        dict->as.list.items = items;
        dict->as.list.capacity = capacity;
    }
    dict->as.list.items[dict->as.list.count++] = key;
    dict->as.list.items[dict->as.list.count++] = value;
    return 0;
}

static int op_setitem(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *key = NULL, *value = NULL, *dict = NULL;
    (void)arg;
    int rc = pop(p, &value);
    if (!rc)
        rc = pop(p, &key);
    if (!rc)
        rc = top(p, &dict);
    return rc ? rc : set_item(p, dict, key, value);
}

static int op_setitems(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value **items = NULL, *dict = NULL;
    size_t n = 0;
    (void)arg;
    int rc = pop_to_mark(p, &items, &n);
    if (!rc)
        rc = top(p, &dict);
    if (!rc && n % 2)
        rc = ffcl_pickle_damaged(p, "a key without value");
    for (size_t i = 0; !rc && i < n; i += 2)
        rc = set_item(p, dict, items[i], items[i + 1]);
    return rc;
}

static int push_global(ffcl_pickle *p, ffcl_pickle_text module, ffcl_pickle_text name)
{
    ffcl_pickle_value *value = NULL;
    int rc = ffcl_pickle_new(p, &value, FFCL_PICKLE_GLOBAL);
    if (rc)
        return rc;
    value->as.global.module = module;
    value->as.global.name = name;
    return push(p, value);
}

static int op_global(ffcl_pickle *p, int arg)
{
    ffcl_pickle_text module = {0}, name = {0};
    (void)arg;
    int rc = take_line(p, &module);
    if (!rc)
        rc = take_line(p, &name);
    return rc ? rc : push_global(p, module, name);
}

static int op_stack_global(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *module = NULL, *name = NULL;
    (void)arg;
    int rc = pop(p, &name);
    if (!rc)
        rc = pop(p, &module);
    if (rc)
        return rc;
    if (module->kind != FFCL_PICKLE_STRING || name->kind != FFCL_PICKLE_STRING)
        return ffcl_pickle_damaged(p, "a class without a name");
    return push_global(p, module->as.text, name->as.text);
}

/* ('storage', class, key, location, count): torch's way to name a run of data. */
static int op_persistent(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *id = NULL, *value = NULL;
    (void)arg;
    int rc = pop(p, &id);
    if (rc)
        return rc;
    if (id->kind != FFCL_PICKLE_TUPLE || id->as.list.count < 5)
        return ffcl_pickle_damaged(p, "an unknown persistent id");
    ffcl_pickle_value **item = id->as.list.items;
    if (item[0]->kind != FFCL_PICKLE_STRING || !ffcl_pickle_text_is(item[0]->as.text, "storage") ||
        item[1]->kind != FFCL_PICKLE_GLOBAL || item[2]->kind != FFCL_PICKLE_STRING ||
        item[4]->kind != FFCL_PICKLE_INT || item[4]->as.integer < 0)
        return ffcl_pickle_damaged(p, "an unknown persistent id");
    rc = ffcl_pickle_new(p, &value, FFCL_PICKLE_STORAGE);
    if (rc)
        return rc;
    value->as.storage.type = item[1]->as.global.name;
    value->as.storage.key = item[2]->as.text;
    value->as.storage.count = (uint64_t)item[4]->as.integer;
    if (id->as.list.count > 5 && item[5]->kind == FFCL_PICKLE_TUPLE)
        return ffcl_pickle_damaged(p, "a storage that is a part of another, as before PyTorch 0.4");
    rc = reserve(p, &p->storages);
    if (rc)
        return rc;
    p->storages.items[p->storages.count++] = value;
    return push(p, value);
}

/* REDUCE, NEWOBJ and, with the keyword arguments dropped (arg 1), NEWOBJ_EX. */
static int op_construct(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *callee = NULL, *args = NULL, *ignored = NULL, *result = NULL;
    int rc = arg ? pop(p, &ignored) : 0;
    if (!rc)
        rc = pop(p, &args);
    if (!rc)
        rc = pop(p, &callee);
    if (!rc)
        rc = ffcl_pickle_construct(p, callee, args, &result);
    return rc ? rc : push(p, result);
}

/* APPEND and BUILD: the value below stays as it is. */
static int op_drop_argument(ffcl_pickle *p, int arg)
{
    ffcl_pickle_value *ignored = NULL;
    (void)arg;
    int rc = pop(p, &ignored);
    return rc ? rc : top(p, &ignored);
}

static int memo_set(ffcl_pickle *p, uint64_t index)
{
    ffcl_pickle_value *value = NULL;
    int rc = top(p, &value);
    if (rc)
        return rc;
    if (index >= p->size)       /* each entry costs a byte at least: a bound on memory */
        return ffcl_pickle_damaged(p, "a memo number beyond reason");
    while (!rc && p->memo.count <= index) {
        rc = reserve(p, &p->memo);
        if (!rc)
            p->memo.items[p->memo.count++] = NULL;
    }
    if (!rc)
        p->memo.items[index] = value;
    return rc;
}

/* The memo number has arg bytes; 0 means the next one (MEMOIZE). */
static int op_put(ffcl_pickle *p, int arg)
{
    uint64_t index = p->memo.count;
    int rc = arg ? take_number(p, &index, arg) : 0;
    return rc ? rc : memo_set(p, index);
}

static int op_get(ffcl_pickle *p, int arg)
{
    uint64_t index = 0;
    int rc = take_number(p, &index, arg);
    if (rc)
        return rc;
    if (index >= p->memo.count || !p->memo.items[index])
        return ffcl_pickle_damaged(p, "an unknown memo number");
    return push(p, p->memo.items[index]);
}

static const struct {
    int (*run)(ffcl_pickle *p, int arg);
    int arg;
} opcodes[256] = {
    [0x80] = {op_proto, 1},         /* PROTO */
    [0x95] = {op_skip, 8},          /* FRAME */
    ['('] = {op_mark, 0},           /* MARK */
    ['0'] = {op_pop, 1},            /* POP */
    ['1'] = {op_pop_mark, 0},       /* POP_MARK */
    ['2'] = {op_dup, 0},            /* DUP */
    ['N'] = {op_plain, 0},          /* NONE */
    [0x88] = {op_plain, 0},         /* NEWTRUE */
    [0x89] = {op_plain, 0},         /* NEWFALSE */
    ['G'] = {op_plain, 8},          /* BINFLOAT */
    [']'] = {op_other, 0},          /* EMPTY_LIST */
    [0x8f] = {op_other, 0},         /* EMPTY_SET */
    ['K'] = {op_int, 1},            /* BININT1 */
    ['M'] = {op_int, 2},            /* BININT2 */
    ['J'] = {op_int, 4},            /* BININT */
    [0x8a] = {op_long, 1},          /* LONG1 */
    [0x8b] = {op_long, 4},          /* LONG4 */
    [0x8c] = {op_string, 1},        /* SHORT_BINUNICODE */
    ['X'] = {op_string, 4},         /* BINUNICODE */
    [0x8d] = {op_string, 8},        /* BINUNICODE8 */
    ['U'] = {op_string, 1},         /* SHORT_BINSTRING */
    ['T'] = {op_string, 4},         /* BINSTRING */
    ['C'] = {op_bytes, 1},          /* SHORT_BINBYTES */
    ['B'] = {op_bytes, 4},          /* BINBYTES */
    [0x8e] = {op_bytes, 8},         /* BINBYTES8 */
    [0x96] = {op_bytes, 8},         /* BYTEARRAY8 */
    [')'] = {op_tuple, 0},          /* EMPTY_TUPLE */
    [0x85] = {op_tuple, 1},         /* TUPLE1 */
    [0x86] = {op_tuple, 2},         /* TUPLE2 */
    [0x87] = {op_tuple, 3},         /* TUPLE3 */
    ['t'] = {op_tuple, -1},         /* TUPLE */
    ['}'] = {op_dict, 0},           /* EMPTY_DICT */
    ['s'] = {op_setitem, 0},        /* SETITEM */
    ['u'] = {op_setitems, 0},       /* SETITEMS */
    ['a'] = {op_drop_argument, 0},  /* APPEND */
    ['e'] = {op_pop_mark, 0},       /* APPENDS */
    [0x90] = {op_pop_mark, 0},      /* ADDITEMS */
    [0x91] = {op_other_of_mark, 0}, /* FROZENSET */
    ['c'] = {op_global, 0},         /* GLOBAL */
    [0x93] = {op_stack_global, 0},  /* STACK_GLOBAL */
    ['Q'] = {op_persistent, 0},     /* BINPERSID */
    ['R'] = {op_construct, 0},      /* REDUCE */
    [0x81] = {op_construct, 0},     /* NEWOBJ */
    [0x92] = {op_construct, 1},     /* NEWOBJ_EX */
    ['b'] = {op_drop_argument, 0},  /* BUILD */
    ['q'] = {op_put, 1},            /* BINPUT */
    ['r'] = {op_put, 4},            /* LONG_BINPUT */
    [0x94] = {op_put, 0},           /* MEMOIZE */
    ['h'] = {op_get, 1},            /* BINGET */
    ['j'] = {op_get, 4},            /* LONG_BINGET */
};

static int run(ffcl_pickle *p)
{
    for (;;) {
        p->opcode_at = p->at;
        if (p->at == p->size)
            return ffcl_pickle_damaged(p, "its end is missing");
        unsigned char opcode = p->data[p->at++];
        if (opcode == '.')
            return pop(p, &p->root);
        /* Opcodes of text; without the PROTO of later protocols at the start. */
        if (!opcodes[opcode].run && p->data[0] != 0x80 && opcode && strchr("ILFSVPdgilop", opcode))
            return old_protocol(p);
        if (!opcodes[opcode].run)
            return ffcl_fail(p->err, FFCL_EFORMAT, "%s: its pickle is damaged: unknown opcode "
                             "0x%02x at byte %zu", p->path, opcode, p->opcode_at);
        int rc = opcodes[opcode].run(p, opcodes[opcode].arg);
        if (rc)
            return rc;
    }
}

int ffcl_pickle_open(ffcl_pickle **out, const void *data, size_t size, const char *path,
                     ffcl_error *err)
{
    ffcl_pickle *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return ffcl_fail(err, FFCL_ENOMEM, "no memory for the pickle of %s", path);
    p->data = data;
    p->size = size;
    p->path = path;
    p->err = err;
    p->plain.kind = FFCL_PICKLE_PLAIN;
    int rc = reserve(p, &p->stack);     /* never NULL from here on */
    if (!rc)
        rc = run(p);
    p->err = NULL;
    if (rc)
        ffcl_pickle_close(&p);
    *out = p;
    return rc;
}

void ffcl_pickle_close(ffcl_pickle **pickle)
{
    ffcl_pickle *p = *pickle;
    *pickle = NULL;
    if (!p)
        return;
    while (p->chunks) {
        ffcl_pickle_chunk *next = p->chunks->next;
        free(p->chunks);
        p->chunks = next;
    }
    free(p->stack.items);
    free(p->memo.items);
    free(p->storages.items);
    free(p->marks);
    free(p);
}

size_t ffcl_pickle_length(const ffcl_pickle *p)
{
    return p->at;
}

const ffcl_pickle_value *const *ffcl_pickle_storages(const ffcl_pickle *pickle, size_t *n)
{
    *n = pickle->storages.count;
    return (const ffcl_pickle_value *const *)pickle->storages.items;
}

const ffcl_pickle_value *ffcl_pickle_root(const ffcl_pickle *pickle)
{
    return pickle->root;
}

const char *ffcl_pickle_foreign(const ffcl_pickle *pickle)
{
    return pickle->foreign;
}

const ffcl_pickle_value *ffcl_pickle_get(const ffcl_pickle_value *dict, const char *key)
{
    if (dict->kind != FFCL_PICKLE_DICT)
        return NULL;
    for (size_t i = dict->as.list.count; i > 0; i -= 2) {       /* the last one set counts */
        const ffcl_pickle_value *k = dict->as.list.items[i - 2];
        if (k->kind == FFCL_PICKLE_STRING && ffcl_pickle_text_is(k->as.text, key))
            return dict->as.list.items[i - 1];
    }
    return NULL;
}
