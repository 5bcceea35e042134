/* SPDX-License-Identifier: MIT */
#include "eval/stream.h"

#include <math.h>
#include <stdlib.h>

#include "eval/task_thread.h"
#include "util.h"

/* Batches on the device. */
enum { UNDER_WAY = 2 };

/* What reads: `wanted` images of the next batch. */
typedef struct reading {
    ffcl_images_in *images;
    uint8_t *rgb;
    size_t wanted;
} reading;

/* What adds up: features of images done .. of the stream. */
typedef struct adding {
    const ffcl_stream *stream;
    ffcl_features features;
    size_t done;
} adding;

static int read_batch(void *user, ffcl_error *err)
{
    const reading *r = user;
    return ffcl_images_next(r->images, r->rgb, r->wanted, err);
}

/* A distance of the images so far; with fewer than two there is none. */
static int add_point(ffcl_curve *c, const ffcl_tally *tally, size_t count, ffcl_error *err)
{
    ffcl_evaluation *to = c->to;
    const ffcl_moments *reference = ffcl_subject_pool(c->reference);
    ffcl_moments *now = NULL;
    double fid = NAN;
    if (count < 2)
        return 0;
    int rc = ffcl_tally_snapshot(&now, tally, err);
    if (rc == 0)
        rc = ffcl_moments_distance(&fid, now, reference, ffcl_tally_lapack(tally), err);
    if (rc == 0) {
        to->curve[to->n_curve].count = count;
        to->curve[to->n_curve++].fid = fid;
    }
    ffcl_moments_close(&now);
    return rc;
}

/* How many images the next point of the curve has, after `done`; all where there is none left. */
static size_t next_point(const ffcl_stream *s, size_t done)
{
    if (!s->curve)
        return s->count;
    const size_t points = s->curve->points;
    for (size_t k = 1; k < points; k++)
        if (k * s->count / points > done)
            return k * s->count / points;
    return s->count;
}

static int add_batch(void *user, ffcl_error *err)
{
    adding *a = user;
    const ffcl_stream *s = a->stream;
    const ffcl_features *f = &a->features;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < f->n; i++) {
        const size_t point = next_point(s, a->done);
        rc = ffcl_tally_add(s->tally, a->done, f->pool + i * FFCL_INCEPTION_POOL,
                            f->spatial + i * FFCL_INCEPTION_SPATIAL,
                            f->logits + i * FFCL_INCEPTION_CLASSES, err);
        a->done++;
        if (rc == 0 && s->curve && a->done == point)
            rc = add_point(s->curve, s->tally, a->done, err);
    }
    return rc;
}

/* The two threads, and what is where. */
typedef struct flow {
    const ffcl_stream *stream;
    reading reading;
    adding adding;
    ffcl_task_thread *reader, *adder;
    uint8_t *rgb[2];
    size_t batch, sent, received, under_way;
} flow;

/* Has the reader begin with the batch after `sent` images. */
static void begin_reading(flow *f, size_t sent, uint8_t *rgb)
{
    f->reading.wanted = ffcl_min(f->batch, f->stream->count - sent);
    f->reading.rgb = rgb;
    if (f->reading.wanted)
        ffcl_task_thread_start(f->reader);
}

/* The oldest batch on the device.  Its features stay until the second submit after this, and no
 * batch is submitted while they are not added up and the next are there. */
static int receive(flow *f, ffcl_error *err)
{
    ffcl_features features;
    int rc = ffcl_extractor_wait(f->stream->extractor, &features, err);
    if (rc == 0)
        rc = ffcl_task_thread_wait(f->adder, err);
    if (rc)
        return rc;
    f->adding.features = features;
    ffcl_task_thread_start(f->adder);
    f->received += features.n;
    f->under_way--;
    ffcl_report(f->stream->obs, FFCL_PHASE_EVALUATE, NULL, f->received, f->stream->count);
    return 0;
}

static int run(flow *f, ffcl_error *err)
{
    const ffcl_stream *s = f->stream;
    int rc = 0;
    begin_reading(f, 0, f->rgb[0]);
    for (size_t k = 0; rc == 0 && f->received < s->count; k++) {
        const size_t n = ffcl_min(f->batch, s->count - f->sent);
        if (n)
            rc = ffcl_task_thread_wait(f->reader, err);
        if (rc == 0 && n)
            begin_reading(f, f->sent + n, f->rgb[(k + 1) % 2]);
        if (rc == 0 && (f->under_way == UNDER_WAY || !n))
            rc = receive(f, err);
        if (rc == 0 && n) {
            rc = ffcl_extractor_submit(s->extractor, f->rgb[k % 2], n, err);
            f->sent += n;
            f->under_way++;
        }
    }
    return rc ? rc : ffcl_task_thread_wait(f->adder, err);
}

int ffcl_stream_run(const ffcl_stream *s, ffcl_error *err)
{
    size_t height, width;
    flow f = {.stream = s, .reading = {.images = s->images}, .adding = {.stream = s},
              .batch = ffcl_extractor_batch(s->extractor)};
    ffcl_images_size(s->images, &height, &width);
    const size_t bytes = f.batch * height * width * 3;
    uint8_t *rgb = malloc(2 * bytes);
    int rc = rgb ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a batch of images");
    f.rgb[0] = rgb;
    f.rgb[1] = rgb + (rgb ? bytes : 0);
    ffcl_report(s->obs, FFCL_PHASE_EVALUATE, NULL, 0, s->count);
    if (rc == 0)
        rc = ffcl_task_thread_open(&f.reader, read_batch, &f.reading, err);
    if (rc == 0)
        rc = ffcl_task_thread_open(&f.adder, add_batch, &f.adding, err);
    if (rc == 0)
        rc = run(&f, err);
    ffcl_task_thread_close(&f.reader);
    ffcl_task_thread_close(&f.adder);
    free(rgb);
    return rc;
}
