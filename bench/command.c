/* SPDX-License-Identifier: MIT
 * The command line of ffcl bench, and the run over all cases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include <cjson/cJSON.h>
#include "cl/profile.h"
#include "gemm.h"
#include "selfcheck/choice.h"
#include "selfcheck/numbers.h"

/* "1,8,64": whole numbers, multiples of step, at most FFCL_BENCH_MOST of them. */
static int parse_list(const char *text, size_t *out, size_t *n, size_t step, ffcl_session *s)
{
    const char *at = text;
    for (*n = 0; *n < FFCL_BENCH_MOST; at++) {
        char *end;
        unsigned long long value = strtoull(at, &end, 10);
        if (end == at || *at == '-' || value == 0 || value > 4096 || value % step)
            break;
        out[(*n)++] = (size_t)value;
        at = end;
        if (!*at)
            return 0;
        if (*at != ',')
            break;
    }
    return ffcl_bad_usage(s, step > 1 ? "--sizes takes multiples of 16 up to 4096, such as "
                                        "256,512, not"
                                      : "--batches takes numbers such as 1,8, not", text);
}

static int take_options(ffcl_session *s, ffcl_bench_options *o)
{
    const char *sizes = ffcl_option_text(s, "sizes"), *batches = ffcl_option_text(s, "batches");
    const char *device = ffcl_option_text(s, "device"), *backend = ffcl_option_text(s, "backend");
    const char *seed = ffcl_option_text(s, "seed");
    char *end;
    o->list = ffcl_option_text(s, "list") != NULL;
    o->quick = ffcl_option_text(s, "quick") != NULL;
    o->device = device ? device : "auto";
    o->backend = backend ? backend : "";
    o->json = ffcl_option_text(s, "json");
    o->csv = ffcl_option_text(s, "csv");
    o->plot = ffcl_option_text(s, "plot");
    o->compare = ffcl_option_text(s, "compare");
    o->seed = seed ? strtoull(seed, &end, 10) : 1;
    int rc = seed && (end == seed || *end) ?
        ffcl_bad_usage(s, "--seed must be a whole number, not", seed) : 0;
    if (!rc && sizes)
        rc = parse_list(sizes, o->sizes, &o->n_sizes, 16, s);
    if (!rc && batches)
        rc = parse_list(batches, o->batches, &o->n_batches, 1, s);
    if (!rc)
        rc = ffcl_option_count(s, "repeats", 10000, &o->repeats);
    if (!rc)
        rc = ffcl_option_count(s, "rounds", FFCL_BENCH_MOST, &o->rounds);
    return rc ? rc : ffcl_option_number(s, "seconds", &o->seconds);
}

/* PATTERN, or model and what belongs to it. */
static int take_words(ffcl_session *s, ffcl_bench_options *o)
{
    size_t next = 0;
    o->model = next < s->n_words && strcmp(s->words[next], "model") == 0;
    next += (size_t)o->model;
    if (next < s->n_words && !ffcl_is_assignment(s->words[next])) {
        if (o->model)
            o->ini = s->words[next++];
        else
            o->pattern = s->words[next++];
    }
    o->assignments = s->words + next;
    o->n_assignments = s->n_words - next;
    for (; next < s->n_words; next++)
        if (!o->model || !ffcl_is_assignment(s->words[next]))
            return ffcl_bad_usage(s, o->model ? "expected section.key=value instead of"
                                              : "one PATTERN at most, and not also",
                                  s->words[next]);
    if (o->model && (o->list || o->plot || o->n_sizes || o->quick || o->compare || o->rounds ||
                     *o->backend))
        return ffcl_bad_usage(s, "--list, --plot, --sizes, --quick, --compare, --rounds and "
                              "--backend are for kernels; bench model takes keys such as "
                              "blas.backend=NAME", "");
    if (o->plot && !strcmp(o->plot, "-"))
        return ffcl_bad_usage(s, "--plot needs the name of a file", "");
    return 0;
}

static int try_outputs(const ffcl_bench_options *o, ffcl_error *err)
{
    int rc = ffcl_bench_try_output(o->json, err);
    if (!rc)
        rc = ffcl_bench_try_output(o->csv, err);
    return rc ? rc : ffcl_bench_try_output(o->plot, err);
}

