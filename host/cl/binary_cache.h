/* SPDX-License-Identifier: MIT
 * Files of compiled programs, and of self-check results, under $FFCL_CACHE_DIR,
 * else $XDG_CACHE_HOME/ffcl, else ~/.cache/ffcl; FFCL_CACHE_DIR="" turns the cache off.  Never
 * fatal. */
#ifndef FFCL_CL_BINARY_CACHE_H
#define FFCL_CL_BINARY_CACHE_H

#include <stddef.h>

/* The folder, the caller's to free; NULL: the cache is off, or there is no memory. */
char *ffcl_binary_folder(void);

/* The entry whose stored key equals key, or NULL; *binary is the caller's to free. */
unsigned char *ffcl_binary_load(const char *key, size_t *size);

/* Stores an entry (temporary name, rename); silently does nothing where it cannot. */
void ffcl_binary_store(const char *key, const unsigned char *binary, size_t size);

/* 1 where there is a folder for the cache that cannot be used, or must not be, as others could put
 * programs into it; text then says so in a sentence. */
int ffcl_binary_unused(char *text, size_t size);

/* A mark beside an entry while the driver loads it, which not every driver survives. */
typedef struct ffcl_binary_use {
    int fd;
    char *path;                 /* NULL: not marked, as others are loading it, too */
} ffcl_binary_use;

/* 1 where the process that had the entry before died of it; it is then removed. */
int ffcl_binary_begin(ffcl_binary_use *use, const char *key);
void ffcl_binary_end(ffcl_binary_use *use);

#endif
