/* SPDX-License-Identifier: MIT */
#include "run/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "cl/context.h"
#include "cl/environment.h"
#include "cl/source.h"
#include "config_table.h"
#include "run/facts.h"
#include "run/kept_features.h"
#include "run/ranks.h"
#include "run/sample_set.h"
#include "run/worker.h"
#include "run/writers.h"
#include "util.h"

/* The owner of the indices that this process's workers have; other ranks are 1 + rank. */
enum { HERE = 1, TICK_MS = 20 };

typedef struct run {
    const ffcl_run_spec *spec;
    size_t rank, size;              /* this process of how many */
    size_t count, side;
    /* Rank 0 has the sample set and its indices; another has a client and writes files only. */
    ffcl_indices *indices;
    ffcl_sample_set *set;
    ffcl_ranks_client *client;
    ffcl_outputs *files;
    ffcl_index_source source;
    ffcl_writers *writers;
    ffcl_metadata *metadata;        /* NULL: PNGs have no texts */
    ffcl_worker **workers;          /* (n_devices) NULL: ended */
    int *is_left_out;               /* (n_devices) which failed */
    size_t n_active;
    size_t kept, evaluated_before;  /* images of an earlier run; evaluations of ended workers */
    pthread_mutex_t failing;
    atomic_int is_over;             /* no more images: a failure, or a stop from outside */
    int rc;                         /* the first failure; of bad images the first by index */
    size_t bad_index;               /* of FFCL_ENUMERIC */
    ffcl_error err;
} run;

static void report(run *r, ffcl_phase phase, const char *text, uint64_t done, uint64_t total)
{
    ffcl_report(r->spec->observer, phase, text, done, total);
}

/* Nothing more is given out; what is under way is finished. */
static void stop(run *r)
{
    atomic_store(&r->is_over, 1);
    if (r->indices)
        ffcl_indices_stop(r->indices);
    if (r->client)
        ffcl_ranks_stop(r->client);
}

/* Of an evaluation, which does not keep images from being made. */
static void fail_evaluation(run *r, const ffcl_error *err)
{
    pthread_mutex_lock(&r->failing);
    if (!r->spec->not_evaluated->code)
        *r->spec->not_evaluated = *err;
    pthread_mutex_unlock(&r->failing);
}

static void add_features(run *r, size_t index, const float *x)
{
    ffcl_error err = {0};
    if (r->spec->tally &&
        ffcl_tally_add(r->spec->tally, index, x, x + FFCL_INCEPTION_POOL,
                       x + FFCL_INCEPTION_POOL + FFCL_INCEPTION_SPATIAL, &err))
        fail_evaluation(r, &err);
}

static void skip_features(run *r, size_t index)
{
    ffcl_error err = {0};
    if (r->spec->tally && ffcl_tally_skip(r->spec->tally, index, &err))
        fail_evaluation(r, &err);
}

/* The first failure is the run's. */
static void fail(run *r, int rc, const ffcl_error *err)
{
    pthread_mutex_lock(&r->failing);
    if (!r->rc) {
        r->rc = rc;
        r->err = *err;
    }
    pthread_mutex_unlock(&r->failing);
    stop(r);
}

/* Threads come upon the bad images of a batch in any order: the first of them is the run's. */
static void fail_image(run *r, size_t index, const ffcl_error *err)
{
    pthread_mutex_lock(&r->failing);
    if (!r->rc || (r->rc == FFCL_ENUMERIC && index < r->bad_index)) {
        r->rc = FFCL_ENUMERIC;
        r->bad_index = index;
        r->err = *err;
    }
    pthread_mutex_unlock(&r->failing);
    stop(r);
}

static int has_failed(run *r)
{
    pthread_mutex_lock(&r->failing);
    int rc = r->rc;
    pthread_mutex_unlock(&r->failing);
    return rc;
}

/* ---- a finished image, in a writer's thread --------------------------------------------- */

/* All pixels of one colour, which no model makes. */
static int is_plain(const uint8_t *rgb, size_t side)
{
    return memcmp(rgb, rgb + 3, side * side * 3 - 3) == 0;
}

