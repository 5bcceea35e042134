/* SPDX-License-Identifier: MIT
 * ffcl report: gathers the parts, writes them as text or JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cl/profile.h"
#include "files/atomic.h"
#include "files/ending.h"
#include "files/json.h"
#include "gemm.h"
#include "report.h"
#include "selfcheck/choice.h"
#include "selfcheck/numbers.h"
#include "util.h"
#include <cjson/cJSON.h>

enum { FORMAT_VERSION = 1 };

static const char *text_of(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsString(item) ? item->valuestring : "";
}

static double number_of(const cJSON *o, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);
    return cJSON_IsNumber(item) ? item->valuedouble : 0.0;
}

/* The list under a heading; nothing where it is not there yet. */
static void print_lines(FILE *f, const char *heading, const cJSON *list)
{
    const cJSON *line;
    if (list && *heading)
        fprintf(f, "\n  %s\n", heading);
    cJSON_ArrayForEach(line, list) {
        fprintf(f, "    %s\n", cJSON_IsString(line) ? line->valuestring : "");
    }
}

static void print_bench(FILE *f, const cJSON *b)
{
    const cJSON *c;
    fprintf(f, "\n  times (256 x 256, batch 1)\n");
    print_lines(f, "", cJSON_GetObjectItemCaseSensitive(b, "failures"));
    fprintf(f, "    memory %.1f GB/s, float32 %.1f GFLOP/s\n", number_of(b, "memory_gb_s"),
            number_of(b, "float32_gflop_s"));
    cJSON_ArrayForEach(c, cJSON_GetObjectItemCaseSensitive(b, "cases")) {
        fprintf(f, "    %-28s %-24s %-20s %9.3f ms %4.0f %%  %s\n", text_of(c, "kernel"),
                text_of(c, "role"), text_of(c, "variant"), number_of(c, "ms"),
                100.0 * number_of(c, "share"), text_of(c, "shape"));
    }
}

static void print_device(FILE *f, const cJSON *d)
{
    const cJSON *k = cJSON_GetObjectItemCaseSensitive(d, "kernels");
    const cJSON *b = cJSON_GetObjectItemCaseSensitive(d, "bench");
    fprintf(f, "\n%s\n", text_of(d, "name"));
    print_lines(f, "device", cJSON_GetObjectItemCaseSensitive(d, "lines"));
    fprintf(f, "    OpenCL C: %s\n    extensions: %s\n", text_of(d, "opencl_c"),
            text_of(d, "extensions"));
    print_lines(f, "self-check", cJSON_GetObjectItemCaseSensitive(d, "selfcheck"));
    if (k) {
        fprintf(f, "\n  kernel rows, %s shapes\n    %.0f passed, %.0f failed, %.0f skipped\n",
                text_of(k, "shapes"), number_of(k, "passed"), number_of(k, "failed"),
                number_of(k, "skipped"));
        print_lines(f, "", cJSON_GetObjectItemCaseSensitive(k, "failures"));
    }
    if (b)
        print_bench(f, b);
    print_lines(f, "memory plans", cJSON_GetObjectItemCaseSensitive(d, "plans"));
    print_lines(f, "not done", cJSON_GetObjectItemCaseSensitive(d, "failures"));
    if (text_of(d, "now")[0])
        fprintf(f, "\n  the report ends here, in: %s\n", text_of(d, "now"));
}

static char *as_text(const cJSON *root)
{
    char *text = NULL;
    size_t size = 0;
    const cJSON *d;
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return NULL;
    fprintf(f, "ffcl report %d\nffcl %s, commit %s\n%s\n", FORMAT_VERSION, text_of(root, "ffcl"),
            text_of(root, "commit"), text_of(root, "date"));
    cJSON_ArrayForEach(d, cJSON_GetObjectItemCaseSensitive(root, "devices")) {
        print_device(f, d);
    }
    return fclose(f) ? NULL : text;
}

