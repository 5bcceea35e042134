/* SPDX-License-Identifier: MIT
 * ffcl_evaluate: samples against a reference, from files. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/check_outputs.h"
#include "eval/evaluator.h"
#include "eval/sheet.h"
#include "files/input.h"
#include "files/json.h"
#include "ops/ops.h"
#include "util.h"

/* A subject in words. */
static void describe(char *text, size_t size, const ffcl_subject *s)
{
    size_t height, width;
    if (s->images && (s->tally || !s->statistics.pool)) {
        ffcl_images_size(s->images, &height, &width);
        snprintf(text, size, "%.120s, %zu image%s of %zu x %zu%s", s->path,
                 ffcl_images_count(s->images), ffcl_plural(ffcl_images_count(s->images)), width,
                 height,
                 s->statistics.pool ? ", with statistics" : "");
    } else if (s->statistics.n) {
        snprintf(text, size, "%.120s, statistics of %zu images", s->path, s->statistics.n);
    } else {
        snprintf(text, size, "%.120s, statistics", s->path);
    }
}

static void note_passed_over(const ffcl_subject *s, const ffcl_observer *obs)
{
    const size_t n = s->images ? ffcl_images_passed_over(s->images) : 0;
    char text[400];
    snprintf(text, sizeof text, "%.300s: %zu file%s passed over, which hold%s no image",
             s->path, n, ffcl_plural(n), n == 1 ? "s" : "");
    if (n)
        ffcl_report(obs, FFCL_PHASE_NOTE, text, 0, 0);
    const size_t folders = s->images ? ffcl_images_folders(s->images) : 0;
    snprintf(text, sizeof text, "%.300s: %zu folder%s in it %s not looked into", s->path, folders,
             ffcl_plural(folders), folders == 1 ? "is" : "are");
    if (folders)
        ffcl_report(obs, FFCL_PHASE_NOTE, text, 0, 0);
}

/* Numbers of a folder whose run was stopped, or that holds others' images as well, are of another
 * set than its manifest speaks of.  A folder without one, or with an unreadable one, says
 * nothing. */
static void note_other_count(const ffcl_subject *s, const ffcl_observer *obs)
{
    enum { MOST = 1 << 26 };
    ffcl_error none = {0};
    cJSON *manifest = NULL;
    size_t n = 0, images = s->images ? ffcl_images_count(s->images) : 0;
    char *text = NULL, note[600];
    char *path = images ? ffcl_path_join(s->path, "manifest.json") : NULL;
    if (path && ffcl_input_read(&text, &n, path, MOST, &none) == 0 &&
        ffcl_json_parse(&manifest, text, n, NULL, path, &none) == 0) {
        const cJSON *settings = cJSON_GetObjectItemCaseSensitive(manifest, "settings");
        const cJSON *count = cJSON_GetObjectItemCaseSensitive(settings, "sampler.count");
        const cJSON *bad = cJSON_GetObjectItemCaseSensitive(manifest, "bad");
        const size_t left_out = cJSON_IsArray(bad) ? (size_t)cJSON_GetArraySize(bad) : 0;
        const double all = cJSON_IsString(count) ? strtod(count->valuestring, NULL) : 0;
        if (all > 0 && ((double)(images + left_out) < all || (double)images > all)) {
            snprintf(note, sizeof note, "%.300s has %zu image%s, and its run makes %.0f: %s",
                     s->path, images, ffcl_plural(images), all,
                     (double)images > all ? "what else is there is evaluated, too"
                                          : "the same command once more makes the others");
            ffcl_report(obs, FFCL_PHASE_NOTE, note, 0, 0);
        }
    }
    cJSON_Delete(manifest);
    free(text);
    free(path);
}

static void note_images(const ffcl_subject *s, const ffcl_observer *obs)
{
    note_passed_over(s, obs);
    note_other_count(s, obs);
}

int ffcl_eval_check_network(char *crc, const ffcl_config *cfg, ffcl_error *err)
{
    *crc = '\0';
    if (ffcl_input_is_absent(cfg->eval.inception))
        return ffcl_fail(err, FFCL_EFILE, "the Inception network %s is not there: it is "
                         "pt_inception-2015-12-05-6726825d.pth of the releases of "
                         "github.com/mseitzer/pytorch-fid (fid_weights); name it with --inception "
                         "or [eval] inception. To try without, ffcl eval --make-network FILE "
                         "writes one that only compares with itself", cfg->eval.inception);
    return ffcl_file_crc(crc, cfg->eval.inception, err);
}

/* Precision and recall need the images of both, or the features of a run's. */
static int wants_images(const ffcl_subject *samples, const ffcl_subject *reference)
{
    return (samples->images || (samples->tally && ffcl_tally_kept(samples->tally))) &&
           reference->images;
}

typedef struct evaluation {
    const ffcl_config *cfg;
    const ffcl_eval_request *request;
    const ffcl_observer *obs;
    const ffcl_device *device;          /* NULL: the one that cfg selects */
    ffcl_subject samples, reference;
    ffcl_extractor *extractor;
    ffcl_neighbours neighbours;
    const ffcl_habit *habit;
    char crc[64];
} evaluation;

