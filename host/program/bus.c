/* SPDX-License-Identifier: MIT */
#include "program/bus.h"

#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "ffcl.h"
#include "program/driver_output.h"

/* Weights are used where they lie in the file: behind its end, if it was cut, there is nothing. */
static void report(int number, siginfo_t *info, void *context)
{
    static const char words[] = "ffcl: a weight file was cut short, or its disk failed, while it "
                                "was used: images that are there are whole, and with the file "
                                "as it was, run the same command again to resume\n";
    (void)context;
    static atomic_flag is_reported = ATOMIC_FLAG_INIT;
    const int is_sent = info->si_code == SI_USER || info->si_code == SI_QUEUE;
    /* Several threads may read behind the end at once: the first ends the process. */
    while (atomic_flag_test_and_set(&is_reported))
        pause();
    if ((!is_sent || info->si_pid == getpid()) &&
        write(ffcl_driver_output_own(), words, sizeof words - 1) >= 0)
        _exit(-FFCL_EFILE);
    signal(number, SIG_DFL);
    raise(number);
}

void ffcl_bus_watch(void)
{
    struct sigaction bus = {.sa_flags = SA_SIGINFO, .sa_sigaction = report};
    sigaction(SIGBUS, &bus, NULL);
}