static int bad_image(run *r, size_t index, int label, const char *stage, ffcl_error *err)
{
    char text[200];
    const char *what = strcmp(stage, "bytes") ? "has a value that is not finite"
                                              : "is of one colour only";
    snprintf(text, sizeof text, "image %zu (class %d) %s in its %s", index, label, what, stage);
    if (r->spec->cfg->output.on_bad == FFCL_BAD_STOP) {
        ffcl_fail(err, FFCL_ENUMERIC, "%s", text);
        fail_image(r, index, err);
        return FFCL_ENUMERIC;
    }
    report(r, FFCL_PHASE_WARN, text, 0, 0);
    skip_features(r, index);
    if (r->set)
        return ffcl_sample_set_skip(r->set, index, label, stage, err);
    int rc = ffcl_outputs_skip(r->files, index, err);
    if (rc == 0)
        ffcl_ranks_bad(r->client, index, label, stage);
    return rc;
}

static void write_image(void *user, const ffcl_parcel *p, size_t k)
{
    run *r = user;
    ffcl_error err = {0};
    const size_t index = p->index[k], bytes = r->side * r->side * 3;
    const uint8_t *rgb = p->rgb + k * bytes;
    const float *features = p->features ? p->features + k * FFCL_INCEPTION_ALL : NULL;
    const char *stage = p->stages[k] ? p->stages[k] : is_plain(rgb, r->side) ? "bytes" : NULL;
    int rc = has_failed(r);
    if (stage && (rc == 0 || rc == FFCL_ENUMERIC))
        rc = bad_image(r, index, p->y[k], stage, &err);
    else if (rc == 0) {
        if (r->set)
            rc = ffcl_sample_set_put(r->set, index, rgb, 0, &err);
        else
            rc = ffcl_outputs_put_file(r->files, index, rgb, &err);
        if (rc == 0)
            add_features(r, index, features);
    }
    if (rc && err.code)
        fail(r, rc, &err);
    if (rc)
        r->source.give_back(r->source.user, index);
    else if (r->set)
        ffcl_indices_done(r->indices, index);
    else if (!stage)
        ffcl_ranks_finished(r->client, index, rgb, features);
}

static size_t take_here(void *user, size_t *list, size_t n, int wait)
{
    return ffcl_indices_take(user, HERE, list, n, wait);
}

static void give_back_here(void *user, size_t index)
{
    ffcl_indices_give_back(user, index);
}

/* ---- other ranks, as rank 0 sees them ----------------------------------------------------- */

static int finished_there(void *user, size_t index, const uint8_t *rgb, const float *features,
                          ffcl_error *err)
{
    run *r = user;
    if (features)
        add_features(r, index, features);
    int rc = rgb && !has_failed(r) ? ffcl_sample_set_put(r->set, index, rgb, 1, err) : 0;
    if (rc)
        fail(r, rc, err);
    if (rc || has_failed(r))
        ffcl_indices_give_back(r->indices, index);
    else
        ffcl_indices_done(r->indices, index);
    return 0;
}

static int bad_there(void *user, size_t index, int label, const char *stage, ffcl_error *err)
{
    run *r = user;
    int rc = has_failed(r) ? 0 : ffcl_sample_set_skip(r->set, index, label, stage, err);
    if (rc)
        fail(r, rc, err);
    skip_features(r, index);
    if (has_failed(r))
        ffcl_indices_give_back(r->indices, index);
    else
        ffcl_indices_done(r->indices, index);
    return 0;
}

static int device_there(void *user, const ffcl_manifest_device *device, ffcl_error *err)
{
    run *r = user;
    return r->set ? ffcl_sample_set_add_device(r->set, device, err) : 0;
}

static int member_there(void *user, const ffcl_manifest_member *member, ffcl_error *err)
{
    run *r = user;
    return r->set ? ffcl_sample_set_join(r->set, member, err) : 0;
}

static int left_there(void *user, size_t rank, int rc, const char *text, size_t returned,
                      ffcl_error *err)
{
    run *r = user;
    char line[1200];
    if (rc == 0 || rc == FFCL_ESTOPPED)
        return 0;
    if (!ffcl_worker_is_device_failure(rc)) {
        ffcl_fail(err, rc, "rank %zu: %s", rank, text);
        fail(r, rc, err);
        return 0;
    }
    snprintf(line, sizeof line, "rank %zu has no device left (%.900s); %zu images go to others",
             rank, text, returned);
    report(r, FFCL_PHASE_WARN, line, 0, 0);
    return 0;
}

static uLong add_bytes(uLong crc, const void *bytes, size_t n)
{
    return crc32_z(crc, bytes, n);
}

