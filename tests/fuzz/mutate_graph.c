/* SPDX-License-Identifier: MIT
 * Changes TensorFlow's graphs as protobuf messages: one field at any depth, with the lengths of all
 * messages around it.  Every fourth change is one of plain bytes.  Only with the fuzzer. */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5, DEEPEST = 8 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

/* A field within its message: key, then, of BYTES, the length, then the value. */
typedef struct field {
    uint64_t key;
    size_t value, end;          /* where the value begins, where the next field does */
} field;

static int read_varint(const uint8_t *p, size_t n, size_t *at, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; *at < n && shift < 64; shift += 7) {
        const uint8_t byte = p[(*at)++];
        *value |= (uint64_t)(byte & 127) << shift;
        if (!(byte & 128))
            return 0;
    }
    return -1;
}

static size_t put_varint(uint8_t *to, uint64_t value)
{
    size_t n = 0;
    for (; value > 127; value >>= 7)
        to[n++] = (uint8_t)(value | 128);
    to[n++] = (uint8_t)value;
    return n;
}

static int read_field(const uint8_t *p, size_t n, size_t at, field *f)
{
    uint64_t length = 0;
    if (read_varint(p, n, &at, &f->key))
        return -1;
    f->value = at;
    switch (f->key & 7) {
    case VARINT:
        if (read_varint(p, n, &at, &length))
            return -1;
        f->end = at;
        return 0;
    case FIXED64: length = 8; break;
    case FIXED32: length = 4; break;
    case BYTES:
        if (read_varint(p, n, &at, &length))
            return -1;
        f->value = at;
        break;
    default: return -1;
    }
    if (length > n - at)
        return -1;
    f->end = at + (size_t)length;
    return 0;
}

/* The fields of a message; 0 where it is none. */
static size_t count_fields(const uint8_t *p, size_t n)
{
    field f;
    size_t count = 0, at = 0;
    for (; at < n && read_field(p, n, at, &f) == 0; at = f.end)
        count++;
    return at == n ? count : 0;
}

static size_t put_bytes(uint8_t *to, uint64_t key, const uint8_t *value, size_t n)
{
    size_t used = put_varint(to, key);
    used += put_varint(to + used, n);
    memcpy(to + used, value, n);
    return used + n;
}

static size_t put_number(uint8_t *to, uint64_t key, const uint8_t *value, size_t n,
                         uint32_t *state)
{
    static const uint64_t numbers[] = {0, 1, 2, 3, 4, 7, 8, 255, 1 << 16, 1u << 31, 1ull << 32,
                                       1ull << 40, 1ull << 62, UINT64_MAX};
    size_t used = put_varint(to, key);
    if ((key & 7) == VARINT)
        return used + put_varint(to + used, numbers[ffcl_fuzz_chance(state, 14)]);
    memcpy(to + used, value, n);
    to[used + ffcl_fuzz_chance(state, (uint32_t)n)] ^= (uint8_t)(1 << ffcl_fuzz_chance(state, 8));
    return used + n;
}

/* What a message of n bytes may become: a field of it twice, at each depth. */
static size_t room_for(size_t n)
{
    return (DEEPEST + 2) * (n + 64);
}

/* The message with one field changed, to `to`, where there is room_for it; its bytes. */
static size_t change(uint8_t *to, const uint8_t *p, size_t n, int depth, uint32_t *state)
{
    const size_t count = count_fields(p, n);
    size_t target = ffcl_fuzz_chance(state, (uint32_t)count), at = 0, m;
    field f = {0};
    for (size_t i = 0; i <= target && read_field(p, n, at, &f) == 0; i++)
        at = i < target ? f.end : at;
    const size_t length = f.end - f.value;
    const uint8_t *value = p + f.value;
    memcpy(to, p, at);
    size_t used = at;
    const uint32_t what = ffcl_fuzz_chance(state, 16);
    if (what == 0) {                    /* twice */
        memcpy(to + used, p + at, f.end - at);
        used += f.end - at;
    }
    if (what == 2)                      /* another number */
        f.key = (f.key & 7) | (uint64_t)(1 + ffcl_fuzz_chance(state, 9)) << 3;
    if (what == 1) {                    /* left out */
    } else if ((f.key & 7) != BYTES) {
        used += put_number(to + used, f.key, value, length, state);
    } else {
        uint8_t *inner = malloc(room_for(length));
        const int goes_in = depth < DEEPEST && count_fields(value, length) &&
                            ffcl_fuzz_chance(state, 8);
        memcpy(inner, value, length);
        if (goes_in)
            m = change(inner, value, length, depth + 1, state);
        else
            m = what == 3 ? length : LLVMFuzzerMutate(inner, length, length + 32);
        used += put_bytes(to + used, f.key, inner, m);
        free(inner);
    }
    memcpy(to + used, p + f.end, n - f.end);
    return used + n - f.end;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    uint32_t state = seed * 2654435761u + 1;
    if (ffcl_fuzz_chance(&state, 4) == 0 || !count_fields(data, size))
        return LLVMFuzzerMutate(data, size, most);
    uint8_t *made = malloc(room_for(size));
    const size_t n = change(made, data, size, 0, &state);
    if (n <= most)
        memcpy(data, made, n);
    free(made);
    return n <= most ? n : size;
}
