/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "util.h"

/* The sizes, as ffcl bench takes them, and whether something is added; not strides and places. */
void ffcl_bench_shape_text(const ffcl_bench_case *c, char *text, size_t size)
{
    char names[96];
    const size_t first = ffcl_row_first_size(c->row);
    const size_t n = ffcl_row_sizes(c->row, names, sizeof names);
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = first; i < first + n && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", i > first ? "x" : "",
                                 c->shape.d[i]);
    if (ffcl_row_number(c->row, &c->shape, "add") && used < size)
        snprintf(text + used, size - used, " add");
}

/* In ms, with three or four digits. */
static void time_text(double seconds, char *text, size_t size)
{
    double ms = 1e3 * seconds;
    snprintf(text, size, "%.*f", ms < 1 ? 4 : ms < 10 ? 3 : ms < 100 ? 2 : ms < 1000 ? 1 : 0, ms);
}

static void rate_text(double amount, double seconds, char *text, size_t size)
{
    double rate = 1e-9 * amount / seconds;
    text[0] = '\0';
    if (rate > 0)
        snprintf(text, size, "%.*f", rate < 10 ? 2 : rate < 100 ? 1 : 0, rate);
}

/* "0.71 TFLOP/s" and the like. */
static void roof_text(double rate, const char *unit, char *text, size_t size)
{
    const char *prefix = rate >= 1e12 ? "T" : "G";
    snprintf(text, size, "%.3g %s%s", rate / (rate >= 1e12 ? 1e12 : 1e9), prefix, unit);
}

static const struct {
    const char *name, *unit;
} roofs[FFCL_BENCH_ROOFS] = {
    [FFCL_ROOF_COPY] = {"peak memory bandwidth", "B/s"},
    [FFCL_ROOF_FMA] = {"peak float32", "FLOP/s"},
    [FFCL_ROOF_MATRIX] = {"peak matrix unit", "FLOP/s"}};

/* The columns of numbers; the last where there is something to compare with. */
static const ffcl_column numbers[] = {{.head = "ms", .width = 6, .gap = 3},
                                      {.head = "+-", .width = 6, .gap = 1},
                                      {.head = "GFLOP/s", .width = 7, .gap = 1, .rank = 1},
                                      {.head = "GB/s", .width = 5, .gap = 3, .rank = 2},
                                      {.head = "% roof", .width = 6, .gap = 1},
                                      {.head = "against old", .width = 12, .gap = 2, .is_left = 1}};
enum { NUMBERS = sizeof numbers / sizeof *numbers, WIDTH = 79 };

/* The longest text of each column. */
static void measure_columns(ffcl_bench_table *t, const ffcl_bench_case *list, size_t n)
{
    char text[96], first[96] = "";
    int differ = 0;
    for (size_t i = 0; i < n; i++) {
        ffcl_bench_shape_text(&list[i], text, sizeof text);
        if (i == 0)
            memcpy(first, text, sizeof first);
        differ |= !list[i].is_own || strcmp(first, text);
        t->name = ffcl_max(t->name, strlen(list[i].row->name));
        if (list[i].row->describe)
            t->variant = ffcl_max(t->variant, strlen(ffcl_operations[list[i].row->op]->name) + 1 +
                                  strlen(list[i].row->variant ? list[i].row->variant : "clblast"));
        t->role = ffcl_max(t->role, strlen(list[i].role));
        t->shape = ffcl_max(t->shape, strlen(text));
    }
    /* A shape that all have stands above them. */
    if (!differ) {
        ffcl_help_line(stdout, 2, "shape %s", first);
        t->shape = 0;
    }
}

static size_t width_of(const ffcl_bench_table *t)
{
    return t->name + (t->variant ? 1 + t->variant : 0) + (t->role ? 1 + t->role : 0) +
           (t->shape ? 1 + t->shape : 0);
}

/* What the terminal has no room for is left out; a name that is too long has a line of its own.
 * Where even that does not suffice, all that is left of the numbers has. */
