/* SPDX-License-Identifier: MIT
 * The command line of ffcl bench, and the run over all cases. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include <cjson/cJSON.h>
#include "cl/profile.h"
#include "files/ending.h"
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

static const struct {
    const char *option, *ending, *format;
} file_options[FFCL_BENCH_FILES] = {
    [FFCL_BENCH_JSON] = {"--json", ".json", "JSON"},
    [FFCL_BENCH_JSONL] = {"--jsonl", ".jsonl", "JSON, a case a line"},
    [FFCL_BENCH_CSV] = {"--csv", ".csv", "CSV"},
    [FFCL_BENCH_MARKDOWN] = {"--markdown", ".md", "Markdown"},
    [FFCL_BENCH_SVG] = {"--plot", ".svg", "SVG"},
    [FFCL_BENCH_HTML] = {"--html", ".html", "HTML"}};

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
    for (int i = 0; i < FFCL_BENCH_FILES; i++) {
        o->files[i] = ffcl_option_text(s, file_options[i].option + 2);
        if (o->files[i] && strcmp(o->files[i], "-"))
            signal(SIGPIPE, SIG_IGN);   /* who reads the table may go; the file is wanted */
    }
    o->variant = ffcl_option_text(s, "variant");
    o->all = ffcl_option_text(s, "all") != NULL;
    o->compare = ffcl_option_text(s, "compare");
    o->seed = seed ? strtoull(seed, &end, 10) : 1;
    int rc = seed && (end == seed || *end) ?
        ffcl_bad_usage(s, "--seed must be a whole number, not", seed) : 0;
    for (int i = 0; !rc && i < FFCL_BENCH_FILES; i++)
        if (!o->files[i] || strcmp(o->files[i], "-"))   /* else stdout */
            rc = ffcl_check_ending(file_options[i].option, o->files[i], file_options[i].ending,
                                   file_options[i].format, FFCL_EUSAGE, &s->err);
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

/* An option of kernels that was given for a model, or NULL. */
static const char *for_kernels(const ffcl_session *s)
{
    static const char *const names[] = {"list", "plot", "html", "jsonl", "markdown", "sizes",
                                        "quick", "rounds", "backend", "variant", "all", NULL};
    for (const char *const *name = names; *name; name++)
        if (ffcl_option_text(s, *name))
            return *name;
    return NULL;
}

/* bench model [FILE.ini] [section.key=value ...] */
static int take_model(ffcl_session *s, ffcl_bench_options *o)
{
    size_t next = 1;
    char sentence[160];
    if (next < s->n_words && !ffcl_is_assignment(s->words[next]))
        o->ini = s->words[next++];
    o->assignments = s->words + next;
    o->n_assignments = s->n_words - next;
    for (; next < s->n_words; next++)
        if (!ffcl_is_assignment(s->words[next]))
            return ffcl_bad_usage(s, "expected section.key=value instead of", s->words[next]);
    if (!for_kernels(s))
        return 0;
    snprintf(sentence, sizeof sentence, "--%s is for kernels; bench model takes keys such as "
             "blas.backend=NAME", for_kernels(s));
    return ffcl_bad_usage(s, sentence, "");
}

/* [PATTERN [SHAPE ...]] */
static int take_kernels(ffcl_session *s, ffcl_bench_options *o)
{
    size_t next = 0;
    if (next < s->n_words && s->words[next][0] >= '0' && s->words[next][0] <= '9')
        return ffcl_bad_usage(s, "a shape needs the kernel or operation before it, such as gemm:",
                              s->words[next]);
    if (next < s->n_words)
        o->pattern = s->words[next++];
    for (; next < s->n_words; next++) {
        const char first = s->words[next][0];
        if ((first < '0' || first > '9') && first != '-')
            return ffcl_bad_usage(s, "one PATTERN and then shapes such as 64x1152x1152, and not "
                                  "also", s->words[next]);
        if (o->n_shapes == FFCL_BENCH_MOST)
            return ffcl_bad_usage(s, "eight shapes at most, and not also", s->words[next]);
        int rc = ffcl_bench_parse_sizes(s->words[next], &o->shapes[o->n_shapes++], &s->err);
        if (rc)
            return rc;
    }
    if (o->n_shapes && (o->n_sizes || o->n_batches))
        return ffcl_bad_usage(s, "--sizes and --batches are for the models' shapes, not for",
                              o->shapes[0].text);
    for (int i = FFCL_BENCH_SVG; i <= FFCL_BENCH_HTML; i++)
        if (o->files[i] && !strcmp(o->files[i], "-"))
            return ffcl_bad_usage(s, "--plot and --html need the name of a file", "");
    return 0;
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

/* A kernel, and below it its shapes and what they are of; 80 columns wide. */
static void list_cases(const ffcl_bench_case *list, size_t n)
{
    char shape[256];
    for (size_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(list[i].row->name, list[i - 1].row->name))
            printf("%s\n", list[i].row->name);
        ffcl_row_text(list[i].row, &list[i].shape, shape, sizeof shape);
        ffcl_help_line(stdout, 4, *list[i].role ? "  %-50s %s" : "  %s", shape, list[i].role);
    }
    printf("%zu cases\n", n);
}

