/* SPDX-License-Identifier: MIT */
#include "program/profile_table.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "program/lines.h"

/* Rows below this share of the time are added up in one. */
static const double least_share = 0.0005;

void ffcl_profile_table_add(void *user, const ffcl_profile_line *line)
{
    ffcl_profile_table *t = user;
    if (t->n == t->room) {
        size_t room = t->room ? 2 * t->room : 64;
        ffcl_profile_line *grown = realloc(t->lines, room * sizeof *grown);
        if (!grown) {
            t->is_short = 1;
            return;
        }
        t->lines = grown;
        t->room = room;
    }
    t->lines[t->n++] = *line;
}

void ffcl_profile_table_close(ffcl_profile_table *table)
{
    free(table->lines);
    *table = (ffcl_profile_table){0};
}

/* A rate with three digits, blank where there is none. */
static void rate_text(char *text, size_t size, double amount, double seconds)
{
    double rate = seconds > 0 ? 1e-9 * amount / seconds : 0.0;
    text[0] = '\0';
    if (rate > 0)
        snprintf(text, size, "%.*f", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate);
}

/* A longer command has a line of its own: so all of them fit 80 columns. */
enum { MOST_WIDTH = 38 };

static ffcl_table columns_of(FILE *out, int width)
{
    ffcl_table t = {
        .column = {{.head = "stage", .width = 5, .is_left = 1},
                   {.head = "command", .width = width, .gap = 1, .is_left = 1},
                   {.head = "calls", .width = 5, .gap = 1, .rank = 1},
                   {.head = "ms", .width = 7, .gap = 1},
                   {.head = "share", .width = 6, .gap = 1},
                   {.head = "GFLOP/s", .width = 7, .gap = 1, .rank = 2},
                   {.head = "GB/s", .width = 5, .gap = 1, .rank = 3}},
        .n = 7, .n_names = 2, .most = ffcl_help_columns(out, INT_MAX)};
    ffcl_table_fit(&t);
    return t;
}

static void print_line(FILE *out, const ffcl_table *t, const ffcl_profile_line *l, double total)
{
    char calls[24], ms[24], share[24], flops[24], bytes[24];
    snprintf(calls, sizeof calls, "%llu", (unsigned long long)l->calls);
    snprintf(ms, sizeof ms, "%.2f", 1e3 * l->seconds);
    snprintf(share, sizeof share, "%.1f%%", 100 * l->seconds / total);
    rate_text(flops, sizeof flops, l->flops, l->seconds);
    rate_text(bytes, sizeof bytes, l->bytes, l->seconds);
    ffcl_help_row(out, t, (const char *const[]){l->stage, l->label, calls, ms, share, flops,
                                                bytes});
}

static void add(ffcl_profile_line *to, const ffcl_profile_line *l)
{
    to->calls += l->calls;
    to->seconds += l->seconds;
    to->flops += l->flops;
    to->bytes += l->bytes;
}

/* The sum of each stage, in the order of their largest rows. */
static void print_stages(FILE *out, const ffcl_profile_table *t, const ffcl_table *columns,
                         double total)
{
    for (size_t i = 0; i < t->n; i++) {
        size_t first = 0;
        while (strcmp(t->lines[first].stage, t->lines[i].stage))
            first++;
        if (first < i)
            continue;
        ffcl_profile_line sum = {.stage = t->lines[i].stage,
                                 .label = *t->lines[i].stage ? "total" : "total, no stage"};
        for (size_t k = i; k < t->n; k++)
            if (!strcmp(t->lines[k].stage, t->lines[i].stage))
                add(&sum, &t->lines[k]);
        print_line(out, columns, &sum, total);
    }
}

void ffcl_profile_table_print(const ffcl_profile_table *t, FILE *out)
{
    ffcl_profile_line all = {.stage = "", .label = "total"};
    ffcl_profile_line rest = {.stage = "", .label = "others"};
    int width = 12;
    for (size_t i = 0; i < t->n; i++)
        add(&all, &t->lines[i]);
    for (size_t i = 0; i < t->n; i++) {
        int length = (int)strlen(t->lines[i].label);
        if (t->lines[i].seconds >= least_share * all.seconds && length > width)
            width = length < MOST_WIDTH ? length : MOST_WIDTH;
    }
    if (t->n == 0 || all.seconds <= 0)
        return;
    const ffcl_table columns = columns_of(out, width);
    ffcl_help_row(out, &columns, NULL);
    for (size_t i = 0; i < t->n; i++) {
        if (t->lines[i].seconds >= least_share * all.seconds)
            print_line(out, &columns, &t->lines[i], all.seconds);
        else
            add(&rest, &t->lines[i]);
    }
    if (rest.calls)
        print_line(out, &columns, &rest, all.seconds);
    print_stages(out, t, &columns, all.seconds);
    print_line(out, &columns, &all, all.seconds);
    if (t->is_short)
        fputs("(memory did not suffice for all rows)\n", out);
}
