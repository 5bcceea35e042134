/* SPDX-License-Identifier: MIT
 * Results as JSON and CSV, and an old JSON to compare with.  docs/bench.md has the formats. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "build_info.h"
#include <cjson/cJSON.h>
#include "files/atomic.h"
#include "files/input.h"
#include "files/json.h"
#include "util.h"

enum { FORMAT_VERSION = 1 };

static const char *const status_names[] = {"ok", "failed", "skipped"};
static const char *const roof_keys[FFCL_BENCH_ROOFS] = {"memory", "float32", "matrix"};
static const char *const change_names[] = {"", "same", "faster", "slower", "new"};

void ffcl_bench_date(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

const char *ffcl_bench_commit(void)
{
    return FFCL_BUILD_COMMIT;
}

int ffcl_bench_try_output(const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    if (!path || !strcmp(path, "-"))
        return 0;
    int rc = ffcl_atomic_open(&file, path, err);
    ffcl_atomic_discard(&file);
    return rc;
}

int ffcl_bench_write_text(const char *path, const char *text, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    if (!strcmp(path, "-")) {
        fputs(text, stdout);
        return 0;
    }
    int rc = ffcl_atomic_open(&file, path, err);
    if (!rc)
        rc = ffcl_atomic_write(&file, text, strlen(text), err);
    if (!rc)
        return ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    return rc;
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* Six digits are more than a time has. */
void ffcl_bench_add_number(cJSON *to, const char *key, double value)
{
    char text[40];
    snprintf(text, sizeof text, "%.6g", value);
    cJSON_AddRawToObject(to, key, text);
}

cJSON *ffcl_bench_json_head(const char *kind, const char *date, const ffcl_device *device,
                            const char *blas, const char *unit)
{
    const ffcl_caps *caps = &device->caps;
    cJSON *root = cJSON_CreateObject();
    ffcl_json_add_text(root, "format", kind);
    cJSON_AddNumberToObject(root, "version", FORMAT_VERSION);
    ffcl_json_add_text(root, "date", date);
    ffcl_json_add_text(root, "ffcl", FFCL_VERSION);
    ffcl_json_add_text(root, "commit", FFCL_BUILD_COMMIT);
    cJSON *d = cJSON_AddObjectToObject(root, "device");
    ffcl_json_add_text(d, "name", caps->name);
    ffcl_json_add_text(d, "type", ffcl_device_kind(caps));
    ffcl_json_add_text(d, "platform", caps->platform);
    ffcl_json_add_text(d, "driver", caps->driver);
    ffcl_json_add_text(d, "opencl", caps->version);
    cJSON_AddNumberToObject(d, "units", caps->units);
    cJSON *l = cJSON_AddObjectToObject(root, "libraries");
    ffcl_json_add_text(l, "clblast", FFCL_BUILD_CLBLAST);
    ffcl_json_add_text(root, "blas", blas);
    ffcl_json_add_text(root, "engine", unit);
    return root;
}

static cJSON *result_json(const ffcl_bench_result *r)
{
    char shape[256];
    cJSON *c = cJSON_CreateObject();
    ffcl_row_text(r->what.row, &r->what.shape, shape, sizeof shape);
    ffcl_json_add_text(c, "kernel", r->what.row->name);
    ffcl_json_add_text(c, "shape", shape);
    ffcl_json_add_text(c, "what", r->what.role);
    ffcl_json_add_text(c, "status", status_names[r->status]);
    if (r->status != FFCL_BENCH_OK) {
        ffcl_json_add_text(c, "reason", r->reason);
        return c;
    }
    ffcl_bench_add_number(c, "median_ms", 1e3 * r->median);
    ffcl_bench_add_number(c, "min_ms", 1e3 * r->least);
    ffcl_bench_add_number(c, "spread", r->spread);
    cJSON_AddNumberToObject(c, "repeats", (double)r->repeats);
    ffcl_bench_add_number(c, "gflop", 1e-9 * r->cost.flops);
    ffcl_bench_add_number(c, "mb", 1e-6 * r->cost.bytes);
    ffcl_bench_add_number(c, "gflop_s", 1e-9 * r->cost.flops / r->median);
    ffcl_bench_add_number(c, "gb_s", 1e-9 * r->cost.bytes / r->median);
    ffcl_json_add_text(c, "ceiling", roof_keys[r->roof]);
    ffcl_bench_add_number(c, "share", r->share);
    ffcl_json_add_text(c, "variant", r->variant);
    if (r->change != FFCL_CHANGE_NONE)
        ffcl_json_add_text(c, "change", change_names[r->change]);
    return c;
}

