/* SPDX-License-Identifier: MIT */
#include "sample/hashes.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { FILES = 2, PIECE = 4 << 20 };

struct ffcl_hashes {
    const char *paths[FILES];       /* borrowed from the configuration */
    char text[FILES][64];
    pthread_t thread;
    int is_running, rc;
    atomic_int cancelled;
    ffcl_error err;
};

static int hash_file(ffcl_hashes *h, const char *path, char text[64])
{
    unsigned long long bytes = 0;
    uLong crc = crc32_z(0, NULL, 0);
    FILE *f = fopen(path, "rb");
    uint8_t *piece = malloc(PIECE);
    int rc = 0;
    if (!f)
        rc = ffcl_fail(&h->err, FFCL_EFILE, "cannot open %s: %s", path, strerror(errno));
    else if (!piece)
        rc = ffcl_fail(&h->err, FFCL_ENOMEM, "out of memory while reading %s", path);
    for (size_t n = 1; !rc && n && !atomic_load(&h->cancelled);) {
        n = fread(piece, 1, PIECE, f);
        crc = crc32_z(crc, piece, n);
        bytes += n;
    }
    if (!rc && ferror(f))
        rc = ffcl_fail(&h->err, FFCL_EFILE, "cannot read %s: %s", path, strerror(errno));
    snprintf(text, 64, "crc32 %08lx, %llu bytes", (unsigned long)crc, bytes);
    free(piece);
    if (f)
        fclose(f);
    return rc;
}

static void *hash_files(void *user)
{
    ffcl_hashes *h = user;
    for (size_t i = 0; i < FILES && !h->rc; i++)
        h->rc = hash_file(h, h->paths[i], h->text[i]);
    return NULL;
}

int ffcl_hashes_start(ffcl_hashes **out, const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_hashes *h = *out = calloc(1, sizeof *h);
    if (!h)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the weights' checksums");
    h->paths[0] = cfg->model.checkpoint;
    h->paths[1] = cfg->vae.weights;
    h->is_running = pthread_create(&h->thread, NULL, hash_files, h) == 0;
    if (h->is_running)
        return 0;
    free(h);
    *out = NULL;
    return ffcl_fail(err, FFCL_ENOMEM, "no thread can be started for the weights' checksums");
}

static void join(ffcl_hashes *h)
{
    if (h->is_running)
        pthread_join(h->thread, NULL);
    h->is_running = 0;
}

int ffcl_hashes_get(ffcl_hashes *h, const char **checkpoint, const char **vae, ffcl_error *err)
{
    join(h);
    *checkpoint = h->text[0];
    *vae = h->text[1];
    return h->rc ? ffcl_fail(err, h->rc, "%s", h->err.text) : 0;
}

void ffcl_hashes_close(ffcl_hashes **h)
{
    if (!*h)
        return;
    atomic_store(&(*h)->cancelled, 1);
    join(*h);
    free(*h);
    *h = NULL;
}
