/* SPDX-License-Identifier: MIT
 * ffcl FILE.ini: generates what an INI file asks for. */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "files/ending.h"
#include "program/bus.h"
#include "program/command.h"
#include "program/compare.h"
#include "program/dry_run.h"
#include "program/error_line.h"
#include "program/preview.h"
#include "program/profile_table.h"
#include "program/summary.h"
#include "config_table.h"

/* Of ffcl without an argument. */
static const char first_words[] =
    "ffcl generates images with FreeFlow on any OpenCL device. It needs an INI file:\n"
    "\n"
    "  ffcl config/demo.ini      forty digits, with the weights that come along\n"
    "  ffcl init                 writes ffcl.ini, for a checkpoint of your own\n"
    "  ffcl devices              what it would run on\n"
    "  ffcl --help               everything else\n"
    "\n";

/* In the thread that waits for Ctrl-C. */
static void report_stop(void *user)
{
    const ffcl_progress *progress = user;
    if (!progress->quiet)
        fputs("\nffcl: finishing the batch under way; Ctrl-C once more stops at once\n",
              progress->out);
}

/* A run of the command: what was asked for, and what is open. */
typedef struct sampling {
    const char *ini, *trace;
    size_t first, n;            /* of the overrides */
    int json, is_dry, compares;
    ffcl_preview preview;
    size_t rank, size;          /* of the processes of mpirun */
    ffcl_config *cfg;
    ffcl_sampler *sampler;
    ffcl_evaluation evaluation;
    int is_evaluated;
} sampling;

/* The table of a run's profile, and its trace; stdout is for results. */
static int print_profile(ffcl_session *s, sampling *r, ffcl_error *err)
{
    FILE *out = r->json ? s->progress.out : stdout;
    ffcl_profile_table table = {0};
    int rc = ffcl_sampler_profile(r->sampler, ffcl_profile_table_add, &table, err);
    ffcl_progress_end(&s->progress);
    ffcl_profile_table_print(&table, out);
    ffcl_profile_table_close(&table);
    if (!rc)
        ffcl_help_line(out, 4, "trace: %s, for chrome://tracing or ui.perfetto.dev", r->trace);
    return rc;
}

/* A word that is neither a file nor looks like the name of one was to be a command. */
static int take_words(ffcl_session *s, sampling *r)
{
    struct stat info;
    int rc = ffcl_take_files(s, &r->ini, 1, &r->first, &r->n);
    r->trace = ffcl_option_text(s, "profile");
    r->json = ffcl_option_text(s, "json") != NULL;
    r->is_dry = ffcl_option_text(s, "dry-run") != NULL;
    if (!s->n_words && !s->is_named && !s->progress.quiet)
        ffcl_help_text(s->progress.out, first_words);
    if (!s->n_words)
        return ffcl_bad_usage(s, s->is_named ? "sample needs an INI file"
                                             : "no INI file and no command given", "");
    const char *word = s->words[0];
    const int is_word = !s->is_named && strcmp(word, "-") && !strpbrk(word, "./");
    if (r->ini && is_word && stat(word, &info) < 0) {
        const char *nearest = ffcl_command_nearest(word);
        s->err.code = FFCL_EUSAGE;
        snprintf(s->err.text, sizeof s->err.text, "%.200s is neither a command nor a file%s%s%s; "
                 "see ffcl --help", word, nearest ? " (did you mean ffcl " : "",
                 nearest ? nearest : "", nearest ? "?)" : "");
        return s->err.code;
    }
    if (!rc)
        rc = ffcl_preview_choose(s, &r->preview);
    if (!rc && !r->ini)
        rc = ffcl_bad_usage(s, "an INI file must come before", word);
    if (!rc && r->trace && !*r->trace)
        rc = ffcl_bad_usage(s, "--profile= needs the name of a file", "");
    if (!rc)
        rc = ffcl_check_ending("--profile", r->trace, ".json", "JSON", FFCL_EUSAGE, &s->err);
    return rc;
}

/* Options that are short for a key. */
static int set_options(ffcl_session *s, ffcl_config *cfg)
{
    const char *grid = ffcl_option_text(s, "output");
    char assignment[4096];
    int rc = 0;
    if (ffcl_option_text(s, "dry-run"))
        ffcl_config_dry_run(cfg);
    if (ffcl_option_text(s, "overwrite"))
        rc = ffcl_config_set(cfg, "output.overwrite=yes", &s->err);
    if (!rc && grid && snprintf(assignment, sizeof assignment, "output.grid=%s", grid) >=
        (int)sizeof assignment)
        return ffcl_bad_usage(s, "--output: the path is too long", "");
    if (!rc && grid)
        rc = ffcl_config_set(cfg, assignment, &s->err);
    return rc;
}

