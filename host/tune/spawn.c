/* SPDX-License-Identifier: MIT
 * ffcl tune's end of the pipe: starts a candidate's process, writes its job, reads its answer. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

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

/* In the new process. */
static void become(const char *program, const int *in, const int *out)
{
    char *const arguments[] = {(char *)"ffcl", (char *)"tune-candidate", NULL};
    int nothing = open("/dev/null", O_WRONLY);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* Programs that are built once should not fill drivers' caches, unless the user says so. */
    setenv("POCL_KERNEL_CACHE", "0", 0);
    setenv("CUDA_CACHE_DISABLE", "1", 0);
    setenv("FFCL_TUNE_CANDIDATE", "1", 1);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    execv(program, arguments);
    _exit(127);
}

/* Reads until the end, the deadline or a full text; 1 where the end came. */
static int listen_to(int fd, char *text, size_t size, double deadline)
{
    size_t used = 0;
    for (;;) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        double left = deadline - ffcl_clock();
        if (left <= 0 || used + 1 >= size)
            return 0;
        int ready = poll(&wait, 1, (int)(left * 1e3) + 1);
        if (ready < 0 && errno != EINTR)
            return 0;
        if (ready <= 0)
            continue;
        ssize_t n = read(fd, text + used, size - 1 - used);
        if (n == 0)
            return 1;
        if (n > 0)
            used += (size_t)n;
        text[used] = '\0';
    }
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

static void close_pair(int *fds)
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

int ffcl_tune_try(const ffcl_tune_job *job, ffcl_tune_result *result, ffcl_error *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, status = 0, rc = 0;
    char answer[4096] = "";
    double began = ffcl_clock();
    char *text = job_text(job);
    *result = (ffcl_tune_result){.end = FFCL_TUNE_CRASHED};
    if (!text)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a candidate");
    pid_t child = pipe(in) == 0 && pipe(out) == 0 &&
                  write(in[1], text, strlen(text)) == (ssize_t)strlen(text) ? fork() : -1;
    if (child == 0)
        become(job->program, in, out);
    if (child < 0)
        rc = ffcl_fail(err, FFCL_ENOMEM, "a candidate's process cannot be started: %s",
                       strerror(errno));
    if (rc == 0) {
        close(in[1]);
        close(out[1]);
        in[1] = out[1] = -1;
        int ended = listen_to(out[0], answer, sizeof answer, began + job->seconds);
        if (!ended)
            kill(child, SIGKILL);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
        understand(result, answer, job->n_shapes);
        if (!ended)
            result->end = FFCL_TUNE_HUNG;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
            rc = ffcl_fail(err, FFCL_EUSAGE, "%s cannot be started for a candidate", job->program);
    }
    result->seconds = ffcl_clock() - began;
    close_pair(in);
    close_pair(out);
    free(text);
    return rc;
}