/* The reference's images are evaluated where its statistics do not say all. */
static int extract_reference(evaluation *e, ffcl_error *err)
{
    const int keeps = wants_images(&e->samples, &e->reference);
    if (!e->reference.images || (e->reference.statistics.pool && !keeps))
        return 0;
    return ffcl_subject_extract(&e->reference, &e->extractor, e->cfg, e->device, keeps, NULL,
                                e->obs, err);
}

static int extract_samples(evaluation *e, ffcl_evaluation *out, ffcl_error *err)
{
    const ffcl_eval_request *r = e->request;
    ffcl_curve curve = {.points = ffcl_min(r->curve, FFCL_EVAL_CURVE), .reference = &e->reference,
                        .to = out};
    const int keeps = r->reference && wants_images(&e->samples, &e->reference);
    if (!e->samples.images)
        return 0;
    /* Statistics beside the images are not taken on trust. */
    ffcl_statistics_close(&e->samples.statistics);
    int rc = ffcl_subject_extract(&e->samples, &e->extractor, e->cfg, e->device, keeps,
                                  r->reference && curve.points ? &curve : NULL, e->obs, err);
    out->seconds = e->samples.seconds;
    if (rc == 0) {
        snprintf(out->computed, sizeof out->computed, "%s on %s",
                 ffcl_extractor_precision(e->extractor), ffcl_extractor_device(e->extractor));
        ffcl_images_size(e->samples.images, &out->height, &out->width);
    }
    return rc;
}

/* Of the features that a mean and a covariance are of; "": unknown. */
static const char *precision_of(const ffcl_subject *s)
{
    return s->statistics.pool ? s->statistics.precision : s->precision ? s->precision : "";
}

static int save(const evaluation *e, ffcl_error *err)
{
    const char *path = e->cfg->eval.save_stats;
    if (!path)
        return 0;
    if (ffcl_tally_count(e->samples.tally) < 2)
        return ffcl_fail(err, FFCL_EFORMAT, "%s has one image, and a covariance needs two",
                         e->samples.path);
    ffcl_statistics made = {.n = 0};
    snprintf(made.inception, sizeof made.inception, "%s", e->crc);
    snprintf(made.like, sizeof made.like, "%s", ffcl_habit_of(e->cfg->eval.like)->name);
    snprintf(made.precision, sizeof made.precision, "%s", precision_of(&e->samples));
    return ffcl_statistics_save(path, ffcl_tally_pool(e->samples.tally),
                                ffcl_tally_spatial(e->samples.tally), &made, err);
}

/* What FID compares; a matrix unit makes features half where nobody asked for it. */
static void note_precisions(const evaluation *e)
{
    const char *a = precision_of(&e->samples), *b = precision_of(&e->reference);
    char text[600];
    if (!*a || !*b || strcmp(a, b) == 0)
        return;
    snprintf(text, sizeof text, "features of %.200s are in %s and those of %.200s in %s: half is "
             "off by 0.1 %%; precision.compute sets the same", e->samples.path, a,
             e->reference.path, b);
    ffcl_report(e->obs, FFCL_PHASE_NOTE, text, 0, 0);
}

static int has_images(const ffcl_subject *s)
{
    return s->images || s->tally;
}

/* By which network, and as whom; where nothing is computed, the statistics of the samples say. */
static int choose_way(evaluation *e, ffcl_evaluation *out, ffcl_error *err)
{
    const ffcl_subject *reference = e->request->reference ? &e->reference : NULL;
    const ffcl_statistics *given = &e->samples.statistics;
    ffcl_like like = e->cfg->eval.like;
    int rc = 0;
    if (has_images(&e->samples) || (reference && !reference->statistics.pool)) {
        rc = ffcl_eval_check_network(e->crc, e->cfg, err);
        snprintf(out->network, sizeof out->network, "%.200s (%s)",
                 ffcl_base_name(e->cfg->eval.inception), e->crc);
    } else {
        snprintf(e->crc, sizeof e->crc, "%s", given->inception);
        (void)ffcl_habit_find(given->like, &like);
    }
    e->habit = ffcl_habit_of(like);
    out->like = e->habit->name;
    /* Statistics beside images of the samples do not count. */
    if (rc == 0 && !has_images(&e->samples))
        rc = ffcl_subject_check(&e->samples, e->crc, e->habit, err);
    return rc || !reference ? rc : ffcl_subject_check(reference, e->crc, e->habit, err);
}

/* Before minutes of a device, not after them. */
static int check_sheet(const evaluation *e, ffcl_error *err)
{
    const size_t a = ffcl_images_count(e->samples.images);
    const size_t b = ffcl_images_count(e->reference.images);
    if (a >= FFCL_NEAREST && b >= FFCL_NEAREST)
        return 0;
    return ffcl_fail(err, FFCL_EUSAGE, "a sheet of the nearest and farthest samples needs at least "
                     "%d images of each, and %s has %zu", FFCL_NEAREST,
                     a < FFCL_NEAREST ? e->samples.path : e->reference.path,
                     a < FFCL_NEAREST ? a : b);
}

