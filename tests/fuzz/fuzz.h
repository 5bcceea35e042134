/* SPDX-License-Identifier: MIT
 * What the fuzz targets share.  Each has LLVMFuzzerTestOneInput, which libFuzzer calls (make fuzz)
 * and replay.c calls with the corpus. */
#ifndef FFCL_TESTS_FUZZ_H
#define FFCL_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A folder of this process, made at the first call and removed at its end. */
const char *ffcl_fuzz_folder(void);

/* Writes the bytes to a file of that folder; returns its path, which stays until the next call. */
const char *ffcl_fuzz_file(const char *name, const void *data, size_t size);

/* A number below n, or 0: xorshift, for the files that change inputs. */
static inline uint32_t ffcl_fuzz_chance(uint32_t *state, uint32_t n)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return n ? *state % n : 0;
}

#endif
