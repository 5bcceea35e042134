/* SPDX-License-Identifier: MIT */
#include "eval/evaluator.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#include "eval/stream.h"
#include "files/input.h"
#include "util.h"

/* Fewer images than features: the covariance is singular, and the distance says little. */
enum { FEW = FFCL_INCEPTION_POOL };

/* Of the neighbours whose distance is an image's reach. */
enum { NEAREST = 3 };

/* One more name to the list; dots, the last of it, where there is no room. */
static void add_name(char *text, size_t size, const char *name)
{
    static const char dots[] = ", ...";
    const size_t used = strlen(text), more = sizeof dots - 1;
    if (used > more && strcmp(text + used - more, dots) == 0)
        return;
    if (used + 2 + strlen(name) + sizeof dots > size)
        snprintf(text + used, size - used, "%s", dots);
    else
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", name);
}

/* The sentence on an npz without images and statistics. */
static int name_what_is_there(const ffcl_subject *s, ffcl_error *err)
{
    char text[200] = "";
    const ffcl_array *a;
    const char *name;
    for (size_t i = 0; (a = ffcl_arrays_at(s->arrays, i)); i++)
        add_name(text, sizeof text, a->name);
    for (size_t i = 0; (name = ffcl_arrays_left_out_at(s->arrays, i)); i++)
        add_name(text, sizeof text, name);
    return ffcl_fail(err, FFCL_EFORMAT, "%s holds neither images (arr_0) nor statistics (mu and "
                     "sigma); its arrays: %s", s->path, *text ? text : "none");
}

int ffcl_subject_open(ffcl_subject *s, const char *path, ffcl_error *err)
{
    struct stat st;
    *s = (ffcl_subject){.path = ffcl_format("%s", path)};
    if (!s->path)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    int rc = 0;
    if (stat(path, &st) != 0)
        rc = ffcl_input_check_local(path, err)
                 ? FFCL_EFILE
                 : ffcl_fail(err, FFCL_EFILE, "%s cannot be opened: %s", path, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        rc = ffcl_images_open(&s->images, path, err);
    else
        rc = ffcl_arrays_open(&s->arrays, path, err);
    if (rc == 0 && s->arrays)
        rc = ffcl_statistics_load(&s->statistics, s->arrays, err);
    /* Statistics may stand beside the images that they are of. */
    if (rc == 0 && s->arrays && (ffcl_arrays_find(s->arrays, "arr_0") ||
                                 ffcl_arrays_left_out(s->arrays, "arr_0")))
        rc = ffcl_images_of(&s->images, s->arrays, err);
    if (rc == 0 && !s->images && !s->statistics.pool)
        rc = name_what_is_there(s, err);
    if (rc)
        ffcl_subject_close(s);
    return rc;
}

void ffcl_subject_close(ffcl_subject *s)
{
    ffcl_images_close(&s->images);
    ffcl_arrays_close(&s->arrays);
    ffcl_statistics_close(&s->statistics);
    ffcl_tally_close(&s->tally);
    free(s->path);
    *s = (ffcl_subject){.path = NULL};
}

const ffcl_moments *ffcl_subject_pool(const ffcl_subject *s)
{
    return s->statistics.pool ? s->statistics.pool : s->tally ? ffcl_tally_pool(s->tally) : NULL;
}

const ffcl_moments *ffcl_subject_spatial(const ffcl_subject *s)
{
    if (s->statistics.pool)
        return s->statistics.spatial;
    return s->tally ? ffcl_tally_spatial(s->tally) : NULL;
}

int ffcl_file_crc(char *text, const char *path, ffcl_error *err)
{
    enum { PIECE = 1 << 20 };
    FILE *stream;
    uLong crc = crc32(0, NULL, 0);
    unsigned long long bytes = 0;
    unsigned char *piece = malloc(PIECE);
    if (!piece)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    int rc = ffcl_input_stream(&stream, path, INT64_MAX, err);
    for (size_t n = 1; rc == 0 && (n = fread(piece, 1, PIECE, stream)) > 0;) {
        crc = crc32_z(crc, piece, n);
        bytes += n;
    }
    if (rc == 0 && ferror(stream))
        rc = ffcl_fail(err, FFCL_EFILE, "%s cannot be read: %s", path, strerror(errno));
    if (rc == 0) {
        fclose(stream);
        snprintf(text, 64, "crc32 %08lx, %llu bytes", crc, bytes);
    }
    free(piece);
    return rc;
}

/* ---- features of a subject's images --------------------------------------------------------- */

int ffcl_subject_extract(ffcl_subject *s, ffcl_extractor **extractor, const ffcl_config *cfg,
                         const ffcl_device *device, int keeps, ffcl_curve *curve,
                         const ffcl_observer *obs, ffcl_error *err)
{
    const ffcl_habit *habit = ffcl_habit_of(cfg->eval.like);
    ffcl_stream t = {.images = s->images, .curve = curve, .obs = obs,
                     .count = ffcl_images_count(s->images)};
    size_t height, width, is_height = 0, is_width = 0;
    ffcl_images_size(s->images, &height, &width);
    int rc = 0;
    if (*extractor)
        ffcl_extractor_size(*extractor, &is_height, &is_width);
    if (is_height != height || is_width != width) {
        ffcl_extractor_close(extractor);
        rc = ffcl_extractor_open(extractor, &(ffcl_extractor_options){
            .cfg = cfg, .weights = cfg->eval.inception, .rule = habit->resize, .height = height,
            .width = width, .count = t.count, .device = device}, obs, err);
    }
    t.extractor = *extractor;
    if (rc == 0)
        rc = ffcl_tally_open(&s->tally, habit, t.count, keeps, err);
    t.tally = s->tally;
    const double began = ffcl_clock();
    if (rc == 0)
        rc = ffcl_stream_run(&t, err);
    s->seconds = ffcl_clock() - began;
    s->precision = *extractor ? ffcl_extractor_precision(*extractor) : NULL;
    if (rc == 0)
        ffcl_tally_end(s->tally);
    return rc;
}

static int has_one(const ffcl_subject *s, ffcl_error *err)
{
    return ffcl_fail(err, FFCL_EFORMAT, "%s has one image, and a covariance needs two", s->path);
}

int ffcl_subject_check(const ffcl_subject *s, const char *crc, const ffcl_habit *habit,
                       ffcl_error *err)
{
    const ffcl_statistics *t = &s->statistics;
    ffcl_like like;
    if (!t->pool && s->images && ffcl_images_count(s->images) < 2)
        return has_one(s, err);
    if (!t->pool)
        return 0;
    if (*t->inception && *crc && strcmp(t->inception, crc) != 0)
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds statistics by another network (%s) than "
                         "the one in use (%s): numbers of two networks do not compare", s->path,
                         t->inception, crc);
    if (ffcl_habit_find(t->like, &like) == 0 && ffcl_habit_of(like)->resize != habit->resize)
        return ffcl_fail(err, FFCL_EFORMAT, "%s holds statistics made as %s, which resizes images "
                         "in another way than %s: such numbers do not compare; choose by --like "
                         "or [eval] like", s->path, t->like, habit->name);
    return 0;
}

