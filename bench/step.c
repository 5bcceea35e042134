/* SPDX-License-Identifier: MIT
 * Times the whole step (noise, SiT, VAE, bytes back on the host) through the public API:
 *   step FILE.ini REPEATS [section.key=value ...]
 * One line for the time from the program's start until everything is loaded, when the first pass
 * can begin; one for the median, least and greatest time of a batch, after two warm-up batches.
 * Batches are consecutive pictures, as in a long run; sampler.count should be REPEATS + 2
 * batches. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "ffcl.h"

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(void *user, ffcl_phase phase, const char *text, uint64_t done, uint64_t total)
{
    (void)user;
    (void)done;
    (void)total;
    if (phase == FFCL_PHASE_NOTE || phase == FFCL_PHASE_WARN)
        fprintf(stderr, "%s\n", text);
}

static int measure(ffcl_sampler *s, int repeats, ffcl_error *err)
{
    ffcl_shape_info shape;
    ffcl_sampler_shape(s, &shape);
    double *ms = malloc((size_t)repeats * sizeof *ms);
    uint8_t *rgb = malloc(shape.batch * shape.height * shape.width * 3);
    int rc = ms && rgb ? 0 : FFCL_ENOMEM;
    for (int i = -2; rc == 0 && i < repeats; i++) {
        double start = now_ms();
        rc = ffcl_sampler_draw(s, (size_t)(i + 2) * shape.batch, shape.batch, rgb, err);
        if (i >= 0)
            ms[i] = now_ms() - start;
    }
    if (rc == 0) {
        qsort(ms, (size_t)repeats, sizeof *ms, by_value);
        double median = ms[repeats / 2];
        printf("ffcl batch %zu: total %.2f ms (%.2f to %.2f), %.2f images/s\n", shape.batch, median,
               ms[0], ms[repeats - 1], 1e3 * (double)shape.batch / median);
    }
    free(ms);
    free(rgb);
    return rc;
}

int main(int argc, char **argv)
{
    ffcl_config *cfg = NULL;
    ffcl_sampler *s = NULL;
    ffcl_error err = {0, ""};
    const ffcl_observer observer = {report, NULL};
    const double begun = now_ms();
    int repeats = argc > 2 ? atoi(argv[2]) : 0;
    if (repeats < 1) {
        fprintf(stderr, "usage: step FILE.ini REPEATS [section.key=value ...]\n");
        return -FFCL_EUSAGE;
    }
    int rc = ffcl_config_open(&cfg, argv[1], &err);
    for (int i = 3; rc == 0 && i < argc; i++)
        rc = ffcl_config_set(cfg, argv[i], &err);
    if (rc == 0)
        rc = ffcl_sampler_open(&s, cfg, &observer, &err);
    if (rc == 0) {
        printf("ffcl: loaded after %.0f ms\n", now_ms() - begun);
        fflush(stdout);
        rc = measure(s, repeats, &err);
    }
    if (rc)
        fprintf(stderr, "step: %s\n", err.text);
    ffcl_sampler_close(&s);
    ffcl_config_close(&cfg);
    return -rc;
}