/* What a case's result is worth, once it has all its times. */
static void finish_case(ffcl_bench_report *report, ffcl_bench_result *r, const cJSON *old)
{
    report->n_failed += r->status == FFCL_BENCH_FAILED;
    if (r->status == FFCL_BENCH_OK) {
        ffcl_bench_raise(report, r);
        ffcl_bench_share(report, r);
    }
    if (old)
        ffcl_bench_compare(old, r);
}

/* Results of a run that was stopped: those that have times, or a reason for none, in front. */
static size_t keep_measured(ffcl_bench_report *report, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        const ffcl_bench_result *r = &report->results[i];
        if (!r->what.row || (r->status == FFCL_BENCH_OK && !r->repeats))
            continue;
        if (kept != i)
            report->results[kept] = *r;
        kept++;
    }
    return kept;
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
    const int silent = ffcl_bench_is_silent(o);
    char text[192];
    size_t done = 0;                /* cases that are in the table */
    ffcl_bench_load_start(&load);
    if (!silent)
        ffcl_bench_table_head(&table, report, list, n);
    for (size_t k = 0; k < n * o->rounds && !ffcl_bench_is_stopped(o); k++) {
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
        done++;
        finish_case(report, r, old);
        if (!silent)
            ffcl_bench_table_row(&table, r);
    }
    report->n_planned = n;
    report->n = done == n ? n : keep_measured(report, n);
    for (; done < report->n; done++) {
        finish_case(report, &report->results[done], old);
        if (!silent)
            ffcl_bench_table_row(&table, &report->results[done]);
    }
    /* Of the roofs as they are now: files have these, and the table's first rows those of then. */
    for (size_t i = 0; i < report->n; i++)
        if (report->results[i].status == FFCL_BENCH_OK)
            ffcl_bench_share(report, &report->results[i]);
    report->others = ffcl_bench_load_of_others(&load);
    if (old)
        ffcl_bench_compare_rest(report, old);
    if (!silent)
        ffcl_bench_table_foot(report);
}

/* The status of a run whose files are written: the first failure, or that nothing of what was asked
 * for could be timed. */
static int judge(const ffcl_bench_report *report, ffcl_error *err)
{
    const ffcl_bench_options *o = report->options;
    const ffcl_bench_result *first = report->results;
    size_t timed = 0;
    for (size_t i = 0; i < report->n; i++)
        timed += report->results[i].status == FFCL_BENCH_OK;
    if (report->n_failed)
        return ffcl_fail(err, FFCL_EVERIFY, "%zu of %zu cases failed and were not timed",
                         report->n_failed, report->n);
    if (report->n < report->n_planned)
        return ffcl_bench_stopped(o, report->n, report->n_planned, "cases", err);
    if (o->n_shapes && !timed)
        return ffcl_fail(err, first->code ? first->code : FFCL_EUSAGE, "%s %s: %s", o->pattern,
                         o->shapes[0].text, first->reason);
    return 0;
}

int ffcl_bench_stopped(const ffcl_bench_options *o, size_t done, size_t of, const char *what,
                       ffcl_error *err)
{
    char files[400] = "";
    for (int i = 0; i < FFCL_BENCH_FILES; i++) {
        const size_t used = strlen(files);
        if (o->files[i] && strcmp(o->files[i], "-"))
            snprintf(files + used, sizeof files - used, "%s%.60s", used ? ", " : "", o->files[i]);
    }
    return ffcl_fail(err, FFCL_ESTOPPED, "stopped: %zu of %zu %s were timed%s%s", done, of, what,
                     *files ? " and are in " : "", files);
}

static int write_files(const ffcl_bench_report *report, ffcl_error *err)
{
    static int (*const writers[FFCL_BENCH_FILES])(const ffcl_bench_report *, const char *,
                                                  ffcl_error *) = {
        [FFCL_BENCH_JSON] = ffcl_bench_write_json, [FFCL_BENCH_JSONL] = ffcl_bench_write_jsonl,
        [FFCL_BENCH_CSV] = ffcl_bench_write_csv,
        [FFCL_BENCH_MARKDOWN] = ffcl_bench_write_markdown, [FFCL_BENCH_SVG] = ffcl_bench_plot,
        [FFCL_BENCH_HTML] = ffcl_bench_write_html};
    const ffcl_bench_options *o = report->options;
    int rc = 0;
    for (int i = 0; !rc && i < FFCL_BENCH_FILES; i++)
        if (o->files[i])
            rc = writers[i](report, o->files[i], err);
    return rc ? rc : judge(report, err);
}

