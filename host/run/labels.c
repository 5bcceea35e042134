/* SPDX-License-Identifier: MIT */
#include "run/labels.h"

#include <stdlib.h>
#include <string.h>

#include "files/atomic.h"
#include "util.h"

enum { PIECE = 1024 };          /* labels at a time */

int ffcl_labels_make(int64_t **labels, const ffcl_noise_spec *spec, ffcl_error *err)
{
    ffcl_noise *noise = NULL;
    size_t index[PIECE];
    int32_t y[PIECE];
    *labels = calloc(spec->count, sizeof **labels);
    if (!*labels)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu class labels", spec->count);
    int rc = ffcl_noise_open(&noise, spec, err);
    for (size_t at = 0; !rc && at < spec->count; at += PIECE) {
        const size_t n = ffcl_min(PIECE, spec->count - at);
        for (size_t k = 0; k < n; k++)
            index[k] = at + k;
        ffcl_noise_get(noise, index, n, NULL, y, NULL);
        for (size_t k = 0; k < n; k++)
            (*labels)[at + k] = y[k];
    }
    ffcl_noise_close(&noise);
    if (rc) {
        free(*labels);
        *labels = NULL;
    }
    return rc;
}

int ffcl_labels_write(const char *path, const int64_t *labels, size_t count, ffcl_error *err)
{
    ffcl_atomic_file out = {0};
    char line[64];
    int rc = ffcl_atomic_open_own(&out, path, 0666, err);
    for (size_t i = 0; !rc && i < count; i++) {
        const int n = snprintf(line, sizeof line, "%zu %lld\n", i, (long long)labels[i]);
        rc = ffcl_atomic_write(&out, line, (size_t)n, err);
    }
    if (!rc)
        rc = ffcl_atomic_commit(&out, err);
    ffcl_atomic_discard(&out);
    return rc;
}