/* All that there is so far: a driver that ends the process does not take it along. */
static int save(const cJSON *root, const char *path, int json, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    char *text = json ? cJSON_Print(root) : as_text(root);
    if (!text)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the report");
    int rc = 0;
    if (strcmp(path, "-") == 0) {
        if (json)
            fputs(text, stdout);
        else
            ffcl_help_text(stdout, text);
        if (json)
            putchar('\n');
    } else {
        rc = ffcl_atomic_open(&file, path, err);
        if (!rc)
            rc = ffcl_atomic_write(&file, text, strlen(text), err);
        if (!rc)
            rc = ffcl_atomic_commit(&file, err);
        ffcl_atomic_discard(&file);
    }
    free(text);
    return rc;
}

typedef struct reporter {
    cJSON *root, *device;
    const char *path, *pattern;
    int json, all;
    const ffcl_observer *obs;
    ffcl_error *err;
} reporter;

/* Saves, with a word on what comes now. */
static int begin(const reporter *r, const char *part)
{
    ffcl_error *err = r->err;
    cJSON_DeleteItemFromObject(r->device, "now");
    if (*part)
        cJSON_AddStringToObject(r->device, "now", part);
    return strcmp(r->path, "-") == 0 ? 0 : save(r->root, r->path, r->json, err);
}

static int report_kernels(const reporter *r, const ffcl_device *device)
{
    ffcl_error err = {0, ""};
    ffcl_ctx *ctx = NULL;
    ffcl_profile *profile = NULL;
    int saved = begin(r, "kernel rows");
    int rc = ffcl_profile_open(&profile, FFCL_PROFILE_COMMANDS, &err);
    if (!rc)
        rc = ffcl_ctx_open(&ctx, device, r->obs, profile, &err);
    if (!rc) {
        ctx->err = &err;
        rc = ffcl_choose_gemms(ctx, &(ffcl_choice){.backend = "auto", .tuning = "auto"});
    }
    if (!rc && !saved) {
        ffcl_selfcheck_numbers(ctx);
        ffcl_report_rows(r->device, ctx, r->pattern, r->all, r->obs);
        saved = begin(r, "times");
        ffcl_report_bench(r->device, ctx, r->pattern);
    }
    if (rc) {
        ffcl_report_scrub(err.text);
        cJSON *list = cJSON_AddArrayToObject(r->device, "failures");
        cJSON_AddItemToArray(list, cJSON_CreateString(err.text));
    }
    if (ctx)
        ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
    ffcl_profile_close(&profile);
    return saved;
}

static int report_device(reporter *r, const ffcl_config *cfg, const ffcl_device *device)
{
    ffcl_config *own = NULL;
    char select[48];
    r->device = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_GetObjectItemCaseSensitive(r->root, "devices"), r->device);
    ffcl_report_caps(r->device, device);
    snprintf(select, sizeof select, "device.select=%zu", device->index);
    int rc = ffcl_config_copy(&own, cfg, r->err);
    if (!rc)
        rc = ffcl_config_set(own, select, r->err);
    if (!rc)
        rc = begin(r, "self-check");
    if (!rc) {
        ffcl_report_selfcheck(r->device, own, r->obs);
        rc = report_kernels(r, device);
    }
    if (!rc)
        rc = begin(r, "memory plans");
    if (!rc) {
        ffcl_report_plans(r->device, own, device);
        rc = begin(r, "");
    }
    ffcl_config_close(&own);
    return rc;
}

/* Nothing is left to do: what there is was saved part by part. */
static void report_stop(void *user)
{
    (void)user;
}

static int check_pattern(const char *pattern, ffcl_error *err)
{
    const ffcl_row *row;
    for (size_t i = 0; (row = ffcl_row_at(i)); i++)
        if (ffcl_row_matches(pattern, row->name))
            return 0;
    return ffcl_fail(err, FFCL_EUSAGE, "no kernel matches %.200s; ffcl bench --list shows them",
                     pattern);
}