static int add_setting(void *user, const char *key, const char *text, ffcl_error *err)
{
    uLong *crc = user;
    (void)err;
    *crc = add_bytes(*crc, key, strlen(key) + 1);
    *crc = add_bytes(*crc, text, strlen(text) + 1);
    return 0;
}

/* Of the decoder's group norms; 0: there is no decoder. */
static size_t groups_of(const ffcl_engine *engine)
{
    const ffcl_vae_dims *d = ffcl_engine_vae(engine);
    return d ? d->groups : 0;
}

/* Which tensors, which kernels, and how these are compiled. */
static uLong add_sources(uLong crc, const ffcl_engine *engine)
{
    char text[300] = "";
    char *environment = ffcl_environment();
    const double scale = ffcl_engine_noise_scale(engine);
    for (int vae = 0; vae < 2; vae++) {
        ffcl_engine_tensors(engine, vae, text, sizeof text);
        crc = add_bytes(crc, text, strlen(text) + 1);
    }
    if (ffcl_sources_id(text, sizeof text, NULL) == 0)
        crc = add_bytes(crc, text, strlen(text) + 1);
    if (environment)
        crc = add_bytes(crc, environment, strlen(environment) + 1);
    free(environment);
    return add_bytes(crc, &scale, sizeof scale);
}

/* Of all that must be the same in every rank: another setting or weight would give other images,
 * and another kind of output leave gaps in rank 0's.  How a device multiplies may differ. */
static uint32_t fingerprint(const run *r)
{
    const char *checkpoint = "", *vae = "";
    if (r->spec->hashes)        /* what cannot be read has no other chance to be the same */
        ffcl_hashes_get(r->spec->hashes, &checkpoint, &vae, NULL);
    const ffcl_config *c = r->spec->cfg;
    const ffcl_noise_spec *d = r->spec->noise;
    const uint64_t words[] = {d->each, d->classes, c->output.folder != NULL, c->output.npz != NULL,
                              c->output.grid != NULL, ffcl_engine_dtype(r->spec->engine),
                              ffcl_engine_sit(r->spec->engine)->H,
                              ffcl_engine_sit(r->spec->engine)->split,
                              groups_of(r->spec->engine), c->eval.like};
    uLong crc = add_bytes(0, words, sizeof words);
    ffcl_config_settings(c, add_setting, &crc, NULL);
    const ffcl_latent_form *form = ffcl_engine_latent_form(r->spec->engine);
    crc = add_bytes(crc, form->times, ffcl_engine_sit(r->spec->engine)->C * sizeof(float));
    crc = add_bytes(crc, form->plus, ffcl_engine_sit(r->spec->engine)->C * sizeof(float));
    for (size_t i = 0; i < ffcl_engine_sit(r->spec->engine)->embedders; i++) {
        const float value = ffcl_engine_scalar(r->spec->engine, i);
        crc = add_bytes(crc, &value, sizeof value);
    }
    crc = add_bytes(crc, checkpoint, strlen(checkpoint));
    crc = add_sources(crc, r->spec->engine);
    crc = add_bytes(crc, r->spec->network, strlen(r->spec->network));
    return (uint32_t)add_bytes(crc, vae, strlen(vae));
}

/* ---- workers ------------------------------------------------------------------------------ */

/* A device is about to make images, in its worker's thread. */
static int join_device(void *user, const ffcl_engine *engine, ffcl_error *err)
{
    run *r = user;
    ffcl_manifest_member member;
    ffcl_facts_of_device(&member, engine);
    return r->set ? ffcl_sample_set_join(r->set, &member, err)
                  : ffcl_ranks_member(r->client, &member, err);
}

static int start_workers(run *r, ffcl_error *err)
{
    const ffcl_run_spec *s = r->spec;
    int rc = ffcl_writers_open(&r->writers, ffcl_config_threads(s->cfg), write_image, r, err);
    r->workers = calloc(s->n_devices, sizeof *r->workers);
    if (rc == 0 && !r->workers)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu devices", s->n_devices);
    for (size_t i = 0; rc == 0 && i < s->n_devices; i++) {
        if (r->is_left_out[i])
            continue;
        const ffcl_worker_spec spec = {
            .engine = i ? NULL : s->engine, .opening = s->openings[i],
            .dtype = ffcl_engine_dtype(s->engine), .noise = s->noise, .source = r->source,
            .wants_features = ffcl_engine_extractor(s->engine) != NULL, .writers = r->writers,
            .join = join_device, .user = r};
        rc = ffcl_worker_start(&r->workers[i], &spec, err);
        r->n_active += rc == 0;
    }
    return rc;
}

