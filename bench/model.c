/* SPDX-License-Identifier: MIT
 * ffcl bench model: SiT, VAE and the whole step by batch size, through the public API.  A step is
 * what a run does for a batch: noise (made while the device has the batch before), inputs to the
 * device, both models, bytes back on the host. */
#include <limits.h>
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
    ffcl_bench_change change;       /* of the step, against an old one of this median */
    double old;
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
    size_t n, n_planned;
    struct cJSON *old;              /* of --compare; NULL: none */
    double before, others;          /* shares of the processors' time, as of kernels */
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

/* With the same batch and image size of the old run. */
static void compare(const model_bench *m, measured *r)
{
    const cJSON *c;
    if (!m->old)
        return;
    r->change = FFCL_CHANGE_NEW;
    if (ffcl_bench_number_of(m->old, "width") != (double)m->shape.width ||
        ffcl_bench_number_of(m->old, "height") != (double)m->shape.height)
        return;
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(m->old, "cases")) {
        if (ffcl_bench_number_of(c, "batch") != (double)r->batch)
            continue;
        r->old = 1e-3 * ffcl_bench_number_of(c, "step_ms");
        r->change = ffcl_bench_change_of(r->median[STEP], r->spread[STEP], r->old,
                                         ffcl_bench_number_of(c, "step_spread"));
    }
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
        if (n && ffcl_bench_is_stopped(o))
            break;
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
    compare(m, r);
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

enum { COLUMNS = 1 + 2 * PARTS + 2 };

static ffcl_table columns_of_results(void)
{
    static const char *const heads[PARTS] = {[STEP] = "step ms", [SIT] = "SiT ms",
                                             [VAE] = "VAE ms"};
    ffcl_table t = {.n = COLUMNS, .most = ffcl_help_columns(stdout, INT_MAX)};
    ffcl_column *c = t.column;
    *c++ = (ffcl_column){.head = "batch", .width = 5};
    for (int i = 0; i < PARTS; i++) {
        *c++ = (ffcl_column){.head = heads[i], .width = 7, .gap = 4};
        *c++ = (ffcl_column){.head = "+-", .width = 6, .gap = 1, .rank = 1};
    }
    *c++ = (ffcl_column){.head = "images/s", .width = 8, .gap = 2};
    *c = (ffcl_column){.head = "repeats", .width = 7, .gap = 2, .rank = 2};
    ffcl_table_fit(&t);
    return t;
}

static void print_result(const ffcl_table *table, const measured *r)
{
    char text[COLUMNS][24];
    const char *cells[COLUMNS];
    int n = 0;
    snprintf(text[n++], sizeof *text, "%zu", r->batch);
    for (int i = 0; i < PARTS; i++) {
        snprintf(text[n++], sizeof *text, "%.2f", 1e3 * r->median[i]);
        snprintf(text[n++], sizeof *text, "%.1f%%", 100 * r->spread[i]);
    }
    snprintf(text[n++], sizeof *text, "%.2f", (double)r->batch / r->median[STEP]);
    snprintf(text[n], sizeof *text, "%zu", r->repeats);
    for (int i = 0; i < COLUMNS; i++)
        cells[i] = text[i];
    ffcl_help_row(stdout, table, cells);
    if (r->change == FFCL_CHANGE_NEW)
        printf("      new\n");
    else if (r->change)
        ffcl_help_line(stdout, 6, "      step %.2f times as fast as the old %.2f ms: %s",
                       r->old / r->median[STEP], 1e3 * r->old, ffcl_bench_change_names[r->change]);
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
    const ffcl_table table = columns_of_results();
    if (!silent) {
        printf("%zu x %zu images\n", m->shape.width, m->shape.height);
        ffcl_help_row(stdout, &table, NULL);
    }
    m->n_planned = 0;
    for (size_t i = 0; i < n; i++)
        m->n_planned += batches[i] <= m->shape.batch;
    for (size_t i = 0; !rc && i < n && !ffcl_bench_is_stopped(o); i++) {
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
            print_result(&table, &m->results[m->n - 1]);
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
    ffcl_bench_add_number(root, "load_before", m->before);
    ffcl_bench_add_number(root, "other_load", m->others);
    if (m->n < m->n_planned)
        cJSON_AddNumberToObject(root, "stopped_before", (double)m->n_planned);
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
        if (r->change)
            ffcl_json_add_text(c, "change", ffcl_bench_change_names[r->change]);
        cJSON_AddItemToArray(cases, c);
    }
    return ffcl_bench_write_root(root, m->options->files[FFCL_BENCH_JSON], err);
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
        used += snprintf(text + used, sizeof text - (size_t)used, "%d,%s,%s,\"%s\",%zu,%zu,%zu,%zu,"
                         "%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g,%.6g\n", FFCL_BENCH_FORMAT,
                         date, ffcl_bench_commit(), device->caps.name, m->shape.width,
                         m->shape.height,
                         r->batch, r->repeats, 1e3 * r->median[STEP], r->spread[STEP],
                         1e3 * r->median[SIT], r->spread[SIT], 1e3 * r->median[VAE],
                         r->spread[VAE], 1e3 * r->least, 1e3 * r->most,
                         (double)r->batch / r->median[STEP]);
    }
    return ffcl_bench_write_text(m->options->files[FFCL_BENCH_CSV], text, err);
}

