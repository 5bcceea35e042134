/* SPDX-License-Identifier: MIT
 * ffcl FILE.ini: generates what an INI file asks for. */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "program/bus.h"
#include "program/command.h"
#include "program/compare.h"
#include "program/error_line.h"
#include "program/profile_table.h"

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

/* The table of a run's profile, and its trace. */
static int print_profile(ffcl_sampler *sampler, const char *trace, ffcl_progress *progress,
                         ffcl_error *err)
{
    ffcl_profile_table table = {0};
    int rc = ffcl_sampler_profile(sampler, ffcl_profile_table_add, &table, err);
    ffcl_progress_end(progress);
    ffcl_profile_table_print(&table, stdout);
    ffcl_profile_table_close(&table);
    if (!rc)
        printf("trace: %s, for chrome://tracing or ui.perfetto.dev\n", trace);
    return rc;
}

/* What the words say; *ini, *trace and the overrides n from first.  A word that is neither a file
 * nor looks like the name of one was to be a command. */
static int take_words(ffcl_session *s, const char **ini, const char **trace, size_t *first,
                      size_t *n)
{
    struct stat info;
    int rc = ffcl_take_files(s, ini, 1, first, n);
    *trace = ffcl_option_text(s, "profile");
    if (!s->n_words && !s->is_named && !s->progress.quiet)
        fputs(first_words, s->progress.out);
    if (!s->n_words)
        return ffcl_bad_usage(s, "no INI file and no command given", "");
    const char *word = s->words[0];
    if (*ini && strcmp(word, "-") && !strpbrk(word, "./") && stat(word, &info) < 0) {
        const char *nearest = ffcl_command_nearest(word);
        s->err.code = FFCL_EUSAGE;
        snprintf(s->err.text, sizeof s->err.text, "%.200s is neither a command nor a file%s%s%s; "
                 "see ffcl --help", word, nearest ? " (did you mean ffcl " : "",
                 nearest ? nearest : "", nearest ? "?)" : "");
        return s->err.code;
    }
    if (!rc && !*ini)
        rc = ffcl_bad_usage(s, "an INI file must come before", word);
    if (!rc && *trace && !**trace)
        rc = ffcl_bad_usage(s, "--profile= needs the name of a file", "");
    return rc;
}

/* Options that are short for a key. */
static int set_options(ffcl_session *s, ffcl_config *cfg)
{
    const char *grid = ffcl_option_text(s, "output");
    char assignment[4096];
    int rc = 0;
    if (ffcl_option_text(s, "overwrite"))
        rc = ffcl_config_set(cfg, "output.overwrite=yes", &s->err);
    if (!rc && grid && snprintf(assignment, sizeof assignment, "output.grid=%s", grid) >=
        (int)sizeof assignment)
        return ffcl_bad_usage(s, "--output: the path is too long", "");
    if (!rc && grid)
        rc = ffcl_config_set(cfg, assignment, &s->err);
    return rc;
}

static int open_sampler(ffcl_session *s, ffcl_sampler **sampler, const ffcl_config *cfg)
{
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    int rc = ffcl_sampler_open(sampler, cfg, &observer, &s->err);
    ffcl_bus_watch();
    ffcl_interrupt_set(&s->interrupt, *sampler);
    return rc;
}

/* As [eval] asks for, when the images are there.  A failure loses no images: they are on disk. */
static int evaluate(ffcl_session *s, ffcl_sampler *sampler)
{
    ffcl_evaluation evaluation;
    int is_done, rc = ffcl_sampler_evaluate(sampler, &evaluation, &is_done, &s->err);
    ffcl_progress_end(&s->progress);
    if (is_done)
        ffcl_evaluation_print_line(&evaluation);
    return rc;
}

/* The configuration, where files are given up before anything else runs. */
static int open_in_sandbox(ffcl_session *s, ffcl_config **cfg, const char *ini, size_t first,
                           size_t n, const char *trace)
{
    int rc = ffcl_open_config(s, cfg, ini, first, n);
    if (!rc)
        rc = set_options(s, *cfg);
    if (!rc)
        rc = ffcl_config_check_outputs(*cfg, &s->err);
    return rc ? rc : ffcl_sandbox(&(ffcl_sandbox_request){.cfg = *cfg, .outputs = 1,
                                                          .writes = {trace}}, &s->err);
}

