/* SPDX-License-Identifier: MIT */
#include "program/driver_output.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ffcl.h"
#include "os/address_space.h"

/* Bytes: kept at most, and shown. */
enum { MOST = 1 << 20, SHOWN = 4096 };

/* What ends a process of which a library has had enough. */
static const int deadly[] = {SIGABRT, SIGSEGV, SIGILL, SIGFPE};
enum { N_DEADLY = sizeof deadly / sizeof *deadly };

/* For handlers of signals, which get no argument; -1: nothing is kept. */
static struct sigaction before[N_DEADLY];

static struct {
    volatile sig_atomic_t own, kept, is_shown;
} fds = {-1, -1, 0};
static volatile sig_atomic_t is_over;       /* main has come to its end */

static int is_sanitized(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 1;
#elif defined(__has_feature)
    return __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
    return 0;
#endif
}

int ffcl_driver_output_own(void)
{
    return fds.own < 0 ? STDERR_FILENO : fds.own;
}

static void put(const char *text, size_t n)
{
    while (n) {
        ssize_t done = write(ffcl_driver_output_own(), text, n);
        if (done <= 0)
            return;
        text += done;
        n -= (size_t)done;
    }
}

/* Calls only what handlers of signals may call. */
void ffcl_driver_output_show(void)
{
    static const char heading[] = "ffcl: the driver or a library printed:\n";
    char text[SHOWN];
    struct stat s;
    if (fds.kept < 0 || fds.is_shown || fstat(fds.kept, &s) || s.st_size == 0)
        return;
    fds.is_shown = 1;
    const off_t from = s.st_size > SHOWN ? s.st_size - SHOWN : 0;
    ssize_t n = pread(fds.kept, text, sizeof text, from);
    if (n <= 0)
        return;
    /* A terminal obeys other control characters. */
    for (ssize_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t')
            text[i] = ' ';
    put(heading, sizeof heading - 1);
    put(text, (size_t)n);
    if (text[n - 1] != '\n')
        put("\n", 1);
}

static void show_and_die(int number)
{
    static const char sentence[] = "ffcl: the driver, or a library, gave up (abort); images that "
                                   "are there are whole; run the same command again to resume\n";
    if (number == SIGABRT)
        put(sentence, sizeof sentence - 1);
    ffcl_driver_output_show();
    for (size_t i = 0; i < N_DEADLY; i++)
        if (deadly[i] == number)
            sigaction(number, &before[i], NULL);
    raise(number);              /* what would have happened */
}

/* A handler of a driver stays, as it may live on what it catches, but for that of abort: LLVM's has
 * no way back to ours. */
static void watch(void)
{
    for (size_t i = 0; i < N_DEADLY; i++) {
        struct sigaction now, own = {.sa_handler = show_and_die};
        if (sigaction(deadly[i], NULL, &now) || now.sa_handler == show_and_die ||
            (deadly[i] != SIGABRT && now.sa_handler != SIG_DFL))
            continue;
        before[i] = now;
        sigaction(deadly[i], &own, NULL);
    }
}

/* A library may end the process, with 0, too, which main then does not see. */
static void ended_by_library(void)
{
    static const char sentence[] = "ffcl: the driver, or a library, ended the process in the "
                                   "middle of its work";
    char limit[160];
    if (is_over)
        return;
    ffcl_file_size_hint(limit, sizeof limit);
    put(sentence, sizeof sentence - 1);
    put(limit, strlen(limit));
    put("\n", 1);
    ffcl_driver_output_show();
    _exit(-FFCL_EOPENCL);
}

FILE *ffcl_driver_output_divert(void)
{
    const char *wanted = getenv("FFCL_DRIVER_OUTPUT");
    if (atexit(ended_by_library))
        return stderr;
    if ((wanted && wanted[0] == '1') || is_sanitized())
        return stderr;
    int own = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    int kept = memfd_create("driver output", MFD_CLOEXEC);
    FILE *messages = own >= 0 && kept >= 0 ? fdopen(own, "w") : NULL;
    if (!messages || fcntl(kept, F_SETFL, O_APPEND) ||
        dup2(kept, STDERR_FILENO) < 0) {
        if (messages)
            fclose(messages);
        else if (own >= 0)
            close(own);
        if (kept >= 0)
            close(kept);
        return stderr;
    }
    setvbuf(messages, NULL, _IONBF, 0);     /* as stderr */
    fds.own = own;
    fds.kept = kept;
    watch();
    return messages;
}

/* What is registered last runs first: before the handlers of libraries that have been loaded since,
 * which take away what their own threads still use. */
static void register_again(void)
{
    enum { TIMES = 4 };
    static int times;
    if (times < TIMES && !is_over)
        times += atexit(ended_by_library) == 0;
}

void ffcl_driver_output_tend(void)
{
    struct stat s;
    register_again();
    if (fds.kept < 0)
        return;
    watch();
    if (fstat(fds.kept, &s) == 0 && s.st_size > MOST && ftruncate(fds.kept, 0) < 0)
        return;
}

void ffcl_driver_output_restore(void)
{
    is_over = 1;
    if (fds.kept < 0)
        return;
    dup2(fds.own, STDERR_FILENO);
    close(fds.kept);
    fds.kept = -1;
    fds.own = -1;
}