/* What was not said. */
static void complete(ffcl_bench_options *o, const ffcl_ctx *ctx)
{
    const int cpu = (ctx->device.caps.type & CL_DEVICE_TYPE_CPU) != 0;
    if (!o->n_sizes) {
        o->sizes[o->n_sizes++] = 256;
        o->sizes[o->n_sizes++] = 512;
    }
    if (!o->n_batches) {
        o->batches[o->n_batches++] = 1;
        o->batches[o->n_batches++] = cpu ? 2 : 8;
    }
    if (o->quick)
        o->n_sizes = o->n_batches = 1;
    if (!o->rounds)
        o->rounds = cpu && !o->quick ? 3 : 1;
    if (o->seconds <= 0)
        o->seconds = o->quick ? 0.05 : 0.3;
}

static void list_cases(const ffcl_bench_case *list, size_t n)
{
    char shape[256];
    for (size_t i = 0; i < n; i++) {
        ffcl_row_text(list[i].row, &list[i].shape, shape, sizeof shape);
        printf("%-32s %-26s %s\n", list[i].row->name, list[i].role, shape);
    }
    printf("%zu cases\n", n);
}

/* All cases in turn, in several rounds, as a device's speed changes within minutes; in the last the
 * table grows. */
static void run_cases(ffcl_bench_report *report, ffcl_bench_meter *meter,
                      const ffcl_bench_case *list, size_t n, const cJSON *old,
                      ffcl_progress *progress)
{
    ffcl_bench_table table;
    ffcl_bench_load load;
    const ffcl_bench_options *o = report->options;
    const int silent = (o->json && !strcmp(o->json, "-")) || (o->csv && !strcmp(o->csv, "-"));
    char text[192];
    ffcl_bench_load_start(&load);
    if (!silent)
        ffcl_bench_table_head(&table, report, list, n);
    for (size_t k = 0; k < n * o->rounds; k++) {
        const size_t round = k / n, i = k % n;
        ffcl_bench_result *r = &report->results[i];
        r->what = list[i];
        snprintf(text, sizeof text, "round %zu/%zu, case %zu/%zu: %s %.30s", round + 1, o->rounds,
                 i + 1, n, list[i].row->name, list[i].role);
        ffcl_progress_status(progress, text);
        ffcl_bench_measure(meter, r);
        ffcl_progress_status(progress, "");
        if (round + 1 < o->rounds)
            continue;
        report->n_failed += r->status == FFCL_BENCH_FAILED;
        if (r->status == FFCL_BENCH_OK) {
            ffcl_bench_raise(report, r);
            ffcl_bench_share(report, r);
        }
        if (old)
            ffcl_bench_compare(old, r);
        if (!silent)
            ffcl_bench_table_row(&table, r);
    }
    report->n = n;
    /* Of the roofs as they are now: files have these, and the table's first rows those of then. */
    for (size_t i = 0; i < n; i++)
        if (report->results[i].status == FFCL_BENCH_OK)
            ffcl_bench_share(report, &report->results[i]);
    report->others = ffcl_bench_load_of_others(&load);
    if (old)
        ffcl_bench_compare_rest(report, old);
    if (!silent)
        ffcl_bench_table_foot(report);
}

static int write_files(const ffcl_bench_report *report, ffcl_error *err)
{
    const ffcl_bench_options *o = report->options;
    int rc = o->json ? ffcl_bench_write_json(report, o->json, err) : 0;
    if (!rc && o->csv)
        rc = ffcl_bench_write_csv(report, o->csv, err);
    if (!rc && o->plot)
        rc = ffcl_bench_plot(report, o->plot, err);
    if (!rc && report->n_failed) {
        err->code = rc = FFCL_EVERIFY;
        snprintf(err->text, sizeof err->text, "%zu of %zu cases failed and were not timed",
                 report->n_failed, report->n);
    }
    return rc;
}

/* The list on the opened device, and what is asked of it. */
static int bench_device(ffcl_ctx *ctx, ffcl_bench_options *o, const cJSON *old,
                        ffcl_progress *progress)
{
    ffcl_bench_report report = {
        .options = o, .device = &ctx->device, .blas = ffcl_blas_name(ctx),
        .unit = ffcl_unit_name(ctx->matrix_unit), .old_name = o->compare};
    ffcl_bench_case *list = NULL;
    ffcl_bench_meter *meter = NULL;
    size_t n = 0;
    complete(o, ctx);
    ffcl_bench_date(report.date, sizeof report.date);
    int rc = ffcl_bench_cases(&list, &n, ctx, o, ctx->err);
    if (!rc && o->list)
        list_cases(list, n);
    if (rc || o->list)
        goto out;
    if (old)
        report.other_device = ffcl_bench_is_other(&report, old);
    report.results = calloc(n, sizeof *report.results);
    if (!report.results) {
        rc = ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for %zu results", n);
        goto out;
    }
    ffcl_progress_status(progress, "measuring the ceilings");
    rc = ffcl_bench_meter_open(&meter, ctx, o);
    if (!rc)
        rc = ffcl_bench_roofs(meter, &report);
    ffcl_progress_status(progress, "");
    if (!rc)
        run_cases(&report, meter, list, n, old, progress);
    if (!rc)
        rc = write_files(&report, ctx->err);
out:
    ffcl_bench_meter_close(&meter);
    free(report.results);
    free(list);
    return rc;
}