static void fit_columns(ffcl_bench_table *t, int has_change)
{
    enum { LEAST_NAME = 10 };
    const int most = ffcl_help_columns(stdout, WIDTH);
    int fixed = 0;
    t->numbers = (ffcl_table){.n = NUMBERS - !has_change, .most = most};
    memcpy(t->numbers.column, numbers, sizeof numbers);
    for (size_t i = 0; i < t->numbers.n; i++)
        fixed += numbers[i].gap + numbers[i].width;
    const size_t all = width_of(t), role = t->role, variant = t->variant;
    const size_t room = most > fixed + 1 ? (size_t)(most - fixed) : 1;
    if (width_of(t) > room)
        t->role = 0;
    if (width_of(t) > room && t->shape)
        t->variant = 0;
    if (width_of(t) > room) {
        const size_t others = width_of(t) - t->name;
        t->name = ffcl_max(room > others ? room - others : 0, LEAST_NAME);
    }
    t->left = width_of(t);
    t->is_stacked = t->left > room;
    if (t->is_stacked) {
        t->role = all <= (size_t)most ? role : 0;
        t->variant = variant;
    }
    ffcl_table_fit(&t->numbers);
}

/* A line of its own for what is left of the numbers. */
static void print_above(const ffcl_bench_table *t, const char *const text[4])
{
    const size_t widths[4] = {t->name, t->variant, t->role, t->shape};
    char line[400];
    size_t used = (size_t)snprintf(line, sizeof line, "%s", text[0]);
    for (int i = 1; i < 4; i++)
        if (widths[i] && *text[i] && used < sizeof line)
            used += (size_t)snprintf(line + used, sizeof line - used, " %s", text[i]);
    ffcl_help_line(stdout, 2, "%s", line);
}

static void print_left(const ffcl_bench_table *t, const char *const text[4])
{
    const size_t widths[4] = {t->name, t->variant, t->role, t->shape};
    if (t->is_stacked) {
        print_above(t, text);
        return;
    }
    /* Where name and shape alone are shown, either may have the other's room. */
    if (!t->variant && !t->role && t->shape && strlen(text[0]) + 1 + strlen(text[3]) <= t->left) {
        printf("%s%*s", text[0], (int)(t->left - strlen(text[0])), text[3]);
        return;
    }
    if (strlen(text[0]) > t->name)
        printf("%s\n%*s", text[0], (int)t->name, "");
    else
        printf("%-*s", (int)t->name, text[0]);
    for (int i = 1; i < 4; i++)
        if (widths[i])
            printf(i == 3 ? " %*s" : " %-*s", (int)widths[i], text[i]);
}

void ffcl_bench_table_head(ffcl_bench_table *t, const ffcl_bench_report *report,
                           const ffcl_bench_case *list, size_t n)
{
    const ffcl_caps *caps = &report->device->caps;
    char text[96];
    *t = (ffcl_bench_table){.name = 6, .shape = 5};
    if (report->device->caps.type & CL_DEVICE_TYPE_CPU)
        ffcl_bench_load_warn(report->before, 0);
    ffcl_help_line(stdout, 2, "device %zu: %s", report->device->index, caps->name);
    ffcl_help_line(stdout, 2, "  %s, driver %s, %s%s%s", caps->platform, caps->driver,
                   report->blas, *report->unit ? " and " : "", report->unit);
    for (int i = 0; i < FFCL_BENCH_ROOFS; i++) {
        if (report->roofs[i] <= 0)
            continue;
        roof_text(report->roofs[i], roofs[i].unit, text, sizeof text);
        ffcl_help_line(stdout, 2, "%-21s %14s  (%s)", roofs[i].name, text, report->roof_names[i]);
    }
    if (report->other_device)
        ffcl_help_line(stdout, 2, "%s is of another device or driver", report->old_name);
    measure_columns(t, list, n);
    fit_columns(t, report->old_name != NULL);
    print_left(t, (const char *const[]){"kernel", "variant", "what", "shape"});
    ffcl_help_row(stdout, &t->numbers, NULL);
    fflush(stdout);
}

static void change_text(const ffcl_bench_result *r, char *text, size_t size)
{
    double ratio = r->median > 0 ? r->old / r->median : 0;
    text[0] = '\0';
    switch (r->change) {
    case FFCL_CHANGE_FASTER: snprintf(text, size, "%.2fx faster", ratio); break;
    case FFCL_CHANGE_SLOWER: snprintf(text, size, "%.2fx slower", 1 / ratio); break;
    case FFCL_CHANGE_SAME: snprintf(text, size, "same"); break;
    case FFCL_CHANGE_NEW: snprintf(text, size, "new"); break;
    default: break;
    }
}

