/* SPDX-License-Identifier: MIT
 * ffcl tune's end of the pipe: a candidate's job as text, and its answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/child.h"
#include "tune/candidate.h"
#include "util.h"

const char *ffcl_tune_end_name(ffcl_tune_end end)
{
    static const char *const names[] = {"timed", "slow", "wrong", "refused", "crashed", "hung"};
    return names[end];
}

/* The job as text, short enough for a pipe's buffer; the caller's to free. */
static char *job_text(const ffcl_tune_job *job)
{
    char *line = ffcl_tuning_line(job->parameters);
    char *text = line ? ffcl_format("device %zu:%zu\nparameters %s\n", job->device->platform_index,
                                    job->device->device_index, line) : NULL;
    free(line);
    for (size_t i = 0; text && i < job->n_shapes; i++) {
        const ffcl_tune_shape *s = &job->shapes[i];
        char *longer = ffcl_format("%sshape %zu %zu %zu %d %.6g\n", text, s->m, s->n, s->k,
                                   s->a_kmajor, job->limits ? job->limits[i] : 1e30);
        free(text);
        text = longer;
    }
    return text;
}

/* "ms X" a shape, then how it ended. */
static void understand(ffcl_tune_result *r, char *text, size_t n_shapes)
{
    char *rest = NULL;
    r->end = FFCL_TUNE_CRASHED;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        double ms;
        if (sscanf(line, "ms %lf", &ms) == 1 && r->n < n_shapes)
            r->ms[r->n++] = ms;
        for (int end = FFCL_TUNE_TIMED; end <= FFCL_TUNE_REFUSED; end++)
            if (strcmp(line, ffcl_tune_end_name((ffcl_tune_end)end)) == 0)
                r->end = (ffcl_tune_end)end;
    }
}

int ffcl_tune_try(const ffcl_tune_job *job, ffcl_tune_result *result, ffcl_error *err)
{
    /* Programs that are built once should not fill drivers' caches, unless the user says so. */
    static const char *const usual[] = {"POCL_KERNEL_CACHE", "0", "CUDA_CACHE_DISABLE", "1", NULL};
    static const char *const set[] = {"FFCL_TUNE_CANDIDATE", "1", NULL};
    char answer[4096] = "";
    char *text = job_text(job);
    *result = (ffcl_tune_result){.end = FFCL_TUNE_CRASHED};
    if (!text)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a candidate");
    ffcl_child child = {.program = job->program, .command = "tune-candidate", .job = text,
                        .set = set, .usual = usual, .seconds = job->seconds, .answer = answer,
                        .size = sizeof answer};
    int rc = ffcl_child_run(&child, err);
    understand(result, answer, job->n_shapes);
    if (child.end == FFCL_CHILD_HUNG)
        result->end = FFCL_TUNE_HUNG;
    result->seconds = child.took;
    free(text);
    return rc;
}