static int bench_kernels(ffcl_bench_options *o, ffcl_progress *progress, ffcl_error *err)
{
    ffcl_device device;
    ffcl_ctx *ctx = NULL;
    ffcl_profile *profile = NULL;
    cJSON *old = NULL;
    const ffcl_observer observer = {ffcl_progress_report, progress};
    const char *backend = *o->backend ? o->backend : "auto";
    int rc = ffcl_rows_check(err);
    if (!rc)
        rc = try_outputs(o, err);
    if (!rc && o->compare)
        rc = ffcl_bench_read_json(&old, o->compare, err);
    if (!rc)
        rc = ffcl_device_select(&device, o->device, err);
    if (!rc)
        rc = ffcl_profile_open(&profile, FFCL_PROFILE_COMMANDS, err);
    if (!rc)
        rc = ffcl_ctx_open(&ctx, &device, &observer, profile, err);
    if (!rc) {
        ctx->err = err;
        rc = ffcl_choose_gemms(ctx, &(ffcl_choice){.backend = backend, .tuning = "off",
                                                   .program = FFCL_OWN_PROGRAM});
        if (!rc)
            ffcl_selfcheck_numbers(ctx);
        if (!rc)
            rc = bench_device(ctx, o, old, progress);
        ffcl_blas_close(ctx);
    }
    ffcl_ctx_close(&ctx);
    ffcl_profile_close(&profile);
    cJSON_Delete(old);
    return rc;
}

static int run_bench(ffcl_session *s)
{
    ffcl_bench_options o = {.pattern = ""};
    int rc = take_options(s, &o);
    if (!rc)
        rc = take_words(s, &o);
    if (rc)
        return rc;
    return o.model ? ffcl_bench_model(&o, &s->progress, &s->err)
                   : bench_kernels(&o, &s->progress, &s->err);
}

static const ffcl_option options[] = {
    {"list", 0, NULL, "print the cases and time nothing", NULL},
    {"device", 0, "SELECT", "as device.select of an INI file (auto)", NULL},
    {"backend", 0, "NAME", "as blas.backend of an INI file (auto)", NULL},
    {"sizes", 0, "LIST", "sides of images: 256,512", NULL},
    {"batches", 0, "LIST", "images at a time: 1,8, on a CPU 1,2; model: 1,2,4 .. what fits", NULL},
    {"quick", 0, NULL, "the first size and batch alone, and little time for each case", NULL},
    {"seconds", 0, "S", "for the repeats of a case (0.3); model: of a batch size (3)", NULL},
    {"repeats", 0, "N", "just N times in place of --seconds", NULL},
    {"rounds", 0, "N", "over all cases, to see the device's ups and downs (1, on a CPU 3)", NULL},
    {"seed", 0, "N", "of the random inputs (1)", NULL},
    {"json", 0, "FILE", "write results as JSON; - is stdout", NULL},
    {"csv", 0, "FILE", "write results as CSV; - is stdout", NULL},
    {"plot", 0, "FILE.svg", "plot the roofline", NULL},
    {"compare", 0, "FILE", "mark what is faster or slower than in that JSON, beyond the spread",
     NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_bench_command = {
    .name = "bench", .summary = "time kernels, or a whole model",
    .usage = "bench [PATTERN] [option ...]\n"
             "bench model [FILE.ini] [section.key=value ...] [option ...]\n",
    .options = options,
    .help = "Times kernels whose name contains PATTERN, GEMMs and convolutions by the\n"
            "device's own clock, at the shapes of SiT-XL/2 and the VAE. Each case is\n"
            "compared with a plain C reference first; one that is wrong is not timed.\n"
            "Neither weights nor an INI file are needed. bench model times SiT, VAE and the\n"
            "whole step by batch size.\n"
            "\n"
            "  ffcl bench                       everything; minutes on a CPU\n"
            "  ffcl bench gemm --quick          GEMMs alone\n"
            "  ffcl bench --json new.json --compare old.json\n"
            "  ffcl bench model config/demo.ini\n"
            "\n"
            "Columns: median time of a call, spread (of quartiles or rounds, in % of the\n"
            "median), rates of arithmetic and of memory, share of the ceiling that limits\n"
            "the case (docs/bench.md).\n",
    .run = run_bench,
};