/* The list on the opened device, and what is asked of it. */
static int bench_device(ffcl_ctx *ctx, ffcl_bench_options *o, const cJSON *old, double load,
                        ffcl_progress *progress)
{
    ffcl_bench_report report = {
        .options = o, .device = &ctx->device, .blas = ffcl_blas_name(ctx),
        .unit = ffcl_unit_name(ctx->matrix_unit), .old_name = o->compare, .before = load};
    ffcl_bench_case *list = NULL;
    ffcl_bench_meter *meter = NULL;
    size_t n = 0;
    complete(o, ctx);
    ffcl_bench_date(report.date, sizeof report.date);
    int rc = o->n_shapes ? ffcl_bench_own_cases(&list, &n, ctx, o, ctx->err)
                         : ffcl_bench_cases(&list, &n, &report.n_left_out, ctx, o, ctx->err);
    if (!rc && o->list)
        list_cases(list, n);
    if (rc || o->list)
        goto out;
    report.other_device = old && ffcl_bench_is_other_device(report.device, old);
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
    const double load = o->list ? 0 : ffcl_bench_load_now();
    int rc = ffcl_rows_check(err);
    if (!rc)
        rc = ffcl_bench_try_outputs(o, err);
    if (!rc && o->compare)
        rc = ffcl_bench_read_json(&old, "ffcl-bench", o->compare, err);
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
            rc = bench_device(ctx, o, old, load, progress);
        ffcl_blas_close(ctx);
    }
    ffcl_ctx_close(&ctx);
    ffcl_profile_close(&profile);
    cJSON_Delete(old);
    return rc;
}

/* In the thread that waits for Ctrl-C; a call may take seconds. */
static void note_stop(void *user)
{
    const ffcl_progress *progress = user;
    if (!progress->quiet && progress->is_terminal)
        ffcl_help_text(progress->out, "\nffcl: finishing the call under way; Ctrl-C once more "
                       "stops at once, without files\n");
}

static int run_bench(ffcl_session *s)
{
    ffcl_bench_options o = {.pattern = "", .interrupt = &s->interrupt};
    int rc = take_options(s, &o);
    o.model = s->n_words && strcmp(s->words[0], "model") == 0;
    if (!rc)
        rc = o.model ? take_model(s, &o) : take_kernels(s, &o);
    s->interrupt.is_polled = 1;
    if (!rc)
        rc = ffcl_interrupt_watch(&s->interrupt, note_stop, &s->progress, &s->err);
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
    {"variant", 0, "NAME", "kernels of this variant alone: blocked, or gemm/blocked", NULL},
    {"all", 0, NULL, "kernels that this device would not use, too", NULL},
    {"quick", 0, NULL, "the first size and batch alone, and little time for each case", NULL},
    {"seconds", 0, "S", "for the repeats of a case (0.3); model: of a batch size (3)", NULL},
    {"repeats", 0, "N", "just N times in place of --seconds", NULL},
    {"rounds", 0, "N", "over all cases, to see the device's ups and downs (1, on a CPU 3)", NULL},
    {"seed", 0, "N", "of the random inputs (1)", NULL},
    {"json", 0, "FILE", "write results as JSON; - is stdout", NULL},
    {"jsonl", 0, "FILE", "as JSON, a case a line; - is stdout", NULL},
    {"csv", 0, "FILE", "as CSV; - is stdout", NULL},
    {"markdown", 0, "FILE", "as a Markdown table; - is stdout", NULL},
    {"plot", 0, "FILE.svg", "plot the roofline", NULL},
    {"html", 0, "FILE.html", "one page with a table that sorts, the roofline, and changes", NULL},
    {"compare", 0, "FILE", "mark what is faster or slower than in that JSON, beyond the spread",
     NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_bench_command = {
    .name = "bench", .summary = "time kernels, or a whole model",
    .usage = "bench [PATTERN] [option ...]\n"
             "bench PATTERN|OPERATION SHAPE... [option ...]\n"
             "bench model [FILE.ini] [section.key=value ...] [option ...]\n",
    .options = options,
    .help = "Times kernels whose name contains PATTERN, GEMMs and convolutions by the\n"
            "device's own clock, at the shapes of SiT-XL/2 and the VAE. Each case is\n"
            "compared with a plain C reference first; one that is wrong is not timed.\n"
            "Neither weights nor an INI file are needed. bench model times SiT, VAE and the\n"
            "whole step by batch size.\n"
            "With SHAPE the variants of an OPERATION (gemm, attention, conv, softmax,\n"
            "layernorm, groupnorm, qk_norm), or the kernels that match PATTERN, are timed\n"
            "side by side at those sizes. Ctrl-C keeps what was timed.\n"
            "\n"
            "  ffcl bench                       everything; minutes on a CPU\n"
            "  ffcl bench gemm --quick          GEMMs alone\n"
            "  ffcl bench gemm 4096x4096x4096   M x N x K\n"
            "  ffcl bench conv 1x64x64x512:512:3    B x H x W x C : outputs : window\n"
            "  ffcl bench attention 8x256x16x72     B x tokens x heads x head size\n"
            "  ffcl bench --json new.json --compare old.json\n"
            "  ffcl bench model config/demo.ini\n"
            "\n"
            "Columns: median time of a call, spread (of quartiles or rounds, in % of the\n"
            "median), rates of arithmetic and of memory, % of roofline: of the ceiling that\n"
            "limits the case (docs/bench.md).\n",
    .run = run_bench,
};
