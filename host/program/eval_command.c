/* SPDX-License-Identifier: MIT
 * ffcl eval. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "eval/compare.h"
#include "files/ending.h"
#include "program/command.h"

static void print_line(void *user, const char *line)
{
    ffcl_progress_end(user);
    ffcl_help_text(stdout, line);
}

static void print_number(const char *name, double value, double deviation)
{
    if (!isfinite(value))
        return;
    printf("%-11s %.6g", name, value);
    if (isfinite(deviation))
        printf(" +- %.4g", deviation);
    putchar('\n');
}

void ffcl_evaluation_print(const ffcl_evaluation *e)
{
    enum { COLUMN = 12 };
    ffcl_help_line(stdout, COLUMN, "samples     %s", e->samples);
    if (*e->reference)
        ffcl_help_line(stdout, COLUMN, "reference   %s", e->reference);
    if (*e->network)
        ffcl_help_line(stdout, COLUMN, "network     %s", e->network);
    if (*e->computed)
        ffcl_help_line(stdout, COLUMN, "computed    %s, %.1f images/s", e->computed,
                       (double)e->count / e->seconds);
    printf("as          %s\n", e->like);
    print_number("FID", e->fid, NAN);
    print_number("sFID", e->sfid, NAN);
    print_number("IS", e->score, e->score_deviation);
    print_number("precision", e->precision, NAN);
    print_number("recall", e->recall, NAN);
    for (size_t i = 0; i < e->n_curve; i++)
        printf("FID of %-9zu %.6g\n", e->curve[i].count, e->curve[i].fid);
}

/* "NAME VALUE" into the line, where there is a value. */
static void add_number(const char *name, double value, char *line, size_t size)
{
    const size_t used = strlen(line);
    if (isfinite(value))
        snprintf(line + used, size - used, "%s%s %.6g", used ? ", " : "", name, value);
}

void ffcl_evaluation_print_line(const ffcl_evaluation *e)
{
    char line[200] = "";
    add_number("FID", e->fid, line, sizeof line);
    add_number("sFID", e->sfid, line, sizeof line);
    add_number("IS", e->score, line, sizeof line);
    if (isfinite(e->score_deviation))
        snprintf(line + strlen(line), sizeof line - strlen(line), " +- %.4g", e->score_deviation);
    add_number("precision", e->precision, line, sizeof line);
    add_number("recall", e->recall, line, sizeof line);
    ffcl_help_line(stdout, 4, "%s: %s%s%s (as %s)", line, e->samples,
                   *e->reference ? ", against " : "", e->reference, e->like);
}

/* Options that stand for keys of [eval]. */
static int set_key(ffcl_session *s, ffcl_config *cfg, const char *option, const char *key)
{
    const char *value = ffcl_option_text(s, option);
    char text[4200];
    if (!value)
        return 0;
    snprintf(text, sizeof text, "eval.%s=%s", key, value);
    return ffcl_config_set(cfg, text, &s->err);
}

static int check_name(ffcl_session *s, const char *option, const char *ending, const char *format)
{
    return ffcl_check_ending(option, ffcl_option_text(s, option + 2), ending, format, FFCL_EUSAGE,
                             &s->err);
}

static int compare(ffcl_session *s)
{
    const int rc = check_name(s, "--plot", ".svg", "SVG");
    return rc ? rc : ffcl_eval_compare_within(
        ffcl_help_columns(stdout, INT_MAX), (const char *const *)s->words, s->n_words,
        ffcl_option_text(s, "plot"), print_line, &s->progress, &s->err);
}

/* --reference, or the key that says the same of a run. */
static const char *reference_of(ffcl_session *s, const ffcl_config *cfg)
{
    const char *option = ffcl_option_text(s, "reference"), *key = cfg->eval.reference;
    return option                                        ? option
           : strcmp(key, "off") && strcmp(key, "none") ? key
                                                         : NULL;
}

/* Keys of a run's other sections would be passed over. */
static void note_keys(ffcl_session *s, size_t first, size_t n)
{
    static const char *const sections[] = {"device.", "precision.", "blas.", "eval."};
    for (size_t i = first; i < first + n; i++) {
        const char *word = s->words[i];
        char text[200];
        int counts = 0;
        for (size_t k = 0; k < sizeof sections / sizeof *sections; k++)
            counts |= strncmp(word, sections[k], strlen(sections[k])) == 0;
        snprintf(text, sizeof text, "%.100s has no effect on an evaluation", word);
        if (!counts)
            ffcl_progress_report(&s->progress, FFCL_PHASE_NOTE, text, 0, 0);
    }
}

static int evaluate(ffcl_session *s, ffcl_config *cfg, const char *samples)
{
    ffcl_evaluation e;
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    ffcl_eval_request request = {.samples = samples, .reference = reference_of(s, cfg),
                                 .sheet = ffcl_option_text(s, "sheet")};
    int rc = ffcl_option_count(s, "curve", FFCL_EVAL_CURVE, &request.curve);
    if (!rc && (request.curve || request.sheet) && !request.reference)
        rc = ffcl_bad_usage(s, "--curve and --sheet need --reference", "");
    if (!rc)
        rc = ffcl_evaluate(&e, cfg, &request, &observer, &s->err);
    ffcl_progress_end(&s->progress);
    if (rc)
        return rc;
    if (ffcl_option_text(s, "json")) {
        char *text = ffcl_evaluation_json(&e);
        if (!text)
            return FFCL_ENOMEM;
        puts(text);
        free(text);
    } else {
        ffcl_evaluation_print(&e);
    }
    return 0;
}