static void add_device(run *r, const ffcl_worker *worker)
{
    ffcl_manifest_device device;
    ffcl_error err = {0};
    int rc = 0;
    if (!ffcl_worker_engine(worker))
        return;
    ffcl_manifest_describe(&device, ffcl_worker_engine(worker), ffcl_worker_images(worker));
    ffcl_worker_seconds(worker, &device.submitting, &device.device, &device.writers);
    if (r->set)
        rc = ffcl_sample_set_add_device(r->set, &device, &err);
    else if (r->client)
        ffcl_ranks_device(r->client, &device);
    if (rc)
        fail(r, rc, &err);
}

static void leave_out(run *r, size_t i, const char *work, const ffcl_error *err)
{
    const ffcl_device *device = &r->spec->devices[i];
    char line[1200];
    snprintf(line, sizeof line, "device %zu, %.100s, is left out: %.900s; its %s to the others",
             device->index, device->caps.name, err->text, work);
    report(r, FFCL_PHASE_WARN, line, 0, 0);
    r->is_left_out[i] = 1;
}

/* Joins workers that have ended.  A failed device is reported; the last one's failure is the
 * run's, unless others_go_on. */
static void look_at_workers(run *r, int others_go_on)
{
    for (size_t i = 0; r->workers && i < r->spec->n_devices; i++) {
        const ffcl_error *err = NULL;
        int rc = 0;
        if (!r->workers[i] || !ffcl_worker_has_ended(r->workers[i], &rc, &err))
            continue;
        r->n_active--;
        if (rc && (!ffcl_worker_is_device_failure(rc) || (!r->n_active && !others_go_on))) {
            fail(r, rc, err);
        } else if (rc) {
            leave_out(r, i, "images go", err);
        }
        add_device(r, r->workers[i]);
        r->evaluated_before += ffcl_worker_evaluated(r->workers[i]);
        ffcl_worker_close(&r->workers[i]);
    }
}

/* Waits for every worker and writer. */
static void join_workers(run *r)
{
    const struct timespec moment = {0, TICK_MS * 1000000};
    while (r->n_active) {
        look_at_workers(r, 0);
        if (r->n_active)
            nanosleep(&moment, NULL);
    }
    ffcl_writers_close(&r->writers);
    free(r->workers);
    r->workers = NULL;
}

static size_t first_sound(const run *r)
{
    for (size_t i = 0; i < r->spec->n_devices; i++)
        if (!r->is_left_out[i])
            return i;
    return 0;
}

/* ---- rank 0 ------------------------------------------------------------------------------- */

/* Evaluates the images that are there, by this engine, and marks them as done. */
static int evaluate_kept(run *r, const ffcl_engine *engine, ffcl_error *err)
{
    ffcl_kept_features *kept = NULL;
    int rc = ffcl_kept_features_open(&kept, ffcl_engine_extractor(engine), r->spec->tally, err);
    if (rc == 0)
        rc = ffcl_sample_set_find_kept(r->set, r->indices, ffcl_kept_features_add, kept, err);
    if (kept)
        rc = ffcl_kept_features_close(&kept, rc, r->spec->not_evaluated, err);
    return rc;
}

/* The engine of a further device, which goes on with what the first cannot. */
static int look_at_engine(const run *r, size_t i, ffcl_engine **engine, ffcl_error *err)
{
    int rc = ffcl_opening_look(r->spec->openings[i], engine, err);
    if (rc == 0 && ffcl_engine_dtype(*engine) != ffcl_engine_dtype(r->spec->engine))
        rc = ffcl_worker_other_precision(err);
    return rc;
}

/* Images that are there; where all are evaluated, they are, by the first device that can.  Where
 * this process has none left and others have, images are made and not evaluated. */