/* [output] compare, of one process and without a profile. */
static int compare(ffcl_session *s, const ffcl_config *cfg, size_t ranks, const char *trace)
{
    return ranks > 1 || trace ? ffcl_fail(&s->err, FFCL_ECONFIG, "[output] compare is for one "
                                          "process and goes without --profile")
                              : ffcl_compare_run(s, cfg);
}

static int run_sample(ffcl_session *s)
{
    ffcl_config *cfg = NULL;
    ffcl_sampler *sampler = NULL;
    ffcl_error *err = &s->err, other = {0};
    const char *ini, *trace;
    size_t rank = 0, size = 1, first, n;
    int rc = take_words(s, &ini, &trace, &first, &n);
    if (rc)
        return rc;
    if (ffcl_option_text(s, "sandbox"))
        rc = open_in_sandbox(s, &cfg, ini, first, n, trace);
    ffcl_bus_watch();
    signal(SIGPIPE, SIG_IGN);   /* who reads what is printed may go; the images are wanted */
    /* Before MPI, whose threads would take the signals otherwise. */
    if (!s->progress.quiet)
        s->interrupt.parting = "\nffcl: stopped before the first image; what was there is as it "
                               "was\n";
    if (!rc)
        rc = ffcl_interrupt_watch(&s->interrupt, report_stop, &s->progress, err);
    if (!rc)
        rc = ffcl_ranks_open(&rank, &size, err);
    if (rc) {
        ffcl_config_close(&cfg);
        return rc;
    }
    if (size > 1)
        ffcl_interrupt_keep(&s->interrupt);
    s->progress.quiet |= rank > 0;
    const int is_open = cfg != NULL;
    if (!is_open)
        rc = ffcl_open_config(s, &cfg, ini, first, n);
    if (!rc && !is_open)
        rc = set_options(s, cfg);
    /* Rank 0 alone: the others would find its lock. */
    if (!rc && rank == 0)
        rc = ffcl_config_check_outputs(cfg, err);
    if (!rc && rank == 0)
        rc = ffcl_config_check_evaluation(cfg, err);
    if (!rc && rank == 0 && trace)
        rc = ffcl_config_profile(cfg, FFCL_PROFILE_COMMANDS, trace, err);
    const int compares = !rc && strcmp(cfg->output.compare, "none") != 0;
    if (!rc && !compares)
        rc = open_sampler(s, &sampler, cfg);
    int is_ready = !rc;
    if (!rc)
        rc = compares ? compare(s, cfg, size, trace) : ffcl_sampler_run(sampler, err);
    ffcl_interrupt_set(&s->interrupt, NULL);
    /* Of a run that was stopped or failed, too; its own failure is the one to report. */
    if (is_ready && rank == 0 && trace && !compares) {
        int printed = print_profile(sampler, trace, &s->progress, rc ? &other : err);
        rc = rc ? rc : printed;
    }
    if (!rc && rank == 0 && !compares)
        rc = evaluate(s, sampler);
    ffcl_sampler_close(&sampler);
    ffcl_config_close(&cfg);
    if (!is_ready && size > 1) {
        /* The others are ended without a word, so this is the place for it. */
        ffcl_error_print(s);
        ffcl_ranks_close(-rc);
    }
    if (rank > 0)
        err->text[0] = '\0';        /* rank 0 has it, and reports it */
    else if (rc)
        ffcl_error_print(s);        /* mpirun may end this rank as soon as another has ended */
    ffcl_ranks_close(rc == FFCL_ENOMEM ? -rc : 0);
    return rc;
}

static const ffcl_option options[] = {
    {"overwrite", 0, NULL, "delete images that are in the way, those of other settings among them "
     "(output.overwrite=yes)", NULL},
    {"output", 'o', "FILE.png", "the grid (output.grid=FILE.png)", NULL},
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