int ffcl_bench_write_root(cJSON *root, const char *path, ffcl_error *err)
{
    char *text = cJSON_Print(root);
    char *line = text ? ffcl_format("%s\n", text) : NULL;
    cJSON_Delete(root);
    free(text);
    int rc = line ? ffcl_bench_write_text(path, line, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    free(line);
    return rc;
}

int ffcl_bench_write_json(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    cJSON *root = ffcl_bench_json_head("ffcl-bench", report->date, report->device, report->blas,
                                       report->unit);
    cJSON_AddNumberToObject(root, "seed", (double)report->options->seed);
    ffcl_bench_add_number(root, "seconds", report->options->seconds);
    cJSON_AddNumberToObject(root, "rounds", (double)report->options->rounds);
    ffcl_bench_add_number(root, "other_load", report->others);
    cJSON *ceilings = cJSON_AddObjectToObject(root, "ceilings");
    for (int i = 0; i < FFCL_BENCH_ROOFS; i++) {
        if (report->roofs[i] <= 0)
            continue;
        cJSON *c = cJSON_AddObjectToObject(ceilings, roof_keys[i]);
        ffcl_bench_add_number(c, i == FFCL_ROOF_COPY ? "gb_s" : "gflop_s", 1e-9 * report->roofs[i]);
        ffcl_json_add_text(c, "by", report->roof_names[i]);
    }
    cJSON *cases = cJSON_AddArrayToObject(root, "cases");
    for (size_t i = 0; i < report->n; i++)
        cJSON_AddItemToArray(cases, result_json(&report->results[i]));
    return ffcl_bench_write_root(root, path, err);
}

/* ---- CSV ---------------------------------------------------------------------------------- */

/* A field in quotes. */
static void put_field(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++)
        fprintf(f, *text == '"' ? "\"\"" : "%c", *text);
    fputs("\",", f);
}

static void put_result(FILE *f, const ffcl_bench_report *report, const ffcl_bench_result *r)
{
    char shape[256];
    ffcl_row_text(r->what.row, &r->what.shape, shape, sizeof shape);
    fprintf(f, "%d,", FORMAT_VERSION);
    put_field(f, report->date);
    put_field(f, FFCL_BUILD_COMMIT);
    put_field(f, report->device->caps.name);
    put_field(f, report->device->caps.driver);
    put_field(f, r->what.row->name);
    put_field(f, shape);
    put_field(f, r->what.role);
    put_field(f, status_names[r->status]);
    if (r->status == FFCL_BENCH_OK)
        fprintf(f, "%.6g,%.6g,%.6g,%zu,%.6g,%.6g,%.6g,%.6g,%s,%.6g,", 1e3 * r->median,
                1e3 * r->least, r->spread, r->repeats, 1e-9 * r->cost.flops,
                1e-6 * r->cost.bytes, 1e-9 * r->cost.flops / r->median,
                1e-9 * r->cost.bytes / r->median, roof_keys[r->roof], r->share);
    else
        fputs(",,,,,,,,,,", f);
    put_field(f, r->reason);
    fprintf(f, "%s,%s\n", change_names[r->change],
            r->status == FFCL_BENCH_OK ? r->variant : "");
}

