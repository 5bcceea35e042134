/* SPDX-License-Identifier: MIT
 * ffcl bench model: SiT, VAE and the whole step by batch size, through the public API.  A step is
 * what a run does for a batch: noise (made while the device has the batch before), inputs to the
 * device, both models, bytes back on the host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include <cjson/cJSON.h>
#include "config.h"
#include "files/json.h"
#include "util.h"

enum { LEAST_REPEATS = 3, MOST_REPEATS = 10000, ROUNDS = 16 };

/* The parts of a step: its time by the host's clock, those of the models by the device's. */
enum { STEP, SIT, VAE, PARTS };
static const char *const stages[PARTS] = {"", "SiT", "VAE"};

typedef struct measured {
    size_t batch, repeats;
    double median[PARTS], spread[PARTS], least, most;   /* seconds; least and most of the step */
} measured;

typedef struct model_bench {
    const ffcl_bench_options *options;
    ffcl_config *cfg;
    ffcl_sampler *sampler;
    ffcl_shape_info shape;
    size_t next;                    /* index of the next image */
    uint8_t *rgb;                   /* (batch, height, width, 3) */
    double *times[PARTS];           /* (MOST_REPEATS) */
    measured results[FFCL_BENCH_MOST];
    size_t n;
} model_bench;

static void add_stage(void *user, const ffcl_profile_line *line)
{
    double *sums = user;
    for (int i = SIT; i < PARTS; i++)
        if (!strcmp(line->stage, stages[i]))
            sums[i] += line->seconds;
}

/* One step of B images; consecutive ones, as in a run. */
static int step(model_bench *m, size_t B, double took[PARTS], ffcl_error *err)
{
    double before[PARTS] = {0}, after[PARTS] = {0};
    if (m->next + 2 * B > m->shape.count)
        m->next = 0;
    int rc = ffcl_sampler_profile(m->sampler, add_stage, before, err);
    const double began = ffcl_clock();
    if (!rc)
        rc = ffcl_sampler_draw(m->sampler, m->next, B, m->rgb, err);
    took[STEP] = ffcl_clock() - began;
    if (!rc)
        rc = ffcl_sampler_profile(m->sampler, add_stage, after, err);
    for (int i = SIT; i < PARTS; i++)
        took[i] = after[i] - before[i];
    m->next += B;
    return rc;
}

static int measure(model_bench *m, size_t B, ffcl_error *err)
{
    const ffcl_bench_options *o = m->options;
    const double budget = o->seconds > 0 ? o->seconds : 3.0;
    double took[PARTS], started = 0;
    size_t n = 0, least = o->repeats ? o->repeats : LEAST_REPEATS;
    /* Two to warm up, as the first lays out memory and makes its noise beforehand; one where it
     * takes so long that it is its own warm-up. */
    int rc = step(m, B, took, err);
    if (!rc && took[STEP] < budget / 2)
        rc = step(m, B, took, err);
    for (started = ffcl_clock(); !rc && n < MOST_REPEATS; n++) {
        if (n >= least && (o->repeats || ffcl_clock() - started >= budget))
            break;
        rc = step(m, B, took, err);
        for (int i = 0; i < PARTS; i++)
            m->times[i][n] = took[i];
    }
    if (rc)
        return rc;
    measured *r = &m->results[m->n++];
    *r = (measured){.batch = B, .repeats = n};
    for (int i = 0; i < PARTS; i++)
        r->median[i] = ffcl_bench_median(m->times[i], n, &r->spread[i]);
    r->least = m->times[STEP][0];
    r->most = m->times[STEP][n - 1];
    return 0;
}

static int set(ffcl_config *cfg, ffcl_error *err, const char *key, size_t value)
{
    char text[64];
    snprintf(text, sizeof text, "%s=%zu", key, value);
    return ffcl_config_set(cfg, text, err);
}

