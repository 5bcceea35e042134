/* SPDX-License-Identifier: MIT */
#include "os/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util.h"

static void put_into_environment(const char *const *pairs, int overwrite)
{
    for (; pairs && *pairs; pairs += 2)
        setenv(pairs[0], pairs[1], overwrite);
}

/* In the new process. */
static void become(const ffcl_child *c, const int *in, const int *out)
{
    char *const arguments[] = {(char *)"ffcl", (char *)(uintptr_t)c->command, NULL};
    int nothing = open("/dev/null", O_WRONLY);
    /* It ends with its parent, and not before: a Ctrl-C is for the parent, who would take its end
     * for a crash. */
    static const int theirs[] = {SIGINT, SIGTERM, SIGHUP, SIGXCPU};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (size_t i = 0; i < sizeof theirs / sizeof *theirs; i++)
        signal(theirs[i], SIG_IGN);
    put_into_environment(c->usual, 0);
    put_into_environment(c->set, 1);
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    dup2(nothing, STDERR_FILENO);
    for (int fd = 3; fd < 256; fd++)
        close(fd);
    execv(c->program, arguments);
    _exit(127);
}

/* Reads until the end, the deadline or a full text; 1 where the end came. */
static int listen_to(int fd, char *text, size_t size, double deadline)
{
    size_t used = 0;
    text[0] = '\0';
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

static void close_pair(int *fds)
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* The child's end, whose answer is read already. */
static int await(ffcl_child *c, pid_t pid, int ended, ffcl_error *err)
{
    int status = 0;
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    c->end = !ended                   ? FFCL_CHILD_HUNG
             : !WIFEXITED(status)     ? FFCL_CHILD_CRASHED
             : WEXITSTATUS(status)    ? FFCL_CHILD_FAILED
                                      : FFCL_CHILD_DONE;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return ffcl_fail(err, FFCL_EUSAGE, "%s cannot be started for %s", c->program, c->command);
    return 0;
}

int ffcl_child_run(ffcl_child *c, ffcl_error *err)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, rc = 0;
    const double began = ffcl_clock();
    const ssize_t length = (ssize_t)strlen(c->job);
    /* The job fits a pipe's buffer, so that writing it waits for nobody. */
    pid_t pid = pipe(in) == 0 && pipe(out) == 0 &&
                write(in[1], c->job, (size_t)length) == length ? fork() : -1;
    if (pid == 0)
        become(c, in, out);
    if (pid < 0)
        rc = ffcl_fail(err, FFCL_ENOMEM, "a process for %s cannot be started: %s", c->command,
                       strerror(errno));
    if (rc == 0) {
        close(in[1]);
        close(out[1]);
        in[1] = out[1] = -1;
        rc = await(c, pid, listen_to(out[0], c->answer, c->size, began + c->seconds), err);
    }
    c->took = ffcl_clock() - began;
    close_pair(in);
    close_pair(out);
    return rc;
}
