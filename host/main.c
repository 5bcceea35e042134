/* SPDX-License-Identifier: MIT
 * The program ffcl: runs a command of host/program/commands.c; the work is behind ffcl.h. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ffcl.h"
#include "files/tilde.h"
#include "program/command.h"
#include "program/driver_output.h"
#include "program/error_line.h"

/* A closed descriptor 0, 1 or 2 would be given to the next file that is opened, and what is printed
 * would go into that.  Limits on files fail the write, as a full disk does, and end nothing. */
static int prepare_process(ffcl_error *err)
{
    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF && open("/dev/null", O_RDWR) != fd) {
            err->code = FFCL_EFILE;
            snprintf(err->text, sizeof err->text, "descriptor %d is closed, and /dev/null cannot "
                     "be opened in its place", fd);
            return err->code;
        }
    signal(SIGXFSZ, SIG_IGN);
    return 0;
}

/* Folders that the environment names, as files of settings hold them; what names nobody's home
 * stays a path. */
static void expand_folders(void)
{
    static const char *const names[] = {"FFCL_CACHE_DIR", "FFCL_CL_DIR"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        char *path;
        ffcl_error ignored;
        if (!value || *value != '~' || ffcl_tilde(&path, value, &ignored))
            continue;
        setenv(names[i], path, 1);
        free(path);
    }
}

/* --color, and what no-color.org asks for. */
static int choose_colors(ffcl_session *s)
{
    const char *when = ffcl_option_text(s, "color"), *no = getenv("NO_COLOR");
    const char *terminal = getenv("TERM");
    const int is_auto = !when || !strcmp(when, "auto");
    s->progress.color = is_auto ? s->progress.is_terminal && !(no && *no) && terminal &&
                                      strcmp(terminal, "dumb") != 0
                                : !strcmp(when, "always");
    return is_auto || s->progress.color || !strcmp(when, "never")
               ? 0 : ffcl_bad_usage(s, "--color is auto, always or never, not", when);
}

static int dispatch(ffcl_session *s, int argc, char **argv)
{
    const int rc = ffcl_options_parse(s, argc, argv);
    FILE *messages = ffcl_driver_output_divert();
    ffcl_progress_init(&s->progress, messages, isatty(fileno(messages)),
                       ffcl_option_text(s, "quiet") != NULL);
    s->progress.verbose = ffcl_option_text(s, "verbose") != NULL;
    const int colored = choose_colors(s);
    if (rc || colored)
        return rc ? rc : colored;
    if (ffcl_option_text(s, "help")) {
        if (s->command == &ffcl_sample_command && !s->is_named)
            ffcl_help_print(stdout);
        else
            ffcl_help_print_command(stdout, s->command);
        return 0;
    }
    if (ffcl_option_text(s, "version")) {
        s->n_words = 0;         /* behind whatever else, as --help */
        return ffcl_version_command.run(s);
    }
    return s->command->run(s);
}

int main(int argc, char **argv)
{
    ffcl_session s = {0};
    int rc = prepare_process(&s.err);
    expand_folders();
    if (!rc)
        rc = dispatch(&s, argc, argv);

    ffcl_progress_end(&s.progress);
    errno = 0;
    if ((fflush(stdout) || ferror(stdout)) && !rc) {
        /* Of a write before this one errno is gone; once more, it fails as that did. */
        clearerr(stdout);
        if (!errno && putchar('\n') != EOF)
            fflush(stdout);
        rc = FFCL_EOUTPUT;
        snprintf(s.err.text, sizeof s.err.text, "cannot write to stdout: %s",
                 errno ? strerror(errno) : "an earlier write failed");
    }
    if (rc)
        ffcl_error_print(&s);
    if (rc == FFCL_EBUILD || rc == FFCL_EOPENCL || s.progress.verbose)
        ffcl_driver_output_show();
    ffcl_driver_output_restore();
    if (rc == FFCL_ESTOPPED)
        ffcl_interrupt_die(&s.interrupt);
    return -rc;
}