/* The configuration, for batches up to `most` and as many images as the repeats go through. */
static int open_config(model_bench *m, ffcl_error *err)
{
    const ffcl_bench_options *o = m->options;
    size_t most = 0;
    int rc = ffcl_config_open(&m->cfg, o->ini, err);
    if (!rc)
        rc = ffcl_config_trials(m->cfg, FFCL_OWN_PROGRAM, err);
    if (!rc && *o->device && strcmp(o->device, "auto")) {
        char *text = ffcl_format("device.select=%s", o->device);
        rc = text ? ffcl_config_set(m->cfg, text, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the configuration");
        free(text);
    }
    for (size_t i = 0; !rc && i < o->n_assignments; i++)
        rc = ffcl_config_set(m->cfg, o->assignments[i], err);
    if (rc)
        return rc;
    for (size_t i = 0; i < o->n_batches; i++)
        most = ffcl_max(most, o->batches[i]);
    if (most)
        rc = set(m->cfg, err, "sampler.batch", most);
    /* Labels make no difference to the time, and a list of them need not be this long. */
    if (!rc)
        rc = ffcl_config_set(m->cfg, "sampler.classes=random", err);
    if (!rc)
        rc = set(m->cfg, err, "sampler.count", ROUNDS * (most ? most : 64));
    return rc ? rc : ffcl_config_profile(m->cfg, FFCL_PROFILE_STAGES, NULL, err);
}

static int open_sampler(model_bench *m, ffcl_progress *progress, ffcl_error *err)
{
    const ffcl_observer observer = {ffcl_progress_report, progress};
    int rc = open_config(m, err);
    if (!rc)
        rc = ffcl_sampler_open(&m->sampler, m->cfg, &observer, err);
    if (rc)
        return rc;
    ffcl_sampler_shape(m->sampler, &m->shape);
    m->rgb = malloc(m->shape.batch * m->shape.height * m->shape.width * 3);
    int is_short = !m->rgb;
    for (int i = 0; i < PARTS; i++) {
        m->times[i] = calloc(MOST_REPEATS, sizeof *m->times[i]);
        is_short |= !m->times[i];
    }
    return is_short ? ffcl_fail(err, FFCL_ENOMEM, "out of memory for timing") : 0;
}

static void print_result(const measured *r)
{
    printf("%5zu", r->batch);
    for (int i = 0; i < PARTS; i++)
        printf("%11.2f%6.1f%%", 1e3 * r->median[i], 100 * r->spread[i]);
    printf("%10.2f%9zu\n", (double)r->batch / r->median[STEP], r->repeats);
    fflush(stdout);
}

/* The batch sizes that were asked for, or powers of two up to what fits. */
static int measure_all(model_bench *m, int silent, ffcl_progress *progress, ffcl_error *err)
{
    const ffcl_bench_options *o = m->options;
    size_t batches[FFCL_BENCH_MOST], n = 0;
    int rc = 0;
    for (size_t i = 0; i < o->n_batches; i++)
        batches[n++] = o->batches[i];
    for (size_t B = 1; !o->n_batches && n < FFCL_BENCH_MOST && B <= m->shape.batch; B *= 2)
        batches[n++] = B;
    if (!silent)
        printf("%zu x %zu images\n%5s%11s%7s%11s%7s%11s%7s%10s%9s\n", m->shape.width,
               m->shape.height, "batch", "step ms", "+-", "SiT ms", "+-", "VAE ms", "+-",
               "images/s", "repeats");
    for (size_t i = 0; !rc && i < n; i++) {
        char text[40];
        snprintf(text, sizeof text, "batch %zu", batches[i]);
        if (batches[i] > m->shape.batch) {
            if (!silent)
                printf("%5zu does not fit\n", batches[i]);
            continue;
        }
        ffcl_progress_status(progress, text);
        rc = measure(m, batches[i], err);
        ffcl_progress_status(progress, "");
        if (!rc && !silent)
            print_result(&m->results[m->n - 1]);
    }
    return rc;
}

static int write_json(const model_bench *m, const ffcl_device *device, const char *date,
                      ffcl_error *err)
{
    static const char *const keys[PARTS][2] = {
        {"step_ms", "step_spread"}, {"sit_ms", "sit_spread"}, {"vae_ms", "vae_spread"}};
    cJSON *root = ffcl_bench_json_head("ffcl-bench-model", date, device, m->cfg->blas.backend, "");
    ffcl_json_add_text(root, "checkpoint", m->cfg->model.checkpoint);
    cJSON_AddNumberToObject(root, "width", (double)m->shape.width);
    cJSON_AddNumberToObject(root, "height", (double)m->shape.height);
    cJSON *cases = cJSON_AddArrayToObject(root, "cases");
    for (size_t i = 0; i < m->n; i++) {
        const measured *r = &m->results[i];
        cJSON *c = cJSON_CreateObject();
        cJSON_AddNumberToObject(c, "batch", (double)r->batch);
        cJSON_AddNumberToObject(c, "repeats", (double)r->repeats);
        for (int k = 0; k < PARTS; k++) {
            ffcl_bench_add_number(c, keys[k][0], 1e3 * r->median[k]);
            ffcl_bench_add_number(c, keys[k][1], r->spread[k]);
        }
        ffcl_bench_add_number(c, "min_ms", 1e3 * r->least);
        ffcl_bench_add_number(c, "max_ms", 1e3 * r->most);
        ffcl_bench_add_number(c, "images_s", (double)r->batch / r->median[STEP]);
        cJSON_AddItemToArray(cases, c);
    }
    return ffcl_bench_write_root(root, m->options->json, err);
}

static int write_csv(const model_bench *m, const ffcl_device *device, const char *date,
                     ffcl_error *err)
{
    char text[4096];
    int used = snprintf(text, sizeof text, "format,date,commit,device,width,height,batch,repeats,"
                        "step_ms,step_spread,sit_ms,sit_spread,vae_ms,vae_spread,min_ms,max_ms,"
                        "images_s\n");
    for (size_t i = 0; i < m->n; i++) {
        const measured *r = &m->results[i];
        used += snprintf(text + used, sizeof text - (size_t)used, "1,%s,%s,\"%s\",%zu,%zu,%zu,%zu,"
                         "%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n", date,
                         ffcl_bench_commit(), device->caps.name, m->shape.width, m->shape.height,
                         r->batch, r->repeats, 1e3 * r->median[STEP], r->spread[STEP],
                         1e3 * r->median[SIT], r->spread[SIT], 1e3 * r->median[VAE],
                         r->spread[VAE], 1e3 * r->least, 1e3 * r->most,
                         (double)r->batch / r->median[STEP]);
    }
    return ffcl_bench_write_text(m->options->csv, text, err);
}

int ffcl_bench_model(const ffcl_bench_options *o, ffcl_progress *progress, ffcl_error *err)
{
    model_bench m = {.options = o};
    ffcl_device device;
    char date[32];
    const int silent = (o->json && !strcmp(o->json, "-")) || (o->csv && !strcmp(o->csv, "-"));
    int rc = ffcl_bench_try_output(o->json, err);
    ffcl_bench_date(date, sizeof date);
    if (!rc)
        rc = ffcl_bench_try_output(o->csv, err);
    const double began = ffcl_clock();
    if (!rc)
        rc = open_sampler(&m, progress, err);
    if (!rc && !silent)
        printf("loaded in %.0f ms\n", 1e3 * (ffcl_clock() - began));
    if (!rc)
        rc = ffcl_device_select(&device, m.cfg->device.select, err);
    if (!rc)
        rc = measure_all(&m, silent, progress, err);
    if (!rc && o->json)
        rc = write_json(&m, &device, date, err);
    if (!rc && o->csv)
        rc = write_csv(&m, &device, date, err);
    ffcl_sampler_close(&m.sampler);
    ffcl_config_close(&m.cfg);
    for (int i = 0; i < PARTS; i++)
        free(m.times[i]);
    free(m.rgb);
    return rc;
}
