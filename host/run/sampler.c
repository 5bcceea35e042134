/* SPDX-License-Identifier: MIT
 * The public sampler: images by index, from the configuration's seed, classes and guidance. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/binary_cache.h"
#include "cl/profile.h"
#include "os/address_space.h"
#include "os/threads.h"
#include "run/assumptions.h"
#include "run/ranks.h"
#include "run/run.h"
#include "run/sampler_impl.h"
#include "run/worker.h"
#include "util.h"

/* Processes of one computer share its devices. */
static int select_devices(ffcl_sampler *s, ffcl_error *err)
{
    size_t rank = 0, ranks = 1, kept = 0;
    ffcl_ranks_where_here(&rank, &ranks);
    int rc = ffcl_device_select_all(&s->devices, &s->n_devices, s->cfg->device.select, err);
    const size_t n = s->n_devices;
    if (rc || ranks == 1)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (n <= ranks ? i == rank % n : i % ranks == rank)
            s->devices[kept++] = s->devices[i];
    s->n_devices = kept;
    return 0;
}

static void report(void *user, ffcl_phase phase, const char *text, uint64_t done, uint64_t total)
{
    ffcl_sampler *s = user;
    pthread_mutex_lock(&s->reporting);
    ffcl_report(&s->caller, phase, text, done, total);
    pthread_mutex_unlock(&s->reporting);
}

/* Opens the devices side by side, the first here, until one can be opened: those before it are left
 * out.  The others may still be loading at the end. */
static int open_engines(ffcl_sampler *s, ffcl_error *err)
{
    ffcl_engine_wants wants = {
        .sit = 1, .vae = 1, .batch = ffcl_min(s->cfg->sampler.batch, s->count), .count = s->count,
        .profile = s->profile,
        .batch_invariant = ffcl_config_is_invariant(s->cfg),
        .inception = s->evaluation.is_on ? s->cfg->eval.inception : NULL,
        .resize = ffcl_habit_of(s->cfg->eval.like)->resize, .compiling = &s->compiling};
    int rc = 0;
    s->openings = calloc(s->n_devices, sizeof *s->openings);
    if (!s->openings)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %zu devices", s->n_devices);
    for (size_t i = 1; rc == 0 && i < s->n_devices; i++) {
        wants.device = &s->devices[i];
        rc = ffcl_opening_start(&s->openings[i], s->cfg, &wants, &s->observer, err);
    }
    if (rc)
        return rc;
    wants.device = &s->devices[0];
    rc = ffcl_engine_open(&s->engine, s->cfg, &wants, &s->observer, err);
    while (ffcl_worker_is_device_failure(rc) && s->n_devices > 1) {
        char text[1200];
        snprintf(text, sizeof text, "device %zu, %.100s, is left out: %.900s",
                 s->devices[0].index, s->devices[0].caps.name, err->text);
        ffcl_report(&s->observer, FFCL_PHASE_WARN, text, 0, 0);
        ffcl_opening_close(&s->openings[0]);
        s->n_devices--;
        memmove(s->devices, s->devices + 1, s->n_devices * sizeof *s->devices);
        memmove(s->openings, s->openings + 1, s->n_devices * sizeof *s->openings);
        s->openings[s->n_devices] = NULL;
        rc = ffcl_opening_wait(s->openings[0], &s->engine, err);
    }
    return rc;
}

static void report_cache(const ffcl_sampler *s)
{
    char text[500];
    if (ffcl_binary_unused(text, sizeof text))
        ffcl_report(&s->observer, FFCL_PHASE_WARN, text, 0, 0);
}