/* ---- the numbers ---------------------------------------------------------------------------- */

static size_t count_of(const ffcl_subject *s)
{
    return s->statistics.pool ? s->statistics.n : s->tally ? ffcl_tally_count(s->tally) : 0;
}

static void warn_of_few(const ffcl_subject *s, const ffcl_observer *obs)
{
    const size_t n = count_of(s);
    char text[600];
    if (n < 2 || n > FEW)
        return;
    snprintf(text, sizeof text, "%.300s has %zu images, and below %d the covariance of 2048 "
             "features is singular: its FID compares only with one of as many images", s->path, n,
             FEW + 1);
    ffcl_report(obs, FFCL_PHASE_WARN, text, 0, 0);
}

/* Of a file, a covariance may be anything.  One whose lowest eigenvalue is further below 0 than
 * storage in half rounds is none, and has no root. */
static int check_covariance(const ffcl_subject *s, const ffcl_moments *m,
                            const ffcl_lapack *lapack, ffcl_error *err)
{
    const size_t D = m ? m->D : 0;
    double most = 0.0, *C = m && s->statistics.pool ? malloc(D * D * sizeof *C) : NULL;
    if (!m || !s->statistics.pool)
        return 0;
    if (!C)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", s->path);
    ffcl_moments_covariance(m, C);
    for (size_t i = 0; i < D; i++)
        most = fmax(most, C[i * D + i]);
    for (size_t i = 0; i < D; i++)
        C[i * D + i] += 1e-3 * most;
    const int is_one = most == 0.0 || !isfinite(most) || ffcl_lapack_is_definite(lapack, C, D);
    free(C);
    return is_one ? 0 : ffcl_fail(err, FFCL_EFORMAT, "%s holds a covariance with a negative "
                                  "eigenvalue, which none has: numbers were changed, or are of "
                                  "another matrix", s->path);
}