int ffcl_bench_write_csv(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    fputs("format,date,commit,device,driver,kernel,shape,what,status,median_ms,min_ms,spread,"
          "repeats,gflop,mb,gflop_s,gb_s,ceiling,share,reason,change,variant\n", f);
    for (size_t i = 0; i < report->n; i++)
        put_result(f, report, &report->results[i]);
    fclose(f);
    int rc = text ? ffcl_bench_write_text(path, text, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    free(text);
    return rc;
}

/* ---- an old JSON -------------------------------------------------------------------------- */

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

static double number_of(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN;
}

int ffcl_bench_read_json(cJSON **out, const char *path, ffcl_error *err)
{
    enum { MOST = 64 << 20 };
    char *text = NULL;
    size_t n = 0;
    int rc = ffcl_input_read(&text, &n, path, MOST, err);
    *out = NULL;
    if (!rc)
        rc = ffcl_json_parse(out, text, n, NULL, path, err);
    if (!rc || rc == FFCL_EFORMAT) {
        if (!*out || strcmp(text_of(*out, "format"), "ffcl-bench"))
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s is not what ffcl bench --json writes", path);
        else if (number_of(*out, "version") != FORMAT_VERSION)
            rc = ffcl_fail(err, FFCL_EFORMAT, "%s has version %g of the format, and this ffcl "
                           "reads version %d", path, number_of(*out, "version"), FORMAT_VERSION);
    }
    if (rc) {
        cJSON_Delete(*out);
        *out = NULL;
    }
    free(text);
    return rc;
}

static const cJSON *find_case(const cJSON *old, const ffcl_bench_case *what)
{
    const cJSON *c;
    char shape[256];
    ffcl_row_text(what->row, &what->shape, shape, sizeof shape);
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(old, "cases")) {
        if (!strcmp(text_of(c, "kernel"), what->row->name) && !strcmp(text_of(c, "shape"), shape))
            return c;
    }
    return NULL;
}

int ffcl_bench_is_other(const ffcl_bench_report *report, const cJSON *old)
{
    const cJSON *device = cJSON_GetObjectItemCaseSensitive(old, "device");
    return strcmp(text_of(device, "name"), report->device->caps.name) ||
           strcmp(text_of(device, "driver"), report->device->caps.driver);
}

/* Beyond the spread: medians differ by more than both spreads together, as independent errors add
 * up, and by more than the clock resolves. */
void ffcl_bench_compare(const cJSON *old, ffcl_bench_result *r)
{
    static const double clock_step = 1e-6, least_spread = 0.01;
    if (r->status != FFCL_BENCH_OK)
        return;
    const cJSON *c = find_case(old, &r->what);
    const double median = 1e-3 * number_of(c, "median_ms"), spread = number_of(c, "spread");
    if (!c || !isfinite(median) || !isfinite(spread)) {
        r->change = FFCL_CHANGE_NEW;
        return;
    }
    const double both = hypot(fmax(spread, least_spread) * median,
                              fmax(r->spread, least_spread) * r->median);
    r->old = median;
    r->change = fabs(r->median - median) <= fmax(both, clock_step) ? FFCL_CHANGE_SAME
                : r->median < median                               ? FFCL_CHANGE_FASTER
                                                                   : FFCL_CHANGE_SLOWER;
}

void ffcl_bench_compare_rest(ffcl_bench_report *report, const cJSON *old)
{
    const cJSON *c;
    char shape[256];
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(old, "cases")) {
        size_t i = 0;
        if (strcmp(text_of(c, "status"), "ok") ||
            !ffcl_row_matches(report->options->pattern, text_of(c, "kernel")))
            continue;
        for (; i < report->n; i++) {
            const ffcl_bench_case *w = &report->results[i].what;
            ffcl_row_text(w->row, &w->shape, shape, sizeof shape);
            if (!strcmp(text_of(c, "kernel"), w->row->name) && !strcmp(text_of(c, "shape"), shape))
                break;
        }
        report->gone += i == report->n;
    }
}