static int find_kept(run *r, ffcl_error *err)
{
    const ffcl_run_spec *s = r->spec;
    if (!s->tally)
        return ffcl_sample_set_find_kept(r->set, r->indices, NULL, NULL, err);
    int rc = evaluate_kept(r, s->engine, err);
    for (size_t i = 1; i < s->n_devices && ffcl_worker_is_device_failure(rc); i++) {
        ffcl_engine *engine = NULL;
        leave_out(r, i - 1, "work goes", err);
        rc = look_at_engine(r, i, &engine, err);
        if (rc == 0)
            rc = evaluate_kept(r, engine, err);
    }
    if (r->size == 1 || !ffcl_worker_is_device_failure(rc))
        return rc;
    leave_out(r, s->n_devices - 1, "images go", err);
    fail_evaluation(r, err);
    return ffcl_sample_set_find_kept(r->set, r->indices, NULL, NULL, err);
}

static int open_rank0(run *r, ffcl_error *err)
{
    const ffcl_run_spec *s = r->spec;
    const int share = s->cfg->sampler.rank != FFCL_ALL_RANKS;
    const ffcl_sample_set_spec set = {
        .cfg = s->cfg, .engine = s->engine, .hashes = s->hashes, .noise = s->noise,
        .metadata = r->metadata, .count = r->count, .height = r->side, .width = r->side,
        .processes = r->size,
        .observer = s->observer, .stop = s->stop};
    const size_t only = s->cfg->sampler.index;
    int rc = only == FFCL_ALL_RANKS
                 ? ffcl_indices_open(&r->indices, r->count, share ? s->cfg->sampler.rank : 0,
                                     share ? s->cfg->sampler.world : 1, err)
                 : ffcl_indices_open(&r->indices, r->count, only, r->count, err);
    if (rc == 0 && share && r->size > 1)
        rc = ffcl_fail(err, FFCL_ECONFIG, "[sampler] rank = %zu is for a process alone; under "
                       "mpirun the processes share the images by themselves: set rank = all",
                       s->cfg->sampler.rank);
    if (rc == 0)
        rc = ffcl_sample_set_open(&r->set, &set, err);
    return rc ? rc : find_kept(r, err);
}

/* Images, or evaluations of the transformer where an image takes many. */
static void report_progress(run *r, size_t done, size_t total)
{
    const size_t each = ffcl_schedule_evaluations(ffcl_engine_schedule(r->spec->engine));
    char text[64];
    if (each == 1) {
        report(r, FFCL_PHASE_SAMPLE, NULL, done, total);
        return;
    }
    /* Those of images under way: all that workers did, less what became images. */
    size_t evaluated = r->evaluated_before;
    for (size_t i = 0; r->workers && i < r->spec->n_devices; i++)
        evaluated += r->workers[i] ? ffcl_worker_evaluated(r->workers[i]) : 0;
    const size_t finished = (done - r->kept) * each;
    size_t shown = done * each + (evaluated > finished ? evaluated - finished : 0);
    shown = done == total ? total * each : ffcl_min(shown, total * each - 1);
    snprintf(text, sizeof text, "%zu/%zu images", done, total);
    report(r, FFCL_PHASE_SAMPLE, text, shown, total * each);
}

/* Until every image is done, or nobody is left who could generate it. */
static void attend(run *r)
{
    size_t total, done, others = 0;
    ffcl_error err = {0};
    ffcl_ranks_server server = {
        .indices = r->indices, .fingerprint = fingerprint(r),
        .wants_pixels = r->set && ffcl_sample_set_wants_pixels(r->set),
        .image_bytes = r->side * r->side * 3,
        .features = r->spec->tally ? FFCL_INCEPTION_ALL : 0, .user = r, .finished = finished_there,
        .bad = bad_there, .member = member_there, .device = device_there, .left = left_there};
    ffcl_indices_count(r->indices, &total, &done, NULL);
    r->kept = done;
    if (r->set && done < total)
        report_progress(r, done, total);
    for (int is_over = 0; !is_over || others || r->n_active;) {
        is_over = ffcl_indices_wait(r->indices, r->size > 1 ? 1 : TICK_MS);
        int rc = ffcl_ranks_serve(&server, &others, &err);
        if (rc)
            fail(r, rc, &err);
        if (atomic_load(r->spec->stop))
            stop(r);
        look_at_workers(r, others > 0);
        ffcl_indices_count(r->indices, NULL, &done, NULL);
        if (r->set && done < total)
            report_progress(r, done, total);
        /* Other ranks may all have gone without a device; the last image may be there since. */
        if (!is_over && !others && !r->n_active && done < total && !atomic_load(&r->is_over)) {
            ffcl_fail(&err, FFCL_EDEVICE, "no device is left for the last %zu image%s",
                      total - done, ffcl_plural(total - done));
            fail(r, FFCL_EDEVICE, &err);
        }
    }
    if (r->set && done == total)
        report_progress(r, done, total);
}

