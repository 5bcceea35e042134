/* SPDX-License-Identifier: MIT */
#include "cl/binary_cache.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

static const char magic[8] = "FFCLBIN1";

/* FNV-1a, 64 bits: names the file and guards the contents against torn writes. */
static uint64_t hash(const void *data, size_t n)
{
    const unsigned char *p = data;
    uint64_t h = 1469598103934665603u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static char *cache_dir(void)
{
    const char *own = getenv("FFCL_CACHE_DIR");
    if (own)
        return *own ? ffcl_format("%s", own) : NULL;
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (xdg && xdg[0] == '/')
        return ffcl_format("%s/ffcl", xdg);
    const char *home = getenv("HOME");
    return home && *home ? ffcl_format("%s/.cache/ffcl", home) : NULL;
}

static char *entry_path(const char *key)
{
    char *dir = cache_dir();
    char *path = dir ? ffcl_format("%s/%016llx.bin", dir,
                                   (unsigned long long)hash(key, strlen(key)))
                     : NULL;
    free(dir);
    return path;
}

typedef struct header {
    char magic[8];
    uint64_t key_size, binary_size, binary_hash;
} header;

unsigned char *ffcl_binary_load(const char *key, size_t *size)
{
    char *path = entry_path(key), *stored = NULL;
    unsigned char *binary = NULL;
    FILE *f = path ? fopen(path, "rb") : NULL;
    header h;
    int good = 0;
    if (!f || fread(&h, sizeof h, 1, f) != 1 || memcmp(h.magic, magic, sizeof magic) != 0)
        goto out;
    if (h.key_size != strlen(key) || h.binary_size == 0 || h.binary_size > (1u << 30))
        goto out;
    stored = malloc(h.key_size);
    binary = malloc(h.binary_size);
    if (!stored || !binary || fread(stored, h.key_size, 1, f) != 1 ||
        memcmp(stored, key, h.key_size) != 0 || fread(binary, h.binary_size, 1, f) != 1)
        goto out;
    good = hash(binary, h.binary_size) == h.binary_hash;
    *size = h.binary_size;
out:
    if (f)
        fclose(f);
    free(path);
    free(stored);
    if (!good) {
        free(binary);
        binary = NULL;
    }
    return binary;
}

void ffcl_binary_store(const char *key, const unsigned char *binary, size_t size)
{
    char *path = entry_path(key);
    char *temporary = path ? ffcl_format("%s.%ld.tmp", path, (long)getpid()) : NULL;
    FILE *f = NULL;
    if (!temporary)
        goto out;
    ffcl_make_folders(temporary);
    f = fopen(temporary, "wb");
    if (!f)
        goto out;
    header h = {.key_size = strlen(key), .binary_size = size, .binary_hash = hash(binary, size)};
    memcpy(h.magic, magic, sizeof magic);
    int good = fwrite(&h, sizeof h, 1, f) == 1 && fwrite(key, h.key_size, 1, f) == 1 &&
               fwrite(binary, size, 1, f) == 1;
    good = fclose(f) == 0 && good;
    if (!good || rename(temporary, path) != 0)
        unlink(temporary);
out:
    free(temporary);
    free(path);
}
