/* SPDX-License-Identifier: MIT
 * An entry of the cache of programs, and the result of a self-check. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cl/binary_cache.h"
#include "fuzz.h"
#include "selfcheck/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n = 0;
    ffcl_binary_use use = {.fd = -1};
    setenv("FFCL_CACHE_DIR", ffcl_fuzz_folder(), 1);
    /* FNV-1a of the key "k", which names the entry. */
    chmod(ffcl_fuzz_file("44bd90d473cda338.bin", data, size), 0600);
    (void)ffcl_binary_begin(&use, "k");
    free(ffcl_binary_load("k", &n));
    ffcl_binary_end(&use);
    (void)ffcl_selfcheck_recall("k");
    return 0;
}
