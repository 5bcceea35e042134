/* SPDX-License-Identifier: MIT
 * Changes weight files as what they are, so that a fuzzer gets behind checksums, lengths and
 * offsets: the opcodes of a pickle, the members of a zip archive, the headers of NumPy arrays, the
 * tensors of a safetensors header.  Every fourth change is one of plain bytes.  Only with the
 * fuzzer (make fuzz). */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fuzz.h"

enum { MOST_OPCODES = 2048, MOST_MEMBERS = 64, MOST_NAME = 200 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t n = 0;
    for (int i = 0; i < bytes; i++)
        n |= (uint64_t)p[i] << 8 * i;
    return n;
}

static void put(uint8_t *p, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++)
        p[i] = (uint8_t)(n >> 8 * i);
}

/* ---- pickles ------------------------------------------------------------------------------ */

/* The bytes of the opcode at p, with its argument; what is cut goes to the end. */
static size_t opcode_bytes(const uint8_t *p, size_t left)
{
    static const struct {
        const char *opcodes;
        size_t fixed;
        int counted, lines;
    } rules[] = {
        {"\x80Kqh\x82", 1, 0, 0}, {"M\x83", 2, 0, 0}, {"Jrj\x84", 4, 0, 0}, {"G\x95", 8, 0, 0},
        {"\x8a\x8cUC", 0, 1, 0}, {"XTB\x8b", 0, 4, 0}, {"\x8d\x8e\x96", 0, 8, 0},
        {"ILFSVPpg", 0, 0, 1}, {"ci", 0, 0, 2},
    };
    size_t n = 1;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (!*p || !strchr(rules[i].opcodes, (char)*p))
            continue;
        n += rules[i].fixed + (size_t)rules[i].counted;
        if (rules[i].counted && left >= n) {
            const uint64_t more = number(p + 1, rules[i].counted);
            n = more > left - n ? left : n + (size_t)more;
        }
        for (int lines = rules[i].lines; lines > 0 && n < left; lines--) {
            const uint8_t *end = memchr(p + n, '\n', left - n);
            n = end ? (size_t)(end - p) + 1 : left;
        }
        break;
    }
    return n < left ? n : left;
}

static size_t insert(uint8_t *data, size_t size, size_t most, size_t at, const uint8_t *what,
                     size_t n)
{
    if (n > most - size)
        return size;
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, what, n);
    return size + n;
}

static size_t cut(uint8_t *data, size_t size, size_t at, size_t n)
{
    memmove(data + at, data + at + n, size - at - n);
    return size - n;
}

static size_t mutate_pickle(uint8_t *data, size_t size, size_t most, uint32_t *state)
{
    static const uint8_t plain[] = "(012N\x88\x89]\x8f)\x85\x86\x87t}suae\x90\x91\x93QR\x81\x92"
                                   "b\x94.";
    static size_t at[MOST_OPCODES + 1];
    size_t n = 0;
    for (at[0] = 0; at[n] < size && n < MOST_OPCODES; n++)
        at[n + 1] = at[n] + opcode_bytes(data + at[n], size - at[n]);
    if (n == 0)
        return LLVMFuzzerMutate(data, size, most);
    const size_t i = ffcl_fuzz_chance(state, (uint32_t)n), j = ffcl_fuzz_chance(state, (uint32_t)n);
    const size_t length = at[i + 1] - at[i];
    const uint8_t flip = (uint8_t)(1 << ffcl_fuzz_chance(state, 8));
    uint8_t copy[512], made[2] = {plain[ffcl_fuzz_chance(state, sizeof plain - 1)], 0};
    switch (ffcl_fuzz_chance(state, 6)) {
    case 0:
        return cut(data, size, at[i], length);
    case 1:
        if (length > sizeof copy)
            return size;
        memcpy(copy, data + at[i], length);
        return insert(data, size, most, at[j], copy, length);
    case 2:
        return insert(data, size, most, at[i], made, 1);
    case 3:                             /* a number or a memo number */
        made[0] = (uint8_t)"Kqh"[ffcl_fuzz_chance(state, 3)];
        made[1] = (uint8_t)ffcl_fuzz_chance(state, 24);
        return insert(data, size, most, at[i], made, 2);
    case 4:                             /* the argument */
        if (length > 1)
            data[at[i] + 1 + ffcl_fuzz_chance(state, (uint32_t)length - 1)] ^= flip;
        return size;
    default:
        data[at[i]] = made[0];
        return size;
    }
}

