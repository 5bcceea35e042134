/* SPDX-License-Identifier: MIT */
#include "program/profile_table.h"

#include <stdlib.h>
#include <string.h>

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
static void print_rate(FILE *out, int width, double amount, double seconds)
{
    double rate = seconds > 0 ? 1e-9 * amount / seconds : 0.0;
    if (rate <= 0)
        fprintf(out, "%*s", width, "");
    else
        fprintf(out, "%*.*f", width, rate < 10 ? 2 : rate < 100 ? 1 : 0, rate);
}

/* A longer command has a line of its own: so all of them fit 80 columns. */
enum { MOST_WIDTH = 38 };

static void print_line(FILE *out, int width, const ffcl_profile_line *l, double total)
{
    const int is_long = (int)strlen(l->label) > width;
    if (is_long)
        fprintf(out, "%-5s %s\n", l->stage, l->label);
    fprintf(out, "%-5s %-*s %4llu %8.2f %5.1f%%", is_long ? "" : l->stage, width,
            is_long ? "" : l->label, (unsigned long long)l->calls, 1e3 * l->seconds,
            100 * l->seconds / total);
    print_rate(out, 8, l->flops, l->seconds);
    print_rate(out, 6, l->bytes, l->seconds);
    fputc('\n', out);
}

static void add(ffcl_profile_line *to, const ffcl_profile_line *l)
{
    to->calls += l->calls;
    to->seconds += l->seconds;
    to->flops += l->flops;
    to->bytes += l->bytes;
}

/* The sum of each stage, in the order of their largest rows. */
static void print_stages(FILE *out, const ffcl_profile_table *t, int width, double total)
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
        print_line(out, width, &sum, total);
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
    fprintf(out, "%-5s %-*s %5s %7s %6s %7s %5s\n", "stage", width, "command", "calls", "ms",
            "share", "GFLOP/s", "GB/s");
    for (size_t i = 0; i < t->n; i++) {
        if (t->lines[i].seconds >= least_share * all.seconds)
            print_line(out, width, &t->lines[i], all.seconds);
        else
            add(&rest, &t->lines[i]);
    }
    if (rest.calls)
        print_line(out, width, &rest, all.seconds);
    print_stages(out, t, width, all.seconds);
    print_line(out, width, &all, all.seconds);
    if (t->is_short)
        fputs("(memory did not suffice for all rows)\n", out);
}