static int evaluate(evaluation *e, ffcl_evaluation *out, ffcl_error *err)
{
    const ffcl_eval_request *r = e->request;
    ffcl_subject *reference = r->reference ? &e->reference : NULL;
    int rc = e->samples.tally ? 0 : ffcl_subject_open(&e->samples, r->samples, err);
    if (rc == 0 && reference)
        rc = ffcl_subject_open(reference, r->reference, err);
    if (rc)
        return rc;
    note_images(&e->samples, e->obs);
    if (reference)
        note_images(reference, e->obs);
    if (!has_images(&e->samples) && !reference)
        return ffcl_fail(err, FFCL_EUSAGE, "%s holds statistics alone, which --reference must give "
                         "something to compare with", r->samples);
    if (!has_images(&e->samples) && e->cfg->eval.save_stats)
        return ffcl_fail(err, FFCL_EUSAGE, "%s holds statistics already: there are no images to "
                         "save statistics of", r->samples);
    if (r->curve && !has_images(&e->samples))
        return ffcl_fail(err, FFCL_EUSAGE, "%s holds statistics alone: there are no images for a "
                         "curve of growing shares", r->samples);
    if (r->sheet && !(e->samples.images && e->reference.images))
        return ffcl_fail(err, FFCL_EUSAGE, "a sheet of the nearest and farthest samples needs the "
                         "images of both, and %s has statistics alone",
                         e->samples.images ? r->reference : r->samples);
    rc = ffcl_eval_check_outputs(e->cfg, r->samples, r->reference, r->sheet, err);
    if (rc == 0 && r->sheet)
        rc = check_sheet(e, err);
    if (rc == 0)
        rc = choose_way(e, out, err);
    if (rc == 0 && reference)
        rc = extract_reference(e, err);
    if (rc == 0)
        rc = extract_samples(e, out, err);
    if (rc == 0 && reference)
        note_precisions(e);
    if (rc == 0)
        rc = ffcl_evaluation_fill(out, &e->samples, reference,
                                  e->extractor ? ffcl_extractor_ctx(e->extractor) : NULL,
                                  &e->neighbours, e->obs, err);
    if (rc == 0)
        rc = save(e, err);
    if (rc == 0 && r->sheet)
        rc = ffcl_sheet_write(r->sheet, &e->samples, reference, &e->neighbours, err);
    describe(out->samples, sizeof out->samples, &e->samples);
    if (reference)
        describe(out->reference, sizeof out->reference, reference);
    return rc;
}

static int evaluate_all(evaluation *e, ffcl_evaluation *out, ffcl_error *err)
{
    *out = (ffcl_evaluation){.fid = NAN, .seconds = NAN};
    int rc = evaluate(e, out, err);
    ffcl_extractor_close(&e->extractor);
    ffcl_subject_close(&e->samples);
    ffcl_subject_close(&e->reference);
    ffcl_neighbours_close(&e->neighbours);
    return rc;
}

int ffcl_evaluate(ffcl_evaluation *out, const ffcl_config *cfg, const ffcl_eval_request *request,
                  const ffcl_observer *obs, ffcl_error *err)
{
    return ffcl_evaluate_on(out, cfg, request, NULL, obs, err);
}

int ffcl_evaluate_on(ffcl_evaluation *out, const ffcl_config *cfg,
                     const ffcl_eval_request *request, const ffcl_device *device,
                     const ffcl_observer *obs, ffcl_error *err)
{
    evaluation e = {.cfg = cfg, .request = request, .device = device, .obs = obs};
    return evaluate_all(&e, out, err);
}

int ffcl_evaluate_tally(ffcl_evaluation *out, const ffcl_eval_request *request,
                        ffcl_tally **tally, const ffcl_eval_setting *setting, ffcl_error *err)
{
    const size_t side = setting->side;
    evaluation e = {.cfg = setting->cfg, .request = request, .device = setting->device,
                    .obs = setting->obs};
    e.samples.path = ffcl_format("%s", request->samples);
    if (!e.samples.path)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the evaluation");
    e.samples.tally = *tally;
    e.samples.precision = setting->precision;
    *tally = NULL;
    const size_t n = ffcl_tally_count(e.samples.tally);
    int rc = evaluate_all(&e, out, err);
    snprintf(out->samples, sizeof out->samples, "%.120s, %zu image%s of %zu x %zu",
             request->samples, n, ffcl_plural(n), side, side);
    out->height = out->width = side;
    return rc;
}

int ffcl_eval_generate_network(const char *path, ffcl_error *err)
{
    if (!ffcl_input_is_absent(path))        /* it may be the published one */
        return ffcl_fail(err, FFCL_EOUTPUT, "%s is there: choose another name", path);
    return ffcl_inception_generate(path, 1, err);
}