static int open_sampler(ffcl_session *s, sampling *r)
{
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    int rc = ffcl_sampler_open(&r->sampler, r->cfg, &observer, &s->err);
    ffcl_bus_watch();
    ffcl_interrupt_set(&s->interrupt, r->sampler);
    return rc;
}

/* As [eval] asks for, when the images are there.  A failure loses no images: they are on disk. */
static int evaluate(ffcl_session *s, sampling *r)
{
    int rc = ffcl_sampler_evaluate(r->sampler, &r->evaluation, &r->is_evaluated, &s->err);
    ffcl_progress_end(&s->progress);
    if (r->is_evaluated && !r->json)
        ffcl_evaluation_print_line(&r->evaluation);
    return rc;
}

/* The configuration, with what options say. */
static int open_config(ffcl_session *s, sampling *r)
{
    int rc = ffcl_open_config(s, &r->cfg, r->ini, r->first, r->n);
    return rc ? rc : set_options(s, r->cfg);
}

/* Files are given up before anything else runs. */
static int open_in_sandbox(ffcl_session *s, sampling *r)
{
    int rc = open_config(s, r);
    if (!rc)
        rc = ffcl_config_check_outputs(r->cfg, &s->err);
    return rc ? rc : ffcl_sandbox(&(ffcl_sandbox_request){.cfg = r->cfg, .outputs = 1,
                                                          .writes = {r->trace}}, &s->err);
}

static int say_setting(void *user, const char *key, const char *text, ffcl_error *err)
{
    (void)err;
    ffcl_progress_say(user, "  %s = %s", key, text);
    return 0;
}

/* What can be refused before devices are opened. */
static int check(ffcl_session *s, sampling *r)
{
    ffcl_error *err = &s->err;
    int rc = 0;
    r->compares = strcmp(r->cfg->output.compare, "none") != 0;
    if (r->compares && (r->size > 1 || r->trace))
        rc = ffcl_fail(err, FFCL_ECONFIG, "[output] compare is for one process and goes without "
                       "--profile");
    if (!rc && r->is_dry && (r->size > 1 || r->compares || r->trace))
        rc = ffcl_fail(err, FFCL_EUSAGE, "--dry-run is for one process, and goes without [output] "
                       "compare and --profile");
    /* Rank 0 alone: the others would find its lock. */
    if (!rc && r->rank == 0)
        rc = ffcl_config_check_outputs(r->cfg, err);
    if (!rc && r->rank == 0)
        rc = ffcl_config_check_evaluation(r->cfg, err);
    if (!rc && r->rank == 0 && r->trace)
        rc = ffcl_config_profile(r->cfg, FFCL_PROFILE_COMMANDS, r->trace, err);
    if (!rc && s->progress.verbose) {
        ffcl_progress_say(&s->progress, "%s: what changes the images, as the keys say",
                          r->ini);
        ffcl_config_settings(r->cfg, say_setting, &s->progress, NULL);
    }
    return rc;
}

/* A device that did not open is the run's to report. */
static void say_variants(ffcl_session *s, const sampling *r)
{
    char text[1000];
    ffcl_error ignored;
    const char *name = NULL;
    for (size_t i = 0; s->progress.verbose && (name = ffcl_sampler_device(r->sampler, i)); i++)
        if (!ffcl_sampler_variants(r->sampler, i, text, sizeof text, &ignored))
            ffcl_progress_say(&s->progress, "variants on %.120s: %s", name, text);
}

/* Samples, and all that follows when the images are there. */
static int sample(ffcl_session *s, sampling *r)
{
    ffcl_error *err = &s->err, other = {0};
    say_variants(s, r);
    int rc = ffcl_sampler_run(r->sampler, err);
    ffcl_result done;
    ffcl_interrupt_set(&s->interrupt, NULL);
    ffcl_sampler_result(r->sampler, &done);
    ffcl_progress_say(&s->progress, "%zu images were there and %zu generated; %.2f s to open the "
                      "devices, %.2f s to sample", done.kept, done.generated, done.opening,
                      done.seconds - done.opening);
    /* Of a run that was stopped or failed, too; its own failure is the one to report. */
    if (r->rank == 0 && r->trace) {
        int printed = print_profile(s, r, rc ? &other : err);
        rc = rc ? rc : printed;
    }
    return !rc && r->rank == 0 ? evaluate(s, r) : rc;
}