/* --compare and --make-network evaluate nothing: of the options but `own` none means anything. */
static int takes_alone(ffcl_session *s, const char *what, const char *own)
{
    static const char *const others[] = {"reference", "inception", "like", "json", "save-stats",
                                         "curve", "sheet", "sandbox", "plot", "make-network", NULL};
    char text[80];
    int rc = 0;
    for (const char *const *o = others; !rc && *o; o++) {
        snprintf(text, sizeof text, "--%s is not for %s", *o, what);
        if (strcmp(*o, own) != 0 && ffcl_option_text(s, *o))
            rc = ffcl_bad_usage(s, text, "");
    }
    return rc;
}

static void report_stop(void *user)
{
    (void)user;
}

/* Files that are asked for appear at the end, so Ctrl-C ends the program there and then. */
static int watch(ffcl_session *s)
{
    signal(SIGPIPE, SIG_IGN);   /* who reads the progress may go; numbers and files are wanted */
    if (!s->progress.quiet)
        s->interrupt.parting = "\nffcl: stopped before the evaluation was done: there are no "
                               "numbers, and nothing was written\n";
    return ffcl_interrupt_watch(&s->interrupt, report_stop, NULL, &s->err);
}

static int run_eval(ffcl_session *s)
{
    ffcl_config *cfg = NULL;
    const char *samples, *network = ffcl_option_text(s, "make-network");
    size_t first, n;
    int rc = 0;
    if (ffcl_option_text(s, "compare")) {
        rc = takes_alone(s, "--compare", "plot");
        return rc ? rc : compare(s);
    }
    if (ffcl_option_text(s, "plot"))
        return ffcl_bad_usage(s, "--plot is for --compare", "");
    if (network) {
        rc = takes_alone(s, "--make-network", "make-network");
        if (!rc)
            rc = ffcl_take_nothing(s);
        if (!rc)
            rc = check_name(s, "--make-network", ".safetensors", "safetensors");
        if (!rc)
            rc = ffcl_interrupt_part(&s->interrupt, s->progress.quiet ? NULL :
                                     "\nffcl: stopped: no network was written\n", &s->err);
        return rc ? rc : ffcl_eval_generate_network(network, &s->err);
    }
    rc = check_name(s, "--sheet", ".png", "a PNG");
    if (!rc)
        rc = check_name(s, "--save-stats", ".npz", "a NumPy archive");
    if (!rc)
        rc = ffcl_take_files(s, &samples, 1, &first, &n);
    if (!rc && !samples)
        rc = ffcl_bad_usage(s, "eval needs samples: an .npz, or a folder of images", "");
    if (!rc)
        rc = ffcl_open_config(s, &cfg, NULL, first, n);
    if (!rc && ffcl_option_text(s, "reference") && ffcl_config_evaluates(cfg))
        rc = ffcl_bad_usage(s, "--reference and eval.reference are the same: give one", "");
    if (!rc)
        note_keys(s, first, n);
    if (!rc)
        rc = set_key(s, cfg, "inception", "inception");
    if (!rc)
        rc = set_key(s, cfg, "like", "like");
    if (!rc)
        rc = set_key(s, cfg, "save-stats", "save_stats");
    if (!rc && ffcl_option_text(s, "sandbox"))
        rc = ffcl_sandbox(&(ffcl_sandbox_request){
            .cfg = cfg, .reads = {samples, reference_of(s, cfg)},
            .writes = {ffcl_option_text(s, "sheet")}}, &s->err);
    if (!rc)
        rc = watch(s);
    if (!rc)
        rc = evaluate(s, cfg, samples);
    ffcl_config_close(&cfg);
    return rc;
}

static const ffcl_option options[] = {
    {"reference", 'r', "REF", "what the samples are compared with", NULL},
    {"inception", 0, "FILE",
     "the Inception network of FID (pt_inception-2015-12-05-6726825d.pth)", NULL},
    {"like", 0, "WHOSE",
     "adm, torch-fidelity or pytorch-fid: whose numbers to give (adm)", NULL},
    {"json", 0, NULL, "print the evaluation as JSON", NULL},
    {"save-stats", 0, "FILE.npz", "keep the samples' statistics, to be used as a reference", NULL},
    {"curve", 0, "N", "FID of N growing shares of the samples, too", NULL},
    {"sheet", 0, "FILE.png",
     "the samples nearest to and farthest from the reference, each above its nearest reference "
     "image", NULL},
    {"compare", 0, NULL, "compare evaluations that were kept as JSON", NULL},
    {"plot", 0, "FILE.svg", "with --compare: plot their FID", NULL},
    {"make-network", 0, "FILE",
     "write a network by a rule, to try this without the published one; its numbers compare with "
     "nothing else", NULL},
    FFCL_OPTION_SANDBOX,
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_eval_command = {
    .name = "eval", .summary = "FID, sFID, Inception Score, precision and recall",
    .usage = "eval SAMPLES [--reference REF] [option ...] [section.key=value ...]\n"
             "eval --compare A.json B.json ... [--plot FILE.svg]\n",
    .options = options,
    .help = "SAMPLES and REF are an .npz of images (arr_0), of statistics (mu and sigma, as\n"
            "ADM publishes them or as --save-stats keeps them), or of both; or a folder of\n"
            "PNG files. docs/evaluation.md says what is computed, and how.\n"
            "\n"
            "  ffcl eval samples.npz --reference VIRTUAL_imagenet256_labeled.npz\n"
            "  ffcl eval samples --reference stats.npz --json > a.json\n",
    .run = run_eval,
};
