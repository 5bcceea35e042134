/* SPDX-License-Identifier: MIT
 * The command line of ffcl bench, and the run over all cases. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include <cjson/cJSON.h>
#include "cl/profile.h"
#include "gemm.h"
#include "selfcheck/gemm.h"
#include "selfcheck/units.h"

static const char help_text[] =
    "ffcl bench times kernels, GEMMs and convolutions by the device's own clock, at the\n"
    "shapes of SiT-XL/2 and the VAE.  Each case is compared with a plain C reference first; one\n"
    "that is wrong is not timed.  Neither weights nor an INI file are needed.\n"
    "\n"
    "usage: ffcl bench [PATTERN] [option ...]         kernels whose name contains PATTERN\n"
    "       ffcl bench model [FILE.ini] [section.key=value ...] [option ...]\n"
    "                                                 SiT, VAE and the whole step by batch size\n"
    "\n"
    "      --list            print the cases and time nothing\n"
    "      --device SELECT   as device.select of an INI file (auto)\n"
    "      --backend NAME    as blas.backend of an INI file (auto)\n"
    "      --sizes LIST      sides of images: 256,512\n"
    "      --batches LIST    images at a time: 1,8, on a CPU 1,2; model: 1,2,4 .. what fits\n"
    "      --quick           the first size and batch alone, and little time for each case\n"
    "      --seconds S       for the repeats of a case (0.3); model: of a batch size (3)\n"
    "      --repeats N       just N times in place of --seconds\n"
    "      --rounds N        over all cases, to see the device's ups and downs (1, on a CPU 3)\n"
    "      --seed N          of the random inputs (1)\n"
    "      --json FILE       write results as JSON, --csv FILE as CSV; - is stdout\n"
    "      --plot FILE.svg   plot the roofline\n"
    "      --compare FILE    mark what is faster or slower than in that JSON, beyond the spread\n"
    "\n"
    "  ffcl bench                       everything; minutes on a CPU\n"
    "  ffcl bench gemm --quick          GEMMs alone\n"
    "  ffcl bench --json new.json --compare old.json\n"
    "  ffcl bench model config/demo.ini\n"
    "\n"
    "Columns: median time of a call, spread (of quartiles or rounds, in % of the median), rates\n"
    "of arithmetic and of memory, share of the ceiling that limits the case (docs/bench.md).\n";

static int bad(ffcl_error *err, const char *sentence, const char *argument)
{
    return ffcl_bad_usage(err, "bench", sentence, argument);
}

/* "1,8,64": whole numbers, multiples of step, at most FFCL_BENCH_MOST of them. */
static int parse_list(const char *text, size_t *out, size_t *n, size_t step, ffcl_error *err)
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
    return bad(err, step > 1 ? "--sizes takes multiples of 16 up to 4096, such as 256,512, not"
                             : "--batches takes numbers such as 1,8, not", text);
}

static int parse_number(const char *option, const char *text, double *out, ffcl_error *err)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && !*end && isfinite(*out) && *out > 0 && *out < 1e6)
        return 0;
    char sentence[80];
    snprintf(sentence, sizeof sentence, "%s must be a number above 0, not", option);
    return bad(err, sentence, text);
}

static int parse_count(const char *option, const char *text, size_t most, size_t *out,
                       ffcl_error *err)
{
    char *end, sentence[80];
    unsigned long long value = strtoull(text, &end, 10);
    *out = (size_t)value;
    if (end != text && !*end && value > 0 && value <= most)
        return 0;
    snprintf(sentence, sizeof sentence, "%s must be a whole number from 1 to %zu, not", option,
             most);
    return bad(err, sentence, text);
}

enum {
    LIST = 256, DEVICE, BACKEND, SIZES, BATCHES, QUICK, SECONDS, REPEATS, ROUNDS, SEED, JSON, CSV,
    PLOT, COMPARE
};

static int take_option(ffcl_bench_options *o, int option, const char *value, ffcl_error *err)
{
    char *end;
    switch (option) {
    case 'h': o->help = 1; return 0;
    case 'q': o->quiet = 1; return 0;
    case LIST: o->list = 1; return 0;
    case QUICK: o->quick = 1; return 0;
    case DEVICE: o->device = value; return 0;
    case BACKEND: o->backend = value; return 0;
    case JSON: o->json = value; return 0;
    case CSV: o->csv = value; return 0;
    case PLOT: o->plot = value; return 0;
    case COMPARE: o->compare = value; return 0;
    case SIZES: return parse_list(value, o->sizes, &o->n_sizes, 16, err);
    case BATCHES: return parse_list(value, o->batches, &o->n_batches, 1, err);
    case REPEATS: return parse_count("--repeats", value, 10000, &o->repeats, err);
    case ROUNDS: return parse_count("--rounds", value, FFCL_BENCH_MOST, &o->rounds, err);
    case SECONDS: return parse_number("--seconds", value, &o->seconds, err);
    default:
        o->seed = strtoull(value, &end, 10);
        return end != value && !*end ? 0 : bad(err, "--seed must be a whole number, not", value);
    }
}

