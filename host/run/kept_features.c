/* SPDX-License-Identifier: MIT */
#include "run/kept_features.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Batches on the device, and one that is filled. */
enum { UNDER_WAY = 2, LISTS = UNDER_WAY + 1 };

struct ffcl_kept_features {
    ffcl_extractor *extractor;
    ffcl_tally *tally;
    pthread_mutex_t mutex;
    size_t batch, bytes;            /* of an image */
    uint8_t *rgb;                   /* (batch, bytes) */
    size_t *index[LISTS];           /* (batch) each */
    size_t filled, at, under_way;   /* at: the list that is filled; those before it are under way */
    ffcl_error failed;              /* of the device: there is no room for more images */
    ffcl_error not_evaluated;
};

int ffcl_kept_features_open(ffcl_kept_features **out, ffcl_extractor *extractor, ffcl_tally *tally,
                            ffcl_error *err)
{
    size_t height, width;
    int is_whole = 1;
    ffcl_kept_features *k = *out = calloc(1, sizeof *k);
    if (!k)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    pthread_mutex_init(&k->mutex, NULL);
    k->extractor = extractor;
    k->tally = tally;
    k->batch = ffcl_extractor_batch(extractor);
    ffcl_extractor_size(extractor, &height, &width);
    k->bytes = height * width * 3;
    k->rgb = malloc(k->batch * k->bytes);
    for (size_t i = 0; i < LISTS; i++) {
        k->index[i] = calloc(k->batch, sizeof *k->index[i]);
        is_whole &= k->index[i] != NULL;
    }
    return k->rgb && is_whole ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
}

/* Waits for the oldest batch. */
static int receive(ffcl_kept_features *k)
{
    const size_t *index = k->index[(k->at + LISTS - k->under_way) % LISTS];
    ffcl_features f;
    int rc = ffcl_extractor_wait(k->extractor, &f, &k->failed);
    k->under_way--;
    for (size_t i = 0; rc == 0 && i < f.n && !k->not_evaluated.code; i++)
        ffcl_tally_add(k->tally, index[i], f.pool + i * FFCL_INCEPTION_POOL,
                       f.spatial + i * FFCL_INCEPTION_SPATIAL,
                       f.logits + i * FFCL_INCEPTION_CLASSES, &k->not_evaluated);
    return rc;
}

static int submit(ffcl_kept_features *k)
{
    int rc = k->under_way == UNDER_WAY ? receive(k) : 0;
    if (rc == 0)
        rc = ffcl_extractor_submit(k->extractor, k->rgb, k->filled, &k->failed);
    if (rc)
        return rc;
    k->under_way++;
    k->at = (k->at + 1) % LISTS;
    k->filled = 0;
    return 0;
}

int ffcl_kept_features_add(void *user, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    ffcl_kept_features *k = user;
    pthread_mutex_lock(&k->mutex);
    /* Other threads may come here before they see that one has failed. */
    int rc = k->failed.code;
    if (rc == 0) {
        memcpy(k->rgb + k->filled * k->bytes, rgb, k->bytes);
        k->index[k->at][k->filled++] = index;
        rc = k->filled == k->batch ? submit(k) : 0;
    }
    if (rc)
        *err = k->failed;
    pthread_mutex_unlock(&k->mutex);
    return rc;
}

int ffcl_kept_features_close(ffcl_kept_features **kept, int rc, ffcl_error *not_evaluated,
                             ffcl_error *err)
{
    ffcl_kept_features *k = *kept;
    const int was_right = rc == 0;
    if (rc == 0 && k->filled)
        rc = submit(k);
    /* After a failure nothing is under way, or of no use. */
    while (rc == 0 && k->under_way)
        rc = receive(k);
    if (was_right && rc)
        *err = k->failed;
    if (!not_evaluated->code)
        *not_evaluated = k->not_evaluated;
    for (size_t i = 0; i < LISTS; i++)
        free(k->index[i]);
    free(k->rgb);
    pthread_mutex_destroy(&k->mutex);
    free(k);
    *kept = NULL;
    return rc;
}
