/* SPDX-License-Identifier: MIT */
#include "eval/tally.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/task_thread.h"
#include "model/inception.h"

enum {
    POOL = FFCL_INCEPTION_POOL, SPATIAL = FFCL_INCEPTION_SPATIAL, LOGITS = FFCL_INCEPTION_CLASSES,
    ALL = FFCL_INCEPTION_ALL
};

/* Of an image that came before its turn. */
typedef enum place { ABSENT, WAITING, SPILLED, SKIPPED, ADDED } place;

/* Images whose features wait in memory, 20 KB each; others wait in a file.  Devices that share a
 * run are never so far apart, but a run that resumes may have all images but the first. */
enum { MOST_WAITING = 1024 };

struct ffcl_tally {
    pthread_mutex_t lock;
    size_t count, next, added;
    unsigned char *places;      /* (count) a place */
    float **waiting;            /* (count) its features, (ALL), where WAITING */
    size_t n_waiting;
    FILE *file;                 /* temporary: features that are SPILLED, at index * ALL floats */
    int has_no_file;
    ffcl_moments *pool, *spatial;       /* whose blocks are full at the same images */
    ffcl_task_thread *merger;           /* of those blocks, most of the work */
    ffcl_score *score;
    ffcl_kept kept;
    int keeps;
    ffcl_lapack *lapack;
};

static int merge(void *user, ffcl_error *err)
{
    const ffcl_tally *t = user;
    (void)err;
    ffcl_moments_merge(t->pool, t->lapack);
    ffcl_moments_merge(t->spatial, t->lapack);
    return 0;
}

int ffcl_tally_open(ffcl_tally **out, const ffcl_habit *habit, size_t count, int keeps,
                    ffcl_error *err)
{
    ffcl_tally *t = *out = calloc(1, sizeof *t);
    if (!t)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    pthread_mutex_init(&t->lock, NULL);
    t->count = count;
    t->keeps = keeps;
    t->kept = (ffcl_kept){.D = POOL, .is_half = habit->is_half};
    t->places = calloc(count + 1, 1);
    t->waiting = calloc(count + 1, sizeof *t->waiting);
    int rc = t->places && t->waiting
                 ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    if (rc == 0)
        rc = ffcl_lapack_open(&t->lapack, err);
    if (rc == 0)
        rc = ffcl_moments_open(&t->pool, POOL, err);
    if (rc == 0)
        rc = ffcl_moments_open(&t->spatial, SPATIAL, err);
    if (rc == 0)
        rc = ffcl_task_thread_open(&t->merger, merge, t, err);
    if (rc == 0)
        rc = ffcl_score_open(&t->score, &habit->score, count, LOGITS, err);
    if (rc)
        ffcl_tally_close(out);
    return rc;
}

void ffcl_tally_close(ffcl_tally **tally)
{
    ffcl_tally *t = *tally;
    if (!t)
        return;
    for (size_t i = 0; t->waiting && i < t->count; i++)
        free(t->waiting[i]);
    if (t->file)
        fclose(t->file);
    free(t->waiting);
    free(t->places);
    ffcl_task_thread_close(&t->merger);
    ffcl_moments_close(&t->pool);
    ffcl_moments_close(&t->spatial);
    ffcl_score_close(&t->score);
    ffcl_kept_close(&t->kept);
    ffcl_lapack_close(&t->lapack);
    pthread_mutex_destroy(&t->lock);
    free(t);
    *tally = NULL;
}

static int add(ffcl_tally *t, const float *pool, const float *spatial, const float *logits,
               ffcl_error *err)
{
    const int is_full = ffcl_moments_put(t->pool, pool);
    int rc = 0;
    ffcl_moments_put(t->spatial, spatial);
    if (is_full) {
        rc = ffcl_task_thread_wait(t->merger, err);
        ffcl_moments_close_block(t->pool);
        ffcl_moments_close_block(t->spatial);
        ffcl_task_thread_start(t->merger);
    }
    ffcl_score_add(t->score, logits);
    t->added++;
    return rc == 0 && t->keeps ? ffcl_kept_add(&t->kept, pool, err) : rc;
}

static int seek(const ffcl_tally *t, size_t index)
{
    const size_t each = ALL * sizeof(float);
    return index < LONG_MAX / each && fseek(t->file, (long)(index * each), SEEK_SET) == 0;
}

/* x to the file; 0 where it stays in memory, as there is room for it, or none for a file. */
static int spill(ffcl_tally *t, size_t index, const float *x)
{
    if (t->n_waiting < MOST_WAITING || t->has_no_file)
        return 0;
    if (!t->file)
        t->file = tmpfile();
    t->has_no_file = !t->file || !seek(t, index) || fwrite(x, sizeof *x, ALL, t->file) != ALL ||
                     fflush(t->file) != 0;
    return !t->has_no_file;
}

static int fetch(const ffcl_tally *t, size_t index, float **x, ffcl_error *err)
{
    *x = malloc(ALL * sizeof **x);
    if (!*x)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    errno = 0;
    return seek(t, index) && fread(*x, sizeof **x, ALL, t->file) == ALL
               ? 0 : ffcl_fail(err, FFCL_EFILE, "features of image %zu cannot be read from the "
                               "temporary file that they waited in: %s", index,
                               errno ? strerror(errno) : "it is cut short");
}