static int write_files(const model_bench *m, const ffcl_device *device, const char *date,
                       ffcl_error *err)
{
    const ffcl_bench_options *o = m->options;
    int rc = o->files[FFCL_BENCH_JSON] ? write_json(m, device, date, err) : 0;
    if (!rc && o->files[FFCL_BENCH_CSV])
        rc = write_csv(m, device, date, err);
    if (!rc && m->n < m->n_planned)
        rc = ffcl_bench_stopped(o, m->n, m->n_planned, "batch sizes", err);
    return rc;
}

/* What a table begins with. */
static void print_head(const model_bench *m, const ffcl_device *device, double seconds)
{
    if (device->caps.type & CL_DEVICE_TYPE_CPU)
        ffcl_bench_load_warn(m->before, 0);
    printf("loaded in %.0f ms\n", 1e3 * seconds);
    if (m->old && ffcl_bench_is_other_device(device, m->old))
        ffcl_help_line(stdout, 2, "%s is of another device or driver", m->options->compare);
    if (m->old && strcmp(ffcl_bench_text_of(m->old, "checkpoint"), m->cfg->model.checkpoint))
        ffcl_help_line(stdout, 2, "%s is of another checkpoint", m->options->compare);
}

int ffcl_bench_model(const ffcl_bench_options *o, ffcl_progress *progress, ffcl_error *err)
{
    model_bench m = {.options = o, .before = ffcl_bench_load_now()};
    ffcl_device device = {0};
    ffcl_bench_load load;
    char date[32];
    const int silent = ffcl_bench_is_silent(o);
    int rc = ffcl_bench_try_outputs(o, err);
    ffcl_bench_date(date, sizeof date);
    if (!rc && o->compare)
        rc = ffcl_bench_read_json(&m.old, "ffcl-bench-model", o->compare, err);
    const double began = ffcl_clock();
    if (!rc)
        rc = open_sampler(&m, progress, err);
    if (!rc)
        rc = ffcl_device_select(&device, m.cfg->device.select, err);
    if (!rc && !silent)
        print_head(&m, &device, ffcl_clock() - began);
    ffcl_bench_load_start(&load);
    if (!rc)
        rc = measure_all(&m, silent, progress, err);
    m.others = ffcl_bench_load_of_others(&load);
    if (!rc && !silent && device.caps.type & CL_DEVICE_TYPE_CPU)
        ffcl_bench_load_warn(m.others, 1);
    if (!rc)
        rc = write_files(&m, &device, date, err);
    ffcl_sampler_close(&m.sampler);
    ffcl_config_close(&m.cfg);
    cJSON_Delete(m.old);
    for (int i = 0; i < PARTS; i++)
        free(m.times[i]);
    free(m.rgb);
    return rc;
}