static int open_noise(ffcl_sampler *s, ffcl_error *err)
{
    const ffcl_config *cfg = s->cfg;
    const ffcl_sit_dims *d = ffcl_engine_sit(s->engine);
    const size_t batch = ffcl_engine_batch(s->engine);
    s->C = d->C;
    s->R = d->R;
    s->S = ffcl_engine_side(s->engine);
    s->spec = (ffcl_noise_spec){
        .rng = cfg->sampler.rng, .seed = cfg->sampler.seed, .threads = cfg->sampler.cuda_threads,
        .count = s->count, .each = s->C * s->R * s->R, .draw_batch = ffcl_config_draw_batch(cfg),
        .world = cfg->sampler.world, .kind = cfg->sampler.kind, .list = cfg->sampler.classes,
        .n_list = cfg->sampler.n_classes, .classes = d->classes,
        .later = ffcl_schedule_noises(cfg), .rows = cfg->sampler.noise_rows,
        .scale = ffcl_engine_noise_scale(s->engine)};
    s->ahead = malloc(batch * s->spec.each * sizeof *s->ahead);
    s->ahead_later = malloc(s->spec.later * batch * s->spec.each * sizeof *s->ahead_later + 1);
    s->ahead_y = malloc(batch * sizeof *s->ahead_y);
    s->index = malloc(batch * sizeof *s->index);
    if (!s->ahead || !s->ahead_later || !s->ahead_y || !s->index)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a batch of %zu", batch);
    return ffcl_noise_open(&s->noise, &s->spec, err);
}

int ffcl_sampler_open(ffcl_sampler **out, const ffcl_config *cfg, const ffcl_observer *obs,
                      ffcl_error *err)
{
    *out = NULL;
    ffcl_sampler *s = calloc(1, sizeof *s);
    if (!s)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sampler");
    if (obs)
        s->caller = *obs;
    s->began = ffcl_clock();
    s->observer = (ffcl_observer){report, s};
    pthread_mutex_init(&s->reporting, NULL);
    pthread_mutex_init(&s->compiling, NULL);
    int rc = ffcl_config_copy(&s->cfg, cfg, err);
    if (rc == 0)
        rc = ffcl_config_check(s->cfg, err);
    if (rc == 0 && strcmp(s->cfg->output.compare, "none") != 0)
        rc = ffcl_fail(err, FFCL_ECONFIG, "[output] compare is for the program ffcl, which makes a "
                       "grid of several samplers: a sampler of the library takes compare = none");
    if (rc == 0)
        rc = ffcl_address_space_check(ffcl_address_space_of_libraries(), "drivers and libraries",
                                      err);
    if (rc == 0)
        rc = ffcl_threads_check(err);
    if (rc == 0) {
        s->count = ffcl_config_count(s->cfg);
        rc = select_devices(s, err);
    }
    if (rc == 0)
        rc = ffcl_family_resolve(s->cfg, 0, err);
    if (rc == 0 && !s->cfg->is_dry &&
        (ffcl_config_keeps_samples(s->cfg) || ffcl_config_has_metadata(s->cfg)))
        rc = ffcl_hashes_start(&s->hashes, s->cfg, err);
    if (rc == 0 && s->cfg->profile.mode != FFCL_PROFILE_OFF)
        rc = ffcl_profile_open(&s->profile, s->cfg->profile.mode, err);
    if (rc == 0)
        rc = ffcl_run_evaluation_open(&s->evaluation, s->cfg, s->count, err);
    if (rc == 0)
        report_cache(s);
    if (rc == 0)
        rc = open_engines(s, err);
    if (rc == 0)
        ffcl_assumptions_report(s->engine, s->cfg, &s->observer);
    if (rc == 0)
        rc = open_noise(s, err);
    s->opened = ffcl_clock();
    if (rc)
        ffcl_sampler_close(&s);
    *out = s;
    return rc;
}

void ffcl_sampler_result(const ffcl_sampler *s, ffcl_result *out)
{
    const double now = s->ended > 0 ? s->ended : ffcl_clock();
    *out = (ffcl_result){.count = s->result.count, .kept = s->result.kept,
                         .generated = s->result.generated, .skipped = s->result.skipped,
                         .height = s->S, .width = s->S, .opening = s->opened - s->began,
                         .seconds = now - s->began, .n_devices = s->n_devices};
}

const char *ffcl_sampler_device(const ffcl_sampler *s, size_t i)
{
    return i < s->n_devices ? s->devices[i].caps.name : NULL;
}

