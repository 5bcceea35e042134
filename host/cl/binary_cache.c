/* SPDX-License-Identifier: MIT */
#include "cl/binary_cache.h"

#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/atomic.h"
#include "files/input.h"
#include "files/lock.h"
#include "os/paths.h"
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

char *ffcl_binary_folder(void)
{
    const char *own = getenv("FFCL_CACHE_DIR");
    if (own)
        return *own ? ffcl_format("%s", own) : NULL;
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (xdg && ffcl_path_is_absolute(xdg))
        return ffcl_format("%s/ffcl", xdg);
    const char *home = getenv("HOME");
    return home && *home ? ffcl_format("%s/.cache/ffcl", home) : NULL;
}

/* An entry is code that the driver runs, so that only who runs it may have written it. */
static int is_mine(const struct stat *st)
{
    return st->st_uid == geteuid() && !(st->st_mode & 022);
}

/* Makes the folder if need be; 0, or why it is not used. */
static const char *check_folder(const char *dir)
{
    struct stat st;
    ffcl_make_folders(dir);
    if (mkdir(dir, 0700) && errno != EEXIST)
        return "cannot be made";
    if (stat(dir, &st) || !S_ISDIR(st.st_mode))
        return "is no folder";
    if (st.st_uid != geteuid())
        return "belongs to another user";
    if (access(dir, W_OK | X_OK))
        return "cannot be written";
    return is_mine(&st) ? NULL : "can be written by other users (chmod 700 mends that)";
}

/* The entry's file, with another ending; NULL: there is no cache. */
static char *entry_path(const char *key, const char *ending)
{
    char *dir = ffcl_binary_folder();
    char *path = dir && !check_folder(dir)
                     ? ffcl_format("%s/%016llx%s", dir, (unsigned long long)hash(key, strlen(key)),
                                   ending)
                     : NULL;
    free(dir);
    return path;
}

int ffcl_binary_unused(char *text, size_t size)
{
    char *dir = ffcl_binary_folder();
    const char *why = dir ? check_folder(dir) : NULL;
    if (why)
        snprintf(text, size, "the cache of programs, %.300s, %s: not used, so that every start "
                 "compiles", dir, why);
    free(dir);
    return why != NULL;
}

typedef struct header {
    char magic[8];
    uint64_t key_size, binary_size, binary_hash;
} header;

/* All that an entry of this key may have; NULL without a sentence where it has not. */
static unsigned char *read_entry(FILE *f, const char *key, size_t *size)
{
    header h;
    struct stat st;
    char *stored = NULL;
    unsigned char *binary = NULL;
    int good = 0;
    if (fstat(fileno(f), &st) || !is_mine(&st) || fread(&h, sizeof h, 1, f) != 1 ||
        memcmp(h.magic, magic, sizeof magic) != 0 || h.key_size != strlen(key) ||
        h.binary_size == 0 || h.binary_size > (uint64_t)st.st_size)
        return NULL;
    stored = malloc(h.key_size + 1);
    binary = malloc(h.binary_size);
    good = stored && binary && fread(stored, 1, h.key_size, f) == h.key_size &&
           memcmp(stored, key, h.key_size) == 0 && fread(binary, h.binary_size, 1, f) == 1 &&
           hash(binary, h.binary_size) == h.binary_hash;
    *size = h.binary_size;
    free(stored);
    if (good)
        return binary;
    free(binary);
    return NULL;
}

unsigned char *ffcl_binary_load(const char *key, size_t *size)
{
    enum { MOST = 1 << 30 };
    char *path = entry_path(key, ".bin");
    unsigned char *binary = NULL;
    FILE *f = NULL;
    if (path && ffcl_input_stream(&f, path, MOST, NULL) == 0) {
        binary = read_entry(f, key, size);
        fclose(f);
    }
    free(path);
    return binary;
}

void ffcl_binary_store(const char *key, const unsigned char *binary, size_t size)
{
    char *path = entry_path(key, ".bin");
    header h = {.key_size = strlen(key), .binary_size = size, .binary_hash = hash(binary, size)};
    ffcl_atomic_file file = {0};
    memcpy(h.magic, magic, sizeof magic);
    if (path && ffcl_atomic_open_own(&file, path, 0600, NULL) == 0) {
        file.unflushed = 1;     /* a torn entry is found by its hash */
        if (ffcl_atomic_write(&file, &h, sizeof h, NULL) == 0 &&
            ffcl_atomic_write(&file, key, h.key_size, NULL) == 0 &&
            ffcl_atomic_write(&file, binary, size, NULL) == 0)
            ffcl_atomic_commit(&file, NULL);
        ffcl_atomic_discard(&file);
    }
    free(path);
}

int ffcl_binary_begin(ffcl_binary_use *use, const char *key)
{
    char *entry = entry_path(key, ".bin"), *path = entry_path(key, ".use");
    struct stat st = {0};
    *use = (ffcl_binary_use){.fd = -1};
    /* Locked: another process, or thread, is loading the entry at this moment. */
    if (entry && path && ffcl_lock_try(&use->fd, path) == 0)
        use->path = path;
    else
        free(path);
    /* A mark that nobody has made yet is empty. */
    const int died = use->path && fstat(use->fd, &st) == 0 && st.st_size > 0;
    if (died)
        unlink(entry);
    else if (use->path && write(use->fd, "x", 1) != 1)
        ffcl_binary_end(use);
    free(entry);
    return died;
}

void ffcl_binary_end(ffcl_binary_use *use)
{
    /* A mark that cannot be removed is at least empty, which says that nobody died. */
    if (use->path) {
        const int is_left = ftruncate(use->fd, 0);
        (void)is_left;          /* then it is removed, or the entry is once compiled anew */
        ffcl_lock_remove(&use->fd, use->path);
    }
    free(use->path);
    *use = (ffcl_binary_use){.fd = -1};
}