static int run_ranks(ffcl_session *s, sampling *r)
{
    int rc = 0;
    if (r->size > 1)
        ffcl_interrupt_keep(&s->interrupt);
    s->progress.quiet |= r->rank > 0;
    if (!r->cfg)
        rc = open_config(s, r);
    if (!rc)
        rc = check(s, r);
    if (!rc && r->is_dry)
        return ffcl_dry_run(s, r->cfg, r->json);
    if (!rc && !r->compares)
        rc = open_sampler(s, r);
    const int is_ready = !rc;
    if (!rc)
        rc = r->compares ? ffcl_compare_run(s, r->cfg) : sample(s, r);
    ffcl_interrupt_set(&s->interrupt, NULL);
    if (!rc && r->rank == 0 && !r->json && !s->progress.quiet && r->cfg->output.grid) {
        ffcl_progress_end(&s->progress);
        ffcl_preview_print(s, r->preview, r->cfg->output.grid);
    }
    if (r->json && r->rank == 0)
        ffcl_summary_print(s, &(ffcl_summary){
            .cfg = r->cfg, .sampler = r->sampler,
            .evaluation = r->is_evaluated ? &r->evaluation : NULL}, rc);
    ffcl_sampler_close(&r->sampler);
    if (!is_ready && r->size > 1) {
        /* The others are ended without a word, so this is the place for it. */
        ffcl_error_print(s);
        ffcl_ranks_close(-rc);
    }
    if (r->rank > 0)
        s->err.text[0] = '\0';     /* rank 0 has it, and reports it */
    else if (rc)
        ffcl_error_print(s);        /* mpirun may end this rank as soon as another has ended */
    ffcl_ranks_close(rc == FFCL_ENOMEM ? -rc : 0);
    return rc;
}

static int run_sample(ffcl_session *s)
{
    sampling r = {.size = 1};
    int rc = take_words(s, &r);
    if (rc)
        return rc;
    if (ffcl_option_text(s, "sandbox"))
        rc = open_in_sandbox(s, &r);
    ffcl_bus_watch();
    signal(SIGPIPE, SIG_IGN);   /* who reads what is printed may go; the images are wanted */
    /* Before MPI, whose threads would take the signals otherwise. */
    if (!s->progress.quiet)
        s->interrupt.parting = "\nffcl: stopped before the first image; what was there is as it "
                               "was\n";
    if (!rc)
        rc = ffcl_interrupt_watch(&s->interrupt, report_stop, &s->progress, &s->err);
    if (!rc)
        rc = ffcl_ranks_open(&r.rank, &r.size, &s->err);
    if (!rc)
        rc = run_ranks(s, &r);
    ffcl_config_close(&r.cfg);
    return rc;
}

static const ffcl_option options[] = {
    {"dry-run", 0, NULL, "print devices, plan, memory, disk and time, for which some images are "
     "computed; no output is written", NULL},
    {"overwrite", 0, NULL, "delete images that are in the way, those of other settings among them "
     "(output.overwrite=yes)", NULL},
    {"json", 0, NULL, "print what was done as one JSON object on stdout; with --dry-run, what "
     "would be", NULL},
    {"output", 'o', "FILE.png", "the grid (output.grid=FILE.png)", NULL},
    {"preview", 0, "HOW", "the grid in the terminal, at the end: auto (where stdout and stderr are "
     "one), off, kitty, sixel, blocks", NULL},
    {"profile", 0, "TRACE.json",
     "at the end, print where the device's time went, and write a trace for chrome://tracing or "
     "ui.perfetto.dev (ffcl-trace.json)", "ffcl-trace.json"},
    FFCL_OPTION_SANDBOX,
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_sample_command = {
    .name = "sample", .summary = "generate the images that an INI file asks for",
    .usage = "[sample] FILE.ini [section.key=value ...]\n"
             "-                   reads the INI file from standard input\n",
    .options = options,
    .help = "FILE.ini names the weights, the classes, the seed and the outputs, and\n"
            "section.key=value overrides one key of it; ffcl keys explains them all.\n"
            "\n"
            "  ffcl config/demo.ini\n"
            "  ffcl config/demo.ini sampler.seed=7 output.grid=seven.png\n",
    .run = run_sample,
};
