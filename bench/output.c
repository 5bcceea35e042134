/* SPDX-License-Identifier: MIT
 * Results as JSON and CSV.  docs/bench.md has the formats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "build_info.h"
#include <cjson/cJSON.h>
#include "files/atomic.h"
#include "files/json.h"
#include "util.h"

enum { FORMAT_VERSION = FFCL_BENCH_FORMAT };

static const char *const status_names[] = {"ok", "failed", "skipped"};
static const char *const roof_keys[FFCL_BENCH_ROOFS] = {"memory", "float32", "matrix"};

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

int ffcl_bench_try_outputs(const ffcl_bench_options *o, ffcl_error *err)
{
    int rc = 0;
    for (int i = 0; !rc && i < FFCL_BENCH_FILES; i++) {
        ffcl_atomic_file file = {0};
        if (!o->files[i] || !strcmp(o->files[i], "-"))
            continue;
        rc = ffcl_atomic_open(&file, o->files[i], err);
        ffcl_atomic_discard(&file);
    }
    return rc;
}

int ffcl_bench_is_silent(const ffcl_bench_options *o)
{
    for (int i = 0; i < FFCL_BENCH_FILES; i++)
        if (o->files[i] && !strcmp(o->files[i], "-"))
            return 1;
    return 0;
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
    ffcl_json_add_text(root, "matrix_unit", unit);
    return root;
}

/* {"M": 64, "N": 3456}, in the letters of the row. */
static void add_shape(cJSON *to, const ffcl_row *row, const ffcl_shape *shape)
{
    cJSON *numbers = cJSON_AddObjectToObject(to, "shape");
    const char *letter = row->letters;
    char name[24];
    for (size_t i = 0; *letter && i < FFCL_MAX_DIMS; i++) {
        const size_t length = strcspn(letter, " ");
        snprintf(name, sizeof name, "%.*s", (int)length, letter);
        cJSON_AddNumberToObject(numbers, name, (double)shape->d[i]);
        letter += length + (letter[length] == ' ');
    }
}

cJSON *ffcl_bench_result_json(const ffcl_bench_result *r)
{
    cJSON *c = cJSON_CreateObject();
    ffcl_json_add_text(c, "kernel", r->what.row->name);
    add_shape(c, r->what.row, &r->what.shape);
    ffcl_json_add_text(c, "precision", r->what.row->dtype == FFCL_F16 ? "half" : "float32");
    ffcl_json_add_text(c, "what", r->what.role);
    ffcl_json_add_text(c, "status", status_names[r->status]);
    if (r->status != FFCL_BENCH_OK) {
        ffcl_json_add_text(c, "reason", r->reason);
        return c;
    }
    cJSON_AddBoolToObject(c, "checked", r->is_checked);
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
        ffcl_json_add_text(c, "change", ffcl_bench_change_names[r->change]);
    if (r->old > 0)
        ffcl_bench_add_number(c, "old_ms", 1e3 * r->old);
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

cJSON *ffcl_bench_head_json(const ffcl_bench_report *report)
{
    cJSON *root = ffcl_bench_json_head("ffcl-bench", report->date, report->device, report->blas,
                                       report->unit);
    cJSON_AddNumberToObject(root, "seed", (double)report->options->seed);
    ffcl_bench_add_number(root, "seconds", report->options->seconds);
    cJSON_AddNumberToObject(root, "rounds", (double)report->options->rounds);
    ffcl_bench_add_number(root, "load_before", report->before);
    ffcl_bench_add_number(root, "other_load", report->others);
    if (report->n < report->n_planned)
        cJSON_AddNumberToObject(root, "stopped_before", (double)report->n_planned);
    if (report->old_name)
        ffcl_json_add_text(root, "compared_with", report->old_name);
    cJSON *ceilings = cJSON_AddObjectToObject(root, "ceilings");
    for (int i = 0; i < FFCL_BENCH_ROOFS; i++) {
        if (report->roofs[i] <= 0)
            continue;
        cJSON *c = cJSON_AddObjectToObject(ceilings, roof_keys[i]);
        ffcl_bench_add_number(c, i == FFCL_ROOF_COPY ? "gb_s" : "gflop_s", 1e-9 * report->roofs[i]);
        ffcl_json_add_text(c, "by", report->roof_names[i]);
    }
    return root;
}

static cJSON *report_json(const ffcl_bench_report *report)
{
    cJSON *root = ffcl_bench_head_json(report);
    cJSON *cases = cJSON_AddArrayToObject(root, "cases");
    for (size_t i = 0; i < report->n; i++)
        cJSON_AddItemToArray(cases, ffcl_bench_result_json(&report->results[i]));
    return root;
}

char *ffcl_bench_json_text(const ffcl_bench_report *report)
{
    cJSON *root = report_json(report);
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

int ffcl_bench_write_json(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    return ffcl_bench_write_root(report_json(report), path, err);
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
    fprintf(f, "%s,%s\n", ffcl_bench_change_names[r->change],
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
