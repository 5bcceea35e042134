/* SPDX-License-Identifier: MIT
 * How busy others keep the processors: a CPU device's times are worth little then. */
#include <stdio.h>
#include <sys/times.h>
#include <time.h>

#include "bench.h"

void ffcl_bench_load_start(ffcl_bench_load *load)
{
    unsigned long long t[8] = {0};
    struct tms own;
    *load = (ffcl_bench_load){0};
    FILE *f = fopen("/proc/stat", "r");
    if (!f)
        return;
    /* user nice system idle iowait irq softirq steal */
    if (fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3], &t[4],
               &t[5], &t[6], &t[7]) == 8) {
        load->busy = (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]);
        load->total = load->busy + (double)(t[3] + t[4]);
    }
    fclose(f);
    times(&own);
    load->own = (double)(own.tms_utime + own.tms_stime);
}

double ffcl_bench_load_of_others(const ffcl_bench_load *since)
{
    ffcl_bench_load now;
    ffcl_bench_load_start(&now);
    const double total = now.total - since->total;
    const double others = now.busy - since->busy - (now.own - since->own);
    return total > 0 && others > 0 ? others / total : 0.0;
}

double ffcl_bench_load_now(void)
{
    ffcl_bench_load load;
    const struct timespec quarter = {.tv_nsec = 250000000};
    ffcl_bench_load_start(&load);
    nanosleep(&quarter, NULL);
    return ffcl_bench_load_of_others(&load);
}

void ffcl_bench_load_warn(double share, int is_over)
{
    static const double disturbs = 0.03;
    char text[120];
    if (share > disturbs) {
        snprintf(text, sizeof text, "other processes %s %.0f %% of the processors: these are not "
                 "the times of a quiet machine", is_over ? "had" : "have", 100 * share);
        ffcl_help_wrap(stdout, 0, 0, text);
    }
}