void ffcl_sampler_close_engines(ffcl_sampler *s)
{
    ffcl_engine_close(&s->engine);
    for (size_t i = 0; s->openings && i < s->n_devices; i++)
        ffcl_opening_close(&s->openings[i]);
    free(s->openings);
    s->openings = NULL;
}

void ffcl_sampler_close(ffcl_sampler **s)
{
    if (!*s)
        return;
    ffcl_hashes_close(&(*s)->hashes);
    ffcl_noise_close(&(*s)->noise);
    ffcl_sampler_close_engines(*s);
    ffcl_run_evaluation_close(&(*s)->evaluation);
    pthread_mutex_destroy(&(*s)->reporting);
    pthread_mutex_destroy(&(*s)->compiling);
    ffcl_profile_close(&(*s)->profile);
    ffcl_config_close(&(*s)->cfg);
    free((*s)->devices);
    free((*s)->ahead);
    free((*s)->ahead_later);
    free((*s)->ahead_y);
    free((*s)->index);
    free(*s);
    *s = NULL;
}

void ffcl_sampler_shape(const ffcl_sampler *s, ffcl_shape_info *info)
{
    *info = (ffcl_shape_info){.count = s->count, .height = s->S, .width = s->S,
                              .batch = ffcl_engine_batch(s->engine), .channels = s->C,
                              .latent = s->R};
}

void ffcl_sampler_prepare_noise(ffcl_sampler *s, size_t first, size_t n)
{
    if (s->ahead_n == n && s->ahead_first == first)
        return;
    for (size_t i = 0; i < n; i++)
        s->index[i] = first + i;
    ffcl_noise_get(s->noise, s->index, n, s->ahead, s->ahead_y, s->ahead_later);
    s->ahead_first = first;
    s->ahead_n = n;
}

/* One batch: noise and labels made on the host, then the device's work. */
static int sample_batch(ffcl_sampler *s, size_t first, size_t n, uint8_t *rgb, ffcl_error *err)
{
    float *z = malloc(n * s->spec.each * sizeof *z);
    float *later = malloc(s->spec.later * n * s->spec.each * sizeof *later + 1);
    int32_t *y = malloc(n * sizeof *y);
    int rc = 0;
    if (!z || !later || !y) {
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for a batch of %zu", n);
        goto out;
    }
    ffcl_sampler_prepare_noise(s, first, n);
    memcpy(z, s->ahead, n * s->spec.each * sizeof *z);
    memcpy(y, s->ahead_y, n * sizeof *y);
    memcpy(later, s->ahead_later, s->spec.later * n * s->spec.each * sizeof *later);
    ffcl_step step = {.B = n, .z = z, .y = y, .noise = later, .bytes = rgb};
    rc = ffcl_engine_submit(s->engine, &step, err);
    if (rc == 0 && first + n < s->count)
        ffcl_sampler_prepare_noise(s, first + n, ffcl_min(n, s->count - first - n));
    if (rc == 0)
        rc = ffcl_engine_wait(s->engine, &step, err);
    if (rc == 0 && step.bad < n)
        rc = ffcl_fail(err, FFCL_ENUMERIC,
                       "image %zu (class %d) has a value that is not finite in its %s",
                       first + step.bad, (int)y[step.bad], step.bad_stage);
out:
    free(z);
    free(later);
    free(y);
    return rc;
}

int ffcl_sampler_draw(ffcl_sampler *s, size_t first, size_t n, uint8_t *rgb, ffcl_error *err)
{
    const size_t batch = ffcl_engine_batch(s->engine), image = s->S * s->S * 3;
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < n; at += batch)
        rc = sample_batch(s, first + at, ffcl_min(batch, n - at), rgb + at * image, err);
    return rc;
}