/* ---- safetensors --------------------------------------------------------------------------- */

static void replace(cJSON *object, const char *key, cJSON *item)
{
    cJSON_DeleteItemFromObject(object, key);
    if (!cJSON_AddItemToObject(object, key, item))
        cJSON_Delete(item);
}

static double element_bytes(const char *dtype)
{
    const char *digits = dtype ? strpbrk(dtype, "123468") : NULL;
    return digits ? atoi(digits) / 8.0 : 1;
}

/* Has the tensors lie after each other, as the format wants it; the bytes that they need. */
static double lay_out(cJSON *header)
{
    double at = 0;
    cJSON *t;
    cJSON_ArrayForEach(t, header) {
        const cJSON *shape = cJSON_GetObjectItem(t, "shape"), *side;
        double bytes = element_bytes(cJSON_GetStringValue(cJSON_GetObjectItem(t, "dtype")));
        if (!shape)
            continue;
        cJSON_ArrayForEach(side, shape)
            bytes *= side->valuedouble;
        const double span[] = {at, at + bytes};
        at += bytes;
        replace(t, "data_offsets", cJSON_CreateDoubleArray(span, 2));
    }
    return at;
}

static void change_tensor(cJSON *header, cJSON *t, uint32_t *state)
{
    static const double numbers[] = {0, 1, 2, 3, 4, 8, 16, 255, 1024, 65536, 0x1p31, 0x1p32, 0x1p52,
                                     0x1p53, -1, 0.5, 1e300};
    static const char *const types[] = {"F32", "F16", "BF16", "F64", "I64", "I32", "U8", "BOOL",
                                        "F8_E4M3", "U64", ""};
    const int n = cJSON_GetArraySize(header);
    cJSON *shape = cJSON_GetObjectItem(t, "shape"), *other;
    const uint32_t rank = (uint32_t)cJSON_GetArraySize(shape);
    cJSON *side = cJSON_GetArrayItem(shape, (int)ffcl_fuzz_chance(state, rank));
    uint32_t i;
    switch (ffcl_fuzz_chance(state, 7)) {
    case 0: case 1: case 2:
        i = ffcl_fuzz_chance(state, sizeof numbers / sizeof *numbers);
        if (side)
            cJSON_SetNumberValue(side, ffcl_fuzz_chance(state, 3) ? numbers[i]
                                                                  : side->valuedouble + 1);
        break;
    case 3:
        side = cJSON_CreateNumber(ffcl_fuzz_chance(state, 5));
        if (ffcl_fuzz_chance(state, 2) || !cJSON_IsArray(shape) ||
            !cJSON_AddItemToArray(shape, side)) {
            cJSON_Delete(side);
            cJSON_DeleteItemFromArray(shape, 0);
        }
        break;
    case 4:
        i = ffcl_fuzz_chance(state, sizeof types / sizeof *types);
        replace(t, "dtype", cJSON_CreateString(types[i]));
        break;
    case 5:                             /* another's shape */
        other = cJSON_GetArrayItem(header, (int)ffcl_fuzz_chance(state, (uint32_t)n));
        if (other != t && cJSON_GetObjectItem(other, "shape"))
            replace(t, "shape", cJSON_Duplicate(cJSON_GetObjectItem(other, "shape"), 1));
        break;
    default:
        other = cJSON_DetachItemViaPointer(header, t);
        if (ffcl_fuzz_chance(state, 2)) {         /* another block, or another name */
            char name[MOST_NAME];
            snprintf(name, sizeof name, "%s", other->string ? other->string : "");
            char *digit = strpbrk(name, "0123456789");
            if (digit)
                *digit = (char)('0' + ffcl_fuzz_chance(state, 10));
            cJSON_AddItemToObject(header, digit ? name : "pos_embed", other);
        } else {
            cJSON_Delete(other);
        }
    }
}

