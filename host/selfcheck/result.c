/* SPDX-License-Identifier: MIT */
#include "selfcheck/result.h"

#include <stdlib.h>
#include <string.h>

#include "cl/binary_cache.h"

static const char *const results[] = {"failed", "passed"};

int ffcl_selfcheck_recall(const char *key)
{
    size_t size = 0;
    unsigned char *text = ffcl_binary_load(key, &size);
    int passed = -1;
    for (int i = 0; text && i < 2; i++)
        if (size == strlen(results[i]) && memcmp(text, results[i], size) == 0)
            passed = i;
    free(text);
    return passed;
}

void ffcl_selfcheck_keep(const char *key, int passed)
{
    const char *text = results[passed != 0];
    ffcl_binary_store(key, (const unsigned char *)text, strlen(text));
}

float ffcl_selfcheck_noise(unsigned *state)
{
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}
