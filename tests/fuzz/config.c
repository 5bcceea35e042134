/* SPDX-License-Identifier: MIT
 * An INI file, and each of its lines as an override. */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "fuzz.h"
#include "util.h"

/* file:PATH would read files of this computer. */
static int reads_files(const uint8_t *data, size_t size)
{
    return memmem(data, size, "file:", 5) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_config *cfg = NULL, *copy = NULL;
    ffcl_error err = {0};
    if (reads_files(data, size))
        return 0;
    if (ffcl_config_open(&cfg, ffcl_fuzz_file("a.ini", data, size), &err) == 0) {
        (void)ffcl_config_check(cfg, &err);
        if (ffcl_config_copy(&copy, cfg, &err) == 0)
            ffcl_config_close(&copy);
        ffcl_config_close(&cfg);
    }
    if (ffcl_config_open(&cfg, NULL, &err))
        return 0;
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        const size_t n = end ? (size_t)(end - data) - at : size - at;
        char line[300];
        snprintf(line, sizeof line, "%.*s", (int)ffcl_min(n, sizeof line - 1),
                 (const char *)data + at);
        (void)ffcl_config_set(cfg, line, &err);
        at += n + 1;
    }
    ffcl_config_close(&cfg);
    return 0;
}