static size_t mutate_safetensors(uint8_t *data, size_t size, size_t most, uint32_t *state)
{
    const uint64_t length = number(data, 8);
    const char *json = (const char *)data + 8;
    cJSON *header = length < size - 8 ? cJSON_ParseWithLength(json, length) : NULL;
    const int n = cJSON_GetArraySize(header);
    cJSON *t = n ? cJSON_GetArrayItem(header, (int)ffcl_fuzz_chance(state, (uint32_t)n)) : NULL;
    if (!cJSON_IsObject(t)) {
        cJSON_Delete(header);
        return LLVMFuzzerMutate(data, size, most);
    }
    change_tensor(header, t, state);
    size_t body = size - 8 - (size_t)length;
    const double bytes = ffcl_fuzz_chance(state, 8) ? lay_out(header) : (double)body;
    char *text = cJSON_PrintUnformatted(header);
    const size_t m = text ? strlen(text) : 0;
    if (text && m + 8 < most) {
        const size_t room = most - 8 - m;
        const size_t want = bytes >= 0 && bytes < (double)room ? (size_t)bytes : body;
        body = want < room ? want : room;
        put(data, m, 8);
        memcpy(data + 8, text, m);
        memset(data + 8 + m, 0, body);
        size = 8 + m + body;
    }
    free(text);
    cJSON_Delete(header);
    return size;
}

/* ---- NumPy arrays -------------------------------------------------------------------------- */

/* Another type or shape, and mostly as many bytes as these need. */
static size_t mutate_array(uint8_t *bytes, size_t size, size_t most, uint32_t *state)
{
    static const char *const types[] = {"|u1", "<f8", "<f4", "<i8", "<i2", "|i1", "<u4", "<f2",
                                        "|b1", "|O", ">f8"};
    static const char *const shapes[] = {
        "()", "(1,)", "(2,)", "(5,)", "(1, 1, 1, 3)", "(2, 2, 2, 3)", "(2, 0, 2, 3)", "(2, 2)",
        "(2048,)", "(2048, 2048)", "(2305843009213693952,)", "(4294967296, 4294967296)",
        "(1, 1, 1, 1, 1)", "(-1,)", "(18446744073709551615,)",
    };
    static const size_t counts[] = {1, 1, 2, 5, 3, 24, 0, 4, 2048, 0, 0, 0, 1, 0, 0};
    const uint32_t i = ffcl_fuzz_chance(state, sizeof shapes / sizeof *shapes);
    const char *type = types[ffcl_fuzz_chance(state, sizeof types / sizeof *types)];
    const size_t head = size >= 10 ? 10 + (size_t)number(bytes + 8, 2) : 0;
    if (ffcl_fuzz_chance(state, 3) == 0 || head > size || most < 128)
        return LLVMFuzzerMutate(bytes, size, most);
    memset(bytes, ' ', 128);
    memcpy(bytes, "\x93NUMPY\x01\x00\x76\x00", 10);
    snprintf((char *)bytes + 10, 118, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }",
             type, shapes[i]);
    size_t n = counts[i] * (type[2] == 'O' ? 8 : (size_t)(type[2] - '0'));
    n = n > most - 128 ? most - 128 : n;
    memset(bytes + 128, (int)ffcl_fuzz_chance(state, 256), n);
    return 128 + n;
}

/* ---- zip archives --------------------------------------------------------------------------- */

typedef struct member {
    char name[MOST_NAME];
    uint8_t *bytes;
    size_t n, room;
} member;

/* The stored members of an archive; their number. */
static size_t read_members(const uint8_t *data, size_t size, member *list)
{
    size_t end = size, n = 0;
    while (end >= 22 && memcmp(data + end - 22, "PK\5\6", 4))
        end--;
    if (end < 22)
        return 0;
    uint64_t at = number(data + end - 22 + 16, 4);
    while (n < MOST_MEMBERS && at <= size - 46 && size >= 46 && !memcmp(data + at, "PK\1\2", 4)) {
        const uint8_t *e = data + at;
        const uint64_t bytes = number(e + 20, 4), local = number(e + 42, 4);
        const uint64_t name = number(e + 28, 2);
        at += 46 + name + number(e + 30, 2) + number(e + 32, 2);
        if (at > size || name >= MOST_NAME || local > size - 30 || bytes > size)
            break;
        const uint64_t from = local + 30 + number(data + local + 26, 2) +
                              number(data + local + 28, 2);
        if (number(e + 10, 2) || from > size || bytes > size - from)
            break;
        member *m = &list[n++];
        memcpy(m->name, e + 46, name);
        m->name[name] = '\0';
        m->n = (size_t)bytes;
        m->room = m->n + 4096;
        m->bytes = malloc(m->room);
        memcpy(m->bytes, data + from, m->n);
    }
    return n;
}

