/* SPDX-License-Identifier: MIT
 * Files of compiled programs, and of self-check results, under $FFCL_CACHE_DIR,
 * else $XDG_CACHE_HOME/ffcl, else ~/.cache/ffcl; FFCL_CACHE_DIR="" turns the cache off.  Never
 * fatal. */
#ifndef FFCL_CL_BINARY_CACHE_H
#define FFCL_CL_BINARY_CACHE_H

#include <stddef.h>

/* The entry whose stored key equals key, or NULL; *binary is the caller's to free. */
unsigned char *ffcl_binary_load(const char *key, size_t *size);

/* Stores an entry (temporary name, rename); silently does nothing where it cannot. */
void ffcl_binary_store(const char *key, const unsigned char *binary, size_t size);

#endif
