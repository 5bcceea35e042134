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

#endif