/* The archive of the members, stored, with right checksums; 0: it does not fit. */
static size_t write_members(uint8_t *out, size_t most, const member *list, size_t n)
{
    size_t used = 0, places[MOST_MEMBERS];
    for (size_t directory = 0; directory < 2; directory++) {
        const size_t begin = used;
        for (size_t i = 0; i < n; i++) {
            const size_t name = strlen(list[i].name), head = directory ? 46 : 30;
            const size_t all = head + name + (directory ? 0 : list[i].n);
            if (all + 22 > most - used || used + 22 > most)
                return 0;
            uint8_t *p = out + used, *common = p + (directory ? 6 : 4);
            memset(p, 0, head);
            memcpy(p, directory ? "PK\1\2" : "PK\3\4", 4);
            put(common + 10, crc32_z(0, list[i].bytes, list[i].n), 4);
            put(common + 14, list[i].n, 4);
            put(common + 18, list[i].n, 4);
            put(common + 22, name, 2);
            memcpy(p + head, list[i].name, name);
            if (directory)
                put(p + 42, places[i], 4);
            else
                memcpy(p + head + name, list[i].bytes, list[i].n);
            if (!directory)
                places[i] = used;
            used += all;
        }
        if (directory) {
            uint8_t *p = out + used;
            memset(p, 0, 22);
            memcpy(p, "PK\5\6", 4);
            put(p + 8, n, 2);
            put(p + 10, n, 2);
            put(p + 12, used - begin, 4);
            put(p + 16, begin, 4);
        }
    }
    return used + 22;
}

static void change_members(member *list, size_t *n, uint32_t *state)
{
    member *m = &list[ffcl_fuzz_chance(state, (uint32_t)*n)], swap;
    /* Most of what can go wrong is in the pickle. */
    for (size_t i = 0; i < *n && ffcl_fuzz_chance(state, 2); i++)
        if (strstr(list[i].name, "data.pkl"))
            m = &list[i];
    const size_t length = strlen(m->name);
    switch (ffcl_fuzz_chance(state, 12)) {
    case 0:
        free(m->bytes);
        *m = list[--*n];
        break;
    case 1:
        if (length)
            m->name[ffcl_fuzz_chance(state, (uint32_t)length)] =
                (char)('0' + ffcl_fuzz_chance(state, 10));
        break;
    case 2:
        swap = list[0];
        list[0] = *m;
        *m = swap;
        break;
    default:
        m->n = strstr(m->name, "data.pkl") ? mutate_pickle(m->bytes, m->n, m->room, state)
               : strstr(m->name, ".npy")   ? mutate_array(m->bytes, m->n, m->room, state)
                                           : LLVMFuzzerMutate(m->bytes, m->n, m->room);
    }
}

static size_t mutate_zip(uint8_t *data, size_t size, size_t most, uint32_t *state)
{
    static member list[MOST_MEMBERS];
    size_t n = read_members(data, size, list), written = 0;
    if (n == 0)
        return LLVMFuzzerMutate(data, size, most);
    change_members(list, &n, state);
    uint8_t *made = malloc(most);
    if (made && most >= 22)
        written = write_members(made, most, list, n);
    if (written)
        memcpy(data, made, written);
    free(made);
    for (size_t i = 0; i < n; i++)
        free(list[i].bytes);
    return written ? written : size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    uint32_t state = seed * 2654435761u + 1;
    if (ffcl_fuzz_chance(&state, 4) == 0)
        return LLVMFuzzerMutate(data, size, most);
    if (size > 30 && !memcmp(data, "PK\3\4", 4))
        return mutate_zip(data, size, most, &state);
    if (size > 10 && data[8] == '{')
        return mutate_safetensors(data, size, most, &state);
    return mutate_pickle(data, size, most, &state);
}