static int run_rank0(run *r, ffcl_error *err)
{
    size_t total = 0, done = 0;
    int rc = open_rank0(r, err);
    if (rc == 0 && !atomic_load(r->spec->stop)) {
        r->source = (ffcl_index_source){r->indices, take_here, give_back_here};
        ffcl_indices_count(r->indices, &total, &done, NULL);
        if (done < total)
            rc = start_workers(r, err);
    }
    if (rc)
        fail(r, rc, err);
    /* Other ranks are answered even when there is nothing to do: they wait for it. */
    if (r->indices)
        attend(r);
    join_workers(r);
    rc = has_failed(r);
    if (rc)
        *err = r->err;
    if (r->indices)
        ffcl_indices_count(r->indices, &total, &done, NULL);
    if (rc == 0 && done < total)
        rc = ffcl_fail(err, FFCL_ESTOPPED, "stopped: %zu of %zu images are there%s", done, total,
                       ffcl_config_keeps_samples(r->spec->cfg)
                           ? "; run the same command again to resume"
                           : " and none is kept, as neither folder nor npz was asked for");
    const size_t skipped = r->set ? ffcl_sample_set_skipped(r->set) : 0;
    *r->spec->result = (ffcl_run_result){.count = total, .kept = r->kept, .skipped = skipped,
                                         .generated = done - r->kept - skipped,
                                         .sound = first_sound(r)};
    rc = ffcl_sample_set_end(&r->set, r->indices, rc, err);
    ffcl_indices_close(&r->indices);
    return rc;
}

/* ---- other ranks -------------------------------------------------------------------------- */

static int run_client(run *r, ffcl_error *err)
{
    const struct timespec moment = {0, TICK_MS * 1000000};
    int begin = 0;
    int rc = ffcl_ranks_join(&r->client, fingerprint(r), r->side * r->side * 3, &begin, err);
    if (rc == 0 && begin)
        rc = ffcl_outputs_open(&r->files, &(ffcl_outputs_spec){
            .cfg = r->spec->cfg, .which = FFCL_OUT_FOLDER, .count = r->count, .height = r->side,
            .width = r->side, .metadata = r->metadata, .is_client = 1}, err);
    if (rc == 0 && begin) {
        r->source = (ffcl_index_source){r->client, ffcl_ranks_take, ffcl_ranks_give_back};
        rc = start_workers(r, err);
    }
    if (rc)
        fail(r, rc, err);
    while (r->n_active) {
        if (atomic_load(r->spec->stop))
            stop(r);
        look_at_workers(r, 0);
        nanosleep(&moment, NULL);
    }
    join_workers(r);
    rc = has_failed(r);
    if (rc)
        *err = r->err;
    else if (atomic_load(r->spec->stop))
        rc = ffcl_fail(err, FFCL_ESTOPPED, "stopped");
    ffcl_outputs_close(&r->files, 1);
    if (r->client)
        ffcl_ranks_leave(&r->client, rc, rc ? err->text : "");
    /* Rank 0 continues without this one and decides how the run ends. */
    return ffcl_worker_is_device_failure(rc) ? 0 : rc;
}

int ffcl_run(const ffcl_run_spec *spec, ffcl_error *err)
{
    run *r = calloc(1, sizeof *r);
    if (!r)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the run");
    r->spec = spec;
    r->count = spec->noise->count;
    r->side = ffcl_engine_side(spec->engine);
    ffcl_ranks_where(&r->rank, &r->size);
    pthread_mutex_init(&r->failing, NULL);
    r->is_left_out = calloc(spec->n_devices, sizeof *r->is_left_out);
    int rc = r->is_left_out ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the run");
    if (rc == 0)
        rc = ffcl_metadata_open(&r->metadata, spec->cfg, spec->engine, spec->noise, spec->hashes,
                                err);
    /* Other ranks wait for rank 0, which finds no memory only where nothing goes any more. */
    if (rc == 0)
        rc = r->rank ? run_client(r, err) : run_rank0(r, err);
    ffcl_metadata_close(&r->metadata);
    pthread_mutex_destroy(&r->failing);
    free(r->is_left_out);
    free(r);
    return rc;
}