static int parse_options(ffcl_bench_options *o, int argc, char **argv, ffcl_error *err)
{
    static const struct option options[] = {
        {"list", no_argument, NULL, LIST},          {"device", required_argument, NULL, DEVICE},
        {"backend", required_argument, NULL, BACKEND}, {"sizes", required_argument, NULL, SIZES},
        {"batches", required_argument, NULL, BATCHES}, {"quick", no_argument, NULL, QUICK},
        {"seconds", required_argument, NULL, SECONDS}, {"seed", required_argument, NULL, SEED},
        {"repeats", required_argument, NULL, REPEATS},
        {"rounds", required_argument, NULL, ROUNDS},
        {"json", required_argument, NULL, JSON},    {"csv", required_argument, NULL, CSV},
        {"plot", required_argument, NULL, PLOT},    {"compare", required_argument, NULL, COMPARE},
        {"help", no_argument, NULL, 'h'},           {"quiet", no_argument, NULL, 'q'},
        {NULL, 0, NULL, 0},
    };
    int option, rc = 0;
    opterr = 0;
    optind = 1;
    while (!rc && (option = getopt_long(argc, argv, ":hq", options, NULL)) != -1) {
        if (option == ':')
            rc = bad(err, "this option needs a value:", argv[optind - 1]);
        else if (option == '?')
            rc = bad(err, "unknown option", argv[optind - 1]);
        else
            rc = take_option(o, option, optarg, err);
    }
    return rc;
}

static int is_assignment(const char *word)
{
    return word[strcspn(word, "=/")] == '=';
}

/* PATTERN, or model and what belongs to it. */
static int parse_words(ffcl_bench_options *o, int argc, char **argv, ffcl_error *err)
{
    int next = optind;
    o->model = next < argc && strcmp(argv[next], "model") == 0;
    next += o->model;
    if (next < argc && !is_assignment(argv[next])) {
        if (o->model)
            o->ini = argv[next++];
        else
            o->pattern = argv[next++];
    }
    o->assignments = argv + next;
    o->n_assignments = (size_t)(argc - next);
    for (; next < argc; next++)
        if (!o->model || !is_assignment(argv[next]))
            return bad(err, o->model ? "expected section.key=value instead of"
                                     : "one PATTERN at most, and not also", argv[next]);
    if (o->model && (o->list || o->plot || o->n_sizes || o->quick || o->compare || o->rounds ||
                     *o->backend))
        return bad(err, "--list, --plot, --sizes, --quick, --compare, --rounds and --backend are "
                   "for kernels; bench model takes keys such as blas.backend=NAME", "");
    return 0;
}

static int try_outputs(const ffcl_bench_options *o, ffcl_error *err)
{
    int rc = ffcl_bench_try_output(o->json, err);
    if (!rc)
        rc = ffcl_bench_try_output(o->csv, err);
    if (!rc && o->plot && !strcmp(o->plot, "-"))
        rc = bad(err, "--plot needs the name of a file", "");
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
        if (r->status == FFCL_BENCH_OK)
            ffcl_bench_share(report, r);
        if (old)
            ffcl_bench_compare(old, r);
        if (!silent)
            ffcl_bench_table_row(&table, r);
    }
    report->n = n;
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
        rc = ffcl_blas_open(ctx, &(ffcl_blas_options){.name = backend,
                                                      .check = ffcl_selfcheck_gemm});
        if (!rc)
            rc = ffcl_selfcheck_units(ctx, backend);
        if (!rc && strcmp(backend, "auto") == 0)
            ffcl_selfcheck_blocked(ctx);
        if (!rc)
            rc = bench_device(ctx, o, old, progress);
        ffcl_blas_close(ctx);
    }
    ffcl_ctx_close(&ctx);
    ffcl_profile_close(&profile);
    cJSON_Delete(old);
    return rc;
}

int ffcl_bench_command(int argc, char **argv, ffcl_progress *progress, ffcl_error *err)
{
    ffcl_bench_options o = {.pattern = "", .device = "auto", .backend = "", .seed = 1};
    int rc = parse_options(&o, argc, argv, err);
    if (!rc && o.help) {
        fputs(help_text, stdout);
        return 0;
    }
    if (!rc)
        rc = parse_words(&o, argc, argv, err);
    progress->quiet |= o.quiet;
    if (rc)
        return rc;
    return o.model ? ffcl_bench_model(&o, progress, err) : bench_kernels(&o, progress, err);
}
