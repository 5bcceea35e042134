/* SPDX-License-Identifier: MIT */
#include "cl/compile_apart.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/binary_cache.h"
#include "cl/program.h"
#include "ffcl.h"
#include "os/child.h"
#include "util.h"

/* A process takes half a second to begin, so that fewer programs do not pay; and memory of the
 * device. */
enum { FEWEST_PROGRAMS = 4, MOST_PROCESSES = 8, SECONDS = 300 };
#define LEAST_MEMORY 4e9

/* Without a cache the processes would compile for nobody. */
static int has_cache(void)
{
    char why[400], *folder = ffcl_binary_folder();
    const int has = folder && !ffcl_binary_unused(why, sizeof why);
    free(folder);
    return has;
}

size_t ffcl_compile_processes(const ffcl_ctx *ctx, size_t n)
{
    const char *wish = getenv("FFCL_COMPILERS");
    const ffcl_caps *caps = &ctx->device.caps;
    size_t most = ffcl_min(ffcl_cores() / 2, MOST_PROCESSES);
    if (wish && *wish)
        most = strtoul(wish, NULL, 10);
    else if (!caps->nv_compute || (double)caps->global_bytes < LEAST_MEMORY)
        most = 0;
    return ctx->compiler && n >= FEWEST_PROGRAMS && most > 1 && has_cache() ? ffcl_min(most, n) : 0;
}

/* What the threads that wait for the processes share. */
typedef struct progress {
    ffcl_ctx *ctx;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t done, total, running;
} progress;

typedef struct worker {
    progress *all;
    const char *job;
    pthread_t thread;
    int is_thread;
} worker;

/* A process writes a line for each program. */
static void hear(void *user, const char *text, size_t n)
{
    progress *p = user;
    size_t lines = 0;
    for (size_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    pthread_mutex_lock(&p->lock);
    p->done += lines;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void *work(void *user)
{
    enum { ANSWER = 4096 };
    worker *w = user;
    ffcl_error none = {0, ""};
    char answer[ANSWER];
    ffcl_child child = {.program = w->all->ctx->compiler, .command = "compile-programs",
                        .job = w->job, .seconds = SECONDS, .answer = answer, .size = ANSWER,
                        .hear = hear, .user = w->all};
    ffcl_child_run(&child, &none);
    pthread_mutex_lock(&w->all->lock);
    w->all->running--;
    pthread_cond_signal(&w->all->changed);
    pthread_mutex_unlock(&w->all->lock);
    return NULL;
}

void ffcl_compile_apart(ffcl_ctx *ctx, char *const *jobs, size_t n, size_t total)
{
    progress all = {.ctx = ctx, .total = total};
    worker *workers = calloc(n, sizeof *workers);
    if (!workers)
        return;
    pthread_mutex_init(&all.lock, NULL);
    pthread_cond_init(&all.changed, NULL);
    pthread_mutex_lock(&all.lock);
    for (size_t i = 0; i < n; i++) {
        workers[i] = (worker){.all = &all, .job = jobs[i]};
        workers[i].is_thread = pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0;
        all.running += (size_t)workers[i].is_thread;
    }
    for (size_t reported = total + 1;;) {
        if (reported != all.done)
            ffcl_report(ctx->obs, FFCL_PHASE_COMPILE, NULL, reported = all.done, total);
        if (!all.running)
            break;
        pthread_cond_wait(&all.changed, &all.lock);
    }
    pthread_mutex_unlock(&all.lock);
    for (size_t i = 0; i < n; i++)
        if (workers[i].is_thread)
            pthread_join(workers[i].thread, NULL);
    pthread_mutex_destroy(&all.lock);
    pthread_cond_destroy(&all.changed);
    free(workers);
}

/* The process: the device's number, then a program a line. */
int ffcl_compile_programs(FILE *in, FILE *out)
{
    enum { LINE = 700 };
    char line[LINE], device[32] = "";
    ffcl_error err = {0, ""};
    ffcl_device chosen;
    ffcl_ctx *ctx = NULL;
    if (!fgets(line, sizeof line, in) || sscanf(line, "device %31s", device) != 1)
        return FFCL_EUSAGE;
    int rc = ffcl_device_select(&chosen, device, &err);
    if (rc == 0)
        rc = ffcl_ctx_open(&ctx, &chosen, NULL, NULL, &err);
    while (rc == 0 && fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = '\0';
        char *options = strchr(line, ' ');
        if (!options)
            return FFCL_EUSAGE;
        *options++ = '\0';
        ctx->err = &err;
        rc = ffcl_program_compile(ctx, line, options);
        fprintf(out, "%s\n", line);
        fflush(out);
    }
    /* Nothing is torn down: the process ends here. */
    return rc;
}
