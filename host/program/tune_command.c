/* SPDX-License-Identifier: MIT
 * ffcl tune, and the process that it starts for each candidate. */
#include "program/command.h"

static void print_line(void *user, const char *line)
{
    ffcl_progress_end(user);
    ffcl_help_line(stdout, 4, "%s", line);
}

static void report_stop(void *user)
{
    (void)user;
}

static int run_tune(ffcl_session *s)
{
    ffcl_config *cfg = NULL;
    double minutes = 10;
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    int rc = ffcl_option_number(s, "minutes", &minutes);
    /* What was found is kept as it is found, so Ctrl-C ends the program there and then. */
    if (!s->progress.quiet)
        s->interrupt.parting = "\nffcl: stopped: what was tried is kept; run the same command "
                               "again to resume\n";
    if (!rc)
        rc = ffcl_interrupt_watch(&s->interrupt, report_stop, &s->progress, &s->err);
    if (!rc)
        rc = ffcl_take_config(s, &cfg);
    if (!rc)
        rc = ffcl_tune(cfg, minutes, FFCL_OWN_PROGRAM, &observer, print_line, &s->progress,
                       &s->err);
    ffcl_config_close(&cfg);
    return rc;
}

static const ffcl_option options[] = {
    {"minutes", 0, "N", "how long to look (10)", NULL},
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_tune_command = {
    .name = "tune", .summary = "find fast parameters of CLBlast for a device",
    .usage = "tune [FILE.ini] [section.key=value ...]\n",
    .options = options,
    .help = "Times the GEMMs of FILE.ini's model and batch, or of SiT-XL/2 at 256 x 256,\n"
            "with many parameters of CLBlast. Later runs on the device take what was found\n"
            "([blas] tuning = auto), where CLBlast multiplies in float32. What was tried is\n"
            "kept; after Ctrl-C, run the same command again to resume.\n",
    .run = run_tune,
};

static int run_candidate(ffcl_session *s)
{
    return ffcl_answer_by(s, ffcl_tune_candidate);
}

const ffcl_command ffcl_tune_candidate_command = {
    .name = "tune-candidate", .summary = "time one configuration, for ffcl tune",
    .usage = "tune-candidate\n", .help = "", .run = run_candidate, .is_hidden = 1,
};