static int check_covariances(const ffcl_subject *s, const ffcl_lapack *lapack, ffcl_error *err)
{
    const int rc = check_covariance(s, s->statistics.pool, lapack, err);
    return rc ? rc : check_covariance(s, s->statistics.spatial, lapack, err);
}

static int distances(ffcl_evaluation *out, const ffcl_subject *samples,
                     const ffcl_subject *reference, ffcl_error *err)
{
    const ffcl_moments *a = ffcl_subject_pool(samples), *b = ffcl_subject_pool(reference);
    const ffcl_moments *c = ffcl_subject_spatial(samples), *d = ffcl_subject_spatial(reference);
    ffcl_lapack *lapack = NULL;
    if ((a && a->n < 2) || (b && b->n < 2))
        return has_one(a && a->n < 2 ? samples : reference, err);
    int rc = ffcl_lapack_open(&lapack, err);
    if (rc == 0)
        ffcl_lapack_take_all(lapack);       /* the device is idle */
    if (rc == 0)
        rc = check_covariances(samples, lapack, err);
    if (rc == 0)
        rc = check_covariances(reference, lapack, err);
    if (rc == 0 && a && b)
        rc = ffcl_moments_distance(&out->fid, a, b, lapack, err);
    if (rc == 0 && c && d)
        rc = ffcl_moments_distance(&out->sfid, c, d, lapack, err);
    ffcl_lapack_close(&lapack);
    return rc;
}

/* Numbers that fewer images do not have are left out, which is said. */
static void note_missing(const ffcl_subject *samples, const ffcl_subject *reference,
                         const ffcl_observer *obs)
{
    const ffcl_tally *tallies[] = {samples->tally, reference ? reference->tally : NULL};
    const ffcl_kept *a = tallies[0] ? ffcl_tally_kept(tallies[0]) : NULL;
    const ffcl_kept *b = tallies[1] ? ffcl_tally_kept(tallies[1]) : NULL;
    const size_t empty = tallies[0] ? ffcl_tally_empty_splits(tallies[0]) : 0;
    char text[600];
    if (empty) {
        snprintf(text, sizeof text, "%.300s has %zu image%s, which leave%s %zu splits of the "
                 "Inception Score empty: it is of the others", samples->path, count_of(samples),
                 count_of(samples) > 1 ? "s" : "", count_of(samples) > 1 ? "" : "s", empty);
        ffcl_report(obs, FFCL_PHASE_NOTE, text, 0, 0);
    }
    if (!a || !b || (a->n > NEAREST && b->n > NEAREST))
        return;
    snprintf(text, sizeof text, "%.300s has %zu images, and precision and recall go by the third "
             "neighbour of each, which needs %d: they are left out",
             a->n > NEAREST ? reference->path : samples->path, a->n > NEAREST ? b->n : a->n,
             NEAREST + 1);
    ffcl_report(obs, FFCL_PHASE_NOTE, text, 0, 0);
}

int ffcl_evaluation_fill(ffcl_evaluation *out, const ffcl_subject *samples,
                         const ffcl_subject *reference, ffcl_ctx *ctx, ffcl_neighbours *neighbours,
                         const ffcl_observer *obs, ffcl_error *err)
{
    const ffcl_kept *a = samples->tally ? ffcl_tally_kept(samples->tally) : NULL;
    const ffcl_kept *b = reference && reference->tally ? ffcl_tally_kept(reference->tally) : NULL;
    ffcl_neighbours own = {0}, *to = neighbours ? neighbours : &own;
    int rc = 0;
    out->fid = out->sfid = out->precision = out->recall = out->score = out->score_deviation = NAN;
    out->count = count_of(samples);
    out->reference_count = reference ? count_of(reference) : 0;
    if (samples->tally)
        ffcl_tally_score(samples->tally, &out->score, &out->score_deviation);
    if (reference) {
        warn_of_few(samples, obs);
        warn_of_few(reference, obs);
        rc = distances(out, samples, reference, err);
    }
    if (rc == 0)
        note_missing(samples, reference, obs);
    if (rc == 0 && a && b && ctx && a->n > NEAREST && b->n > NEAREST) {
        rc = ffcl_neighbours_compute(to, ctx, a, b, err);
        out->precision = to->precision;
        out->recall = to->recall;
    }
    if (!neighbours)
        ffcl_neighbours_close(&own);
    return rc;
}