/* What was written, where, how long it took and what computed it: the last line of a run. */
static void report_end(const ffcl_sampler *s, double seconds)
{
    const ffcl_config *c = s->cfg;
    char text[900];
    size_t rank = 0, size = 1;
    ffcl_ranks_where(&rank, &size);
    if (rank)
        return;
    const size_t count = c->sampler.index == FFCL_ALL_RANKS ? s->count : 1;
    int n = snprintf(text, sizeof text, "%zu image%s of %zu x %zu", count, count == 1 ? "" : "s",
                     s->S, s->S);
    if (c->sampler.rank != FFCL_ALL_RANKS && c->sampler.world > 1)
        n = snprintf(text, sizeof text, "the share of rank %zu of %zu", c->sampler.rank,
                     c->sampler.world);
    const char *places[] = {c->output.grid, c->output.folder, c->output.npz};
    for (size_t i = 0, k = 0; i < 3; i++)
        if (places[i])
            n += snprintf(text + n, sizeof text - (size_t)n, "%s %.160s", k++ ? "," : " in",
                          places[i]);
    if (!places[0] && !places[1] && !places[2])
        n += snprintf(text + n, sizeof text - (size_t)n, ", of which none is kept");
    n += snprintf(text + n, sizeof text - (size_t)n, "; %.1f s", seconds);
    if (s->n_devices == 1)
        snprintf(text + n, sizeof text - (size_t)n, " on %.120s", s->devices[0].caps.name);
    else
        snprintf(text + n, sizeof text - (size_t)n, " on %zu devices", s->n_devices);
    ffcl_report(&s->observer, FFCL_PHASE_NOTE, text, 0, 0);
}

int ffcl_sampler_run(ffcl_sampler *s, ffcl_error *err)
{
    const ffcl_run_spec spec = {.cfg = s->cfg, .engine = s->engine, .openings = s->openings,
                                .devices = s->devices, .n_devices = s->n_devices,
                                .noise = &s->spec, .hashes = s->hashes, .observer = &s->observer,
                                .tally = s->evaluation.tally,
                                .not_evaluated = &s->evaluation.failed,
                                .network = s->evaluation.network, .stop = &s->stop,
                                .result = &s->result};
    const int rc = ffcl_run(&spec, err);
    s->ended = ffcl_clock();
    if (rc == 0)
        report_end(s, s->ended - s->began);
    return rc;
}

int ffcl_sampler_evaluate(ffcl_sampler *s, ffcl_evaluation *out, int *is_done, ffcl_error *err)
{
    *is_done = 0;
    if (!ffcl_config_evaluates(s->cfg))
        return 0;
    const char *precision = ffcl_engine_dtype(s->engine) == FFCL_F16 ? "half" : "float32";
    snprintf(s->evaluation.computed, sizeof s->evaluation.computed, "%s on %.200s", precision,
             s->n_devices == 1 ? s->devices[0].caps.name : "several devices");
    ffcl_sampler_close_engines(s);
    const ffcl_eval_setting setting = {s->cfg, s->S, &s->devices[s->result.sound],
                                       &s->observer, precision};
    return ffcl_run_evaluation_end(&s->evaluation, out, is_done, &setting, err);
}

int ffcl_sampler_profile(ffcl_sampler *s, ffcl_profile_visitor *visit, void *user,
                         ffcl_error *err)
{
    ffcl_profile_line *lines = NULL;
    size_t n = 0;
    if (!s->profile)
        return ffcl_fail(err, FFCL_EUSAGE, "the sampler was opened without a profile");
    int rc = ffcl_profile_table(s->profile, &lines, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        visit(user, &lines[i]);
    free(lines);
    if (rc == 0 && s->cfg->profile.trace)
        rc = ffcl_profile_trace(s->profile, s->cfg->profile.trace, err);
    return rc;
}

int ffcl_sampler_variants(ffcl_sampler *s, size_t i, char *text, size_t size, ffcl_error *err)
{
    ffcl_engine *engine = s->engine;
    if (i >= s->n_devices)
        return ffcl_fail(err, FFCL_EUSAGE, "the sampler has no device %zu", i);
    const int rc = i ? ffcl_opening_look(s->openings[i], &engine, err) : 0;
    return rc ? rc : ffcl_engine_variants(engine, text, size, err);
}

void ffcl_sampler_stop(ffcl_sampler *s)
{
    atomic_store(&s->stop, 1);
}
