/* SPDX-License-Identifier: MIT
 * ffcl selfcheck, and the process of a trial. */
#include "program/command.h"

static void print_line(void *user, const char *line)
{
    ffcl_progress_end(user);
    ffcl_help_line(stdout, 6, "%s", line);
    fflush(stdout);
}

static const char parting[] =
    "\nffcl: stopped: not all was checked; what was counts, and the same command begins anew\n";

static int run_selfcheck(ffcl_session *s)
{
    ffcl_config *cfg = NULL;
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    int rc = ffcl_interrupt_part(&s->interrupt, s->progress.quiet ? NULL : parting, &s->err);
    if (!rc)
        rc = ffcl_take_config(s, &cfg);
    if (!rc)
        rc = ffcl_selfcheck(cfg, &observer, print_line, &s->progress, &s->err);
    ffcl_config_close(&cfg);
    return rc;
}

const ffcl_command ffcl_selfcheck_command = {
    .name = "selfcheck", .summary = "check and time who multiplies matrices on a device",
    .usage = "selfcheck [FILE.ini] [section.key=value ...]\n",
    .help = "Repeats every self-check of the device, and on a GPU the trial of its matrix\n"
            "unit and GEMMs, at the sizes of FILE.ini's model or of SiT-XL/2. The results\n"
            "count at later starts. Exit code 13 if a check fails.\n",
    .run = run_selfcheck,
};

static int run_trial(ffcl_session *s)
{
    return ffcl_answer_by(s, ffcl_unit_trial);
}

const ffcl_command ffcl_unit_trial_command = {
    .name = "unit-trial", .summary = "try a matrix unit, for a device's first start",
    .usage = "unit-trial\n", .help = "", .run = run_trial, .is_hidden = 1,
};
