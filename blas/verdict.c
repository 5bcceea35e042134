/* SPDX-License-Identifier: MIT */
#include "verdict.h"

#include <stdlib.h>
#include <string.h>

#include "cl/binary_cache.h"

static const char *const verdicts[] = {"failed", "passed"};

int ffcl_verdict_recall(const char *key)
{
    size_t size = 0;
    unsigned char *text = ffcl_binary_load(key, &size);
    int verdict = -1;
    for (int i = 0; text && i < 2; i++)
        if (size == strlen(verdicts[i]) && memcmp(text, verdicts[i], size) == 0)
            verdict = i;
    free(text);
    return verdict;
}

void ffcl_verdict_store(const char *key, int verdict)
{
    const char *text = verdicts[verdict != 0];
    ffcl_binary_store(key, (const unsigned char *)text, strlen(text));
}