static int run_report(ffcl_session *s)
{
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    reporter r = {.path = ffcl_option_text(s, "output"), .obs = &observer, .err = &s->err};
    const char *select = ffcl_option_text(s, "device");
    ffcl_config *cfg = NULL;
    ffcl_device *list = NULL;
    size_t n = 0;
    char date[32];
    r.pattern = ffcl_option_text(s, "op") ? ffcl_option_text(s, "op") : "";
    r.json = ffcl_option_text(s, "json") != NULL;
    r.all = ffcl_option_text(s, "all") != NULL;
    if (!r.path)
        r.path = r.json ? "ffcl-report.json" : "ffcl-report.txt";
    int rc = s->n_words == 1 && !ffcl_option_text(s, "output")
                 ? ffcl_bad_usage(s, "the file is an option: -o", s->words[0])
                 : ffcl_take_nothing(s);
    if (!rc)
        rc = ffcl_check_ending("-o", strcmp(r.path, "-") ? r.path : NULL,
                               r.json ? ".json" : ".txt", r.json ? "JSON" : "text", FFCL_EUSAGE,
                               &s->err);
    if (!rc && !s->progress.quiet)
        s->interrupt.parting = strcmp(r.path, "-")
            ? "\nffcl: stopped: the report so far is kept and says where it ends; the same command "
              "begins anew\n"
            : "\nffcl: stopped: nothing was written\n";
    if (!rc)
        rc = ffcl_interrupt_watch(&s->interrupt, report_stop, NULL, &s->err);
    if (!rc)
        rc = ffcl_rows_check(&s->err);
    if (!rc)
        rc = check_pattern(r.pattern, &s->err);
    if (!rc)
        rc = ffcl_open_config(s, &cfg, NULL, 0, 0);
    if (!rc)
        rc = ffcl_device_select_all(&list, &n, select ? select : "all", &s->err);
    r.root = cJSON_CreateObject();
    ffcl_bench_date(date, sizeof date);
    date[10] = '\0';            /* the day */
    cJSON_AddStringToObject(r.root, "format", "ffcl-report");
    cJSON_AddNumberToObject(r.root, "version", FORMAT_VERSION);
    cJSON_AddStringToObject(r.root, "ffcl", FFCL_VERSION);
    cJSON_AddStringToObject(r.root, "commit", ffcl_bench_commit());
    cJSON_AddStringToObject(r.root, "date", date);
    cJSON_AddArrayToObject(r.root, "devices");
    for (size_t i = 0; !rc && i < n; i++)
        rc = report_device(&r, cfg, &list[i]);
    ffcl_progress_end(&s->progress);
    if (!rc && strcmp(r.path, "-") == 0)
        rc = save(r.root, r.path, r.json, &s->err);
    else if (!rc)
        ffcl_help_line(stdout, 0, "%s: please read it, and attach it to an issue", r.path);
    cJSON_Delete(r.root);
    free(list);
    ffcl_config_close(&cfg);
    return rc;
}

static const ffcl_option options[] = {
    {"json", 0, NULL, "write JSON in place of text", NULL},
    {"output", 'o', "FILE", "where to; - is stdout (ffcl-report.txt, or .json)", NULL},
    {"device", 0, "SELECT", "as device.select of an INI file (all)", NULL},
    {"op", 0, "PATTERN", "these kernels alone, as ffcl bench takes it", NULL},
    {"all", 0, NULL, "every shape of every kernel, which takes minutes", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_report_command = {
    .name = "report", .summary = "write what works here, and how fast, to a file",
    .usage = "report [--json] [-o FILE]\n",
    .options = options,
    .help = "Devices, driver versions, extensions, self-checks, kernels against their\n"
            "references, a short benchmark, memory plans. No name of a person or a machine\n"
            "and no path is in it. It takes a few minutes.\n",
    .run = run_report,
};