void ffcl_bench_table_row(const ffcl_bench_table *t, const ffcl_bench_result *r)
{
    char shape[96], ms[24], spread[24], flops[24], bytes[24], share[24], change[40];
    if (r->status == FFCL_BENCH_SKIPPED)
        return;
    ffcl_bench_shape_text(&r->what, shape, sizeof shape);
    print_left(t, (const char *const[]){r->what.row->name, r->variant, r->what.role, shape});
    if (r->status == FFCL_BENCH_FAILED) {
        printf("  FAILED:\n");
        ffcl_help_wrap(stdout, 0, 4, r->reason);
    } else {
        time_text(r->median, ms, sizeof ms);
        rate_text(r->cost.flops, r->median, flops, sizeof flops);
        rate_text(r->cost.bytes, r->median, bytes, sizeof bytes);
        snprintf(spread, sizeof spread, "%.*f%%", r->spread < 9.99, 100 * r->spread);
        snprintf(share, sizeof share, "%.0f%%", 100 * r->share);
        change_text(r, change, sizeof change);
        ffcl_help_row(stdout, &t->numbers, (const char *const[]){ms, spread, flops, bytes, share,
                                                                 change});
        if (!r->is_checked)
            ffcl_help_line(stdout, 2, "  not checked: its reference would take minutes");
    }
    fflush(stdout);
}

/* What was skipped, a line a reason: "skipped 3: REASON: name, name". */
static void print_skipped(const ffcl_bench_report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        const ffcl_bench_result *r = &report->results[i];
        size_t count = 0, first = 0, named = 0;
        const char *last = "";
        char text[600];
        size_t used;
        if (r->status != FFCL_BENCH_SKIPPED)
            continue;
        while (report->results[first].status != FFCL_BENCH_SKIPPED ||
               strcmp(report->results[first].reason, r->reason))
            first++;
        if (first < i)
            continue;
        for (size_t k = i; k < report->n; k++)
            count += report->results[k].status == FFCL_BENCH_SKIPPED &&
                     !strcmp(report->results[k].reason, r->reason);
        used = (size_t)snprintf(text, sizeof text, "skipped %zu: %s:", count, r->reason);
        for (size_t k = i; k < report->n && named < 4; k++) {
            const ffcl_bench_result *s = &report->results[k];
            if (s->status != FFCL_BENCH_SKIPPED || strcmp(s->reason, r->reason) ||
                !strcmp(s->what.row->name, last))
                continue;
            last = s->what.row->name;
            used += (size_t)snprintf(text + used, sizeof text - used, "%s %s", named++ ? "," : "",
                                     last);
        }
        snprintf(text + used, sizeof text - used, named == 4 && count > 4 ? " and others" : "");
        ffcl_help_wrap(stdout, 0, 2, text);
    }
}

void ffcl_bench_table_foot(const ffcl_bench_report *report)
{
    size_t counts[3] = {0}, changes[5] = {0};
    char of[40] = "";
    for (size_t i = 0; i < report->n; i++) {
        counts[report->results[i].status]++;
        changes[report->results[i].change]++;
    }
    print_skipped(report);
    if (report->n_left_out)
        ffcl_help_line(stdout, 2, "left out: %zu kernel%s that this device does not use; --all "
                       "takes all", report->n_left_out, ffcl_plural(report->n_left_out));
    if (report->device->caps.type & CL_DEVICE_TYPE_CPU)
        ffcl_bench_load_warn(report->others, 1);
    if (report->n < report->n_planned)
        snprintf(of, sizeof of, ", of %zu", report->n_planned);
    ffcl_help_line(stdout, 2, "%zu timed, %zu failed, %zu skipped%s", counts[FFCL_BENCH_OK],
                   counts[FFCL_BENCH_FAILED], counts[FFCL_BENCH_SKIPPED], of);
    if (report->old_name)
        ffcl_help_line(stdout, 2, "against %.30s: %zu faster, %zu slower, %zu the same, %zu new, "
                       "%zu gone", report->old_name, changes[FFCL_CHANGE_FASTER],
                       changes[FFCL_CHANGE_SLOWER], changes[FFCL_CHANGE_SAME],
                       changes[FFCL_CHANGE_NEW], report->gone);
}