/* The next image, whose turn it is. */
static int take(ffcl_tally *t, ffcl_error *err)
{
    float *x = t->waiting[t->next];
    t->n_waiting -= x != NULL;
    int rc = t->places[t->next] == SPILLED ? fetch(t, t->next, &x, err) : 0;
    if (t->places[t->next] == SKIPPED)
        ffcl_score_skip(t->score);
    if (rc == 0 && x) {
        rc = add(t, x, x + POOL, x + POOL + SPATIAL, err);
        t->places[t->next] = ADDED;
    }
    free(x);
    t->waiting[t->next++] = NULL;
    return rc;
}

/* Adds those whose turn it is. */
static int go_on(ffcl_tally *t, ffcl_error *err)
{
    int rc = 0;
    while (rc == 0 && t->next < t->count && t->places[t->next] != ABSENT)
        rc = take(t, err);
    return rc;
}

/* Keeps x (ALL), the caller's before, until it is its turn. */
static void keep(ffcl_tally *t, size_t index, float *x)
{
    if (spill(t, index, x)) {
        t->places[index] = SPILLED;
        free(x);
        return;
    }
    t->places[index] = WAITING;
    t->waiting[index] = x;
    t->n_waiting++;
}

/* A NaN in any feature makes every sum one. */
static int check(size_t index, const float *pool, const float *spatial, const float *logits,
                 ffcl_error *err)
{
    double sum = 0.0;
    for (size_t i = 0; i < POOL; i++)
        sum += (double)pool[i];
    for (size_t i = 0; i < SPATIAL; i++)
        sum += (double)spatial[i];
    for (size_t i = 0; i < LOGITS; i++)
        sum += (double)logits[i];
    return isfinite(sum) ? 0 : ffcl_fail(err, FFCL_ENUMERIC, "the Inception network makes a number "
                                         "that is not finite of image %zu", index);
}

int ffcl_tally_add(ffcl_tally *t, size_t index, const float *pool, const float *spatial,
                   const float *logits, ffcl_error *err)
{
    int rc = check(index, pool, spatial, logits, err);
    if (rc)
        return rc;
    pthread_mutex_lock(&t->lock);
    if (index == t->next) {
        rc = add(t, pool, spatial, logits, err);
        t->places[index] = ADDED;
        t->next++;
        if (rc == 0)
            rc = go_on(t, err);
    } else if (t->places[index] == ABSENT) {
        float *x = malloc(ALL * sizeof *x);
        if (x) {
            memcpy(x, pool, POOL * sizeof *x);
            memcpy(x + POOL, spatial, SPATIAL * sizeof *x);
            memcpy(x + POOL + SPATIAL, logits, LOGITS * sizeof *x);
            keep(t, index, x);
        } else {
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
        }
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int ffcl_tally_skip(ffcl_tally *t, size_t index, ffcl_error *err)
{
    pthread_mutex_lock(&t->lock);
    if (t->places[index] == ABSENT)
        t->places[index] = SKIPPED;
    int rc = go_on(t, err);
    pthread_mutex_unlock(&t->lock);
    return rc;
}

int ffcl_tally_has(ffcl_tally *t, size_t index)
{
    pthread_mutex_lock(&t->lock);
    const int has = t->places[index] != ABSENT;
    pthread_mutex_unlock(&t->lock);
    return has;
}

void ffcl_tally_end(ffcl_tally *t)
{
    ffcl_error none = {0};
    ffcl_task_thread_wait(t->merger, &none);    /* merging does not fail */
    ffcl_moments_end(t->pool, t->lapack);
    ffcl_moments_end(t->spatial, t->lapack);
}

size_t ffcl_tally_count(const ffcl_tally *t)
{
    return t->added;
}

const ffcl_moments *ffcl_tally_pool(const ffcl_tally *t)
{
    return t->pool;
}

const ffcl_moments *ffcl_tally_spatial(const ffcl_tally *t)
{
    return t->spatial;
}

const ffcl_kept *ffcl_tally_kept(const ffcl_tally *t)
{
    return t->keeps ? &t->kept : NULL;
}

int ffcl_tally_snapshot(ffcl_moments **out, const ffcl_tally *t, ffcl_error *err)
{
    const ffcl_moments *m = t->pool;
    int rc = ffcl_moments_open(out, m->D, err);
    if (rc == 0)
        rc = ffcl_task_thread_wait(t->merger, err);
    if (rc)
        return rc;
    ffcl_moments *copy = *out;
    copy->n = m->n;
    copy->waiting = m->waiting;
    memcpy(copy->mean, m->mean, m->D * sizeof *m->mean);
    memcpy(copy->squares, m->squares, m->D * m->D * sizeof *m->squares);
    memcpy(copy->block, m->block, m->waiting * m->D * sizeof *m->block);
    ffcl_moments_end(copy, t->lapack);
    return 0;
}

const ffcl_lapack *ffcl_tally_lapack(const ffcl_tally *t)
{
    return t->lapack;
}

size_t ffcl_tally_empty_splits(const ffcl_tally *t)
{
    return ffcl_score_empty_splits(t->score);
}

void ffcl_tally_score(const ffcl_tally *t, double *mean, double *deviation)
{
    ffcl_score_result(t->score, mean, deviation);
}
