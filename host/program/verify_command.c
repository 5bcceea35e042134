/* SPDX-License-Identifier: MIT
 * ffcl verify. */
#include "program/command.h"

/* What verify has found so far. */
typedef struct verify_result {
    ffcl_progress *progress;
    size_t ok, failed;
} verify_result;

static void print_tensor(void *user, const ffcl_verify_line *line)
{
    verify_result *v = user;
    ffcl_progress_end(v->progress);
    v->ok += line->ok > 0;
    v->failed += line->ok == 0;
    ffcl_help_line(stdout, 4, "%-19s %-11s  %s", line->name, line->text ? line->text : "",
                   line->ok > 0 ? "ok" : line->ok == 0 ? "FAILED" : "not checked");
    fflush(stdout);
}

static const char parting[] =
    "\nffcl: stopped: not all was compared, and nothing was written\n";

static int run_verify(ffcl_session *s)
{
    ffcl_config *cfg = NULL;
    const char *files[2];
    size_t first, n;
    double tolerance = 0;       /* each kind's own */
    verify_result v = {.progress = &s->progress};
    const ffcl_observer observer = {ffcl_progress_report, &s->progress};
    int rc = ffcl_take_files(s, files, 2, &first, &n);
    if (!rc)
        rc = ffcl_option_number(s, "tolerance", &tolerance);
    if (!rc && !files[0])
        rc = ffcl_bad_usage(s, "verify needs a safetensors file of recorded tensors", "");
    if (!rc)
        rc = ffcl_open_config(s, &cfg, files[1], first, n);
    if (!rc && ffcl_option_text(s, "sandbox"))
        rc = ffcl_sandbox(&(ffcl_sandbox_request){.cfg = cfg, .reads = {files[0]}}, &s->err);
    if (!rc)        /* by a thread, which has to be in the sandbox */
        rc = ffcl_interrupt_part(&s->interrupt, s->progress.quiet ? NULL : parting, &s->err);
    if (!rc)
        rc = ffcl_verify(files[0], cfg, tolerance, &observer, print_tensor, &v, &s->err);
    if (cfg && (!rc || v.ok || v.failed))
        printf("%zu tensors ok, %zu failed\n", v.ok, v.failed);
    ffcl_config_close(&cfg);
    return rc;
}

static const ffcl_option options[] = {
    {"tolerance", 0, "X", "largest relative error, instead of each kind's own", NULL},
    FFCL_OPTION_SANDBOX,
    {NULL, 0, NULL, NULL, NULL},
};

const ffcl_command ffcl_verify_command = {
    .name = "verify", .summary = "compare with recorded tensors of the original model",
    .usage = "verify REF.safetensors [FILE.ini] [section.key=value ...]\n",
    .options = options,
    .help = "Runs the model on the recorded inputs and compares every recorded output,\n"
            "layer by layer. Exit code 13 if one is over its tolerance.\n",
    .run = run_verify,
};
