/* SPDX-License-Identifier: MIT
 * A profile as a table and as a trace. */
#include <stdlib.h>
#include <string.h>

#include "cl/profile_lane.h"
#include "files/atomic.h"
#include "util.h"

static int by_seconds(const void *a, const void *b)
{
    double x = ((const ffcl_profile_line *)a)->seconds, y = ((const ffcl_profile_line *)b)->seconds;
    return (x < y) - (x > y);
}

static void add_label(ffcl_profile_line *rows, size_t *n, const profile_label *l)
{
    size_t i = 0;
    while (i < *n && (strcmp(rows[i].label, l->text) || strcmp(rows[i].stage, l->stage)))
        i++;
    if (i == *n)
        rows[(*n)++] = (ffcl_profile_line){.stage = l->stage, .label = l->text};
    rows[i].calls += l->calls;
    rows[i].seconds += l->seconds;
    rows[i].flops += l->cost.flops;
    rows[i].bytes += l->cost.bytes;
}

int ffcl_profile_table(ffcl_profile *profile, ffcl_profile_line **rows, size_t *n,
                       ffcl_error *err)
{
    size_t most = 1;
    for (ffcl_profile_lane *lane = profile->lanes; lane; lane = lane->next) {
        if (lane->ctx)
            ffcl_profile_finish(lane->ctx);
        most += lane->n_labels;
    }
    *n = 0;
    *rows = calloc(most, sizeof **rows);
    if (!*rows)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the profile's table");
    for (const ffcl_profile_lane *lane = profile->lanes; lane; lane = lane->next)
        for (size_t i = 0; i < lane->n_labels; i++)
            if (lane->labels[i].calls)
                add_label(*rows, n, &lane->labels[i]);
    qsort(*rows, *n, sizeof **rows, by_seconds);
    return 0;
}

/* A JSON string; names of devices may hold anything. */
static void put_string(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(f, "\\%c", *text);
        else if ((unsigned char)*text >= 0x20)
            fputc(*text, f);
    fputc('"', f);
}

/* Rows of a process in the trace. */
enum { ROW_COMMANDS = 1, ROW_STAGES, ROW_HOST };

static void put_name(FILE *f, const char *what, size_t pid, int tid, const char *name)
{
    fprintf(f, "{\"name\":\"%s\",\"ph\":\"M\",\"pid\":%zu,\"tid\":%d,\"args\":{\"name\":", what,
            pid, tid);
    put_string(f, name);
    fputs("}},\n", f);
}

/* Where a device's spans go: pid is its process there, started when the profile began. */
typedef struct trace {
    FILE *f;
    size_t pid;
    double started;
} trace;

/* Begins an object, which the caller ends. */
static void put_span(const trace *t, int row, const char *name, const char *stage, double begin,
                     double end)
{
    fputs("{\"name\":", t->f);
    put_string(t->f, name);
    fprintf(t->f,
            ",\"cat\":\"%s\",\"ph\":\"X\",\"ts\":%.3f,\"dur\":%.3f,\"pid\":%zu,\"tid\":%d",
            *stage ? stage : "other", 1e6 * (begin - t->started), 1e6 * (end - begin), t->pid,
            row);
}

static void put_lane(FILE *f, const ffcl_profile *p, const ffcl_profile_lane *lane)
{
    const size_t pid = lane->index + 1;
    const trace t = {f, pid, p->started};
    double begin = 0.0, end = 0.0;
    const char *stage = "";
    char title[160];
    snprintf(title, sizeof title, "device %zu: %s", lane->index, lane->name);
    put_name(f, "process_name", pid, 0, title);
    put_name(f, "thread_name", pid, ROW_COMMANDS, "commands");
    put_name(f, "thread_name", pid, ROW_STAGES, "stages");
    put_name(f, "thread_name", pid, ROW_HOST, "host");
    for (size_t i = 0; i < lane->n_entries; i++) {
        const profile_entry *e = &lane->entries[i];
        const profile_label *l = &lane->labels[e->label];
        if (strcmp(l->stage, FFCL_PROFILE_HOST) == 0) {
            put_span(&t, ROW_HOST, l->text, l->stage, e->begin, e->end);
            fputs("},\n", f);
            continue;
        }
        put_span(&t, ROW_COMMANDS, l->text, l->stage, e->begin, e->end);
        fprintf(f, ",\"args\":{\"GFLOP\":%.6g,\"MB\":%.6g}},\n", 1e-9 * e->cost.flops,
                1e-6 * e->cost.bytes);
        if (strcmp(stage, l->stage)) {
            if (*stage) {
                put_span(&t, ROW_STAGES, stage, stage, begin, end);
                fputs("},\n", f);
            }
            stage = l->stage;
            begin = e->begin;
        }
        end = e->end;
    }
    if (*stage) {
        put_span(&t, ROW_STAGES, stage, stage, begin, end);
        fputs("},\n", f);
    }
}

int ffcl_profile_trace(ffcl_profile *profile, const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    size_t dropped = 0;
    int rc = ffcl_atomic_open(&file, path, err);
    if (rc)
        return rc;
    fputs("{\"traceEvents\":[\n", file.stream);
    for (ffcl_profile_lane *lane = profile->lanes; lane; lane = lane->next) {
        if (lane->ctx)
            ffcl_profile_finish(lane->ctx);
        put_lane(file.stream, profile, lane);
        dropped += lane->dropped;
    }
    /* An event of no length ends the list, as JSON has no comma there. */
    fprintf(file.stream, "{\"name\":\"end\",\"ph\":\"i\",\"s\":\"g\",\"ts\":%.3f,\"pid\":1,"
            "\"tid\":1}],\n\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"program\":\"ffcl %s\","
            "\"commands left out\":\"%zu\"}}\n", 1e6 * (ffcl_clock() - profile->started),
            FFCL_VERSION, dropped);
    return ffcl_atomic_commit(&file, err);
}
