/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bench.h"
#include "util.h"

/* Characters of a line of the terminal; 80 where there is none. */
static size_t terminal_width(void)
{
    struct winsize size;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 80;
}

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

/* Widths of the columns of numbers. */
enum { MS = 9, SPREAD = 7, FLOPS = 8, BYTES = 8, SHARE = 7, CHANGE = 14,
       NUMBERS = MS + SPREAD + FLOPS + BYTES + SHARE };

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
        printf("shape %s\n", first);
        t->shape = 0;
    }
}

static size_t width_of(const ffcl_bench_table *t)
{
    return t->name + (t->variant ? 1 + t->variant : 0) + (t->role ? 1 + t->role : 0) +
           (t->shape ? 1 + t->shape : 0);
}

/* What the terminal has no room for is left out; a name that is too long has a line of its own. */
static void fit_columns(ffcl_bench_table *t)
{
    enum { LEAST_NAME = 10 };
    const size_t width = terminal_width() - 1, fixed = NUMBERS + (t->has_change ? CHANGE : 0);
    const size_t room = width > fixed + 1 ? width - fixed : 1;
    if (width_of(t) > room)
        t->role = 0;
    if (width_of(t) > room && t->shape)
        t->variant = 0;
    if (width_of(t) > room) {
        const size_t others = width_of(t) - t->name;
        t->name = ffcl_max(room > others ? room - others : 0, LEAST_NAME);
    }
    t->left = width_of(t);
}

static void print_left(const ffcl_bench_table *t, const char *const text[4])
{
    const size_t widths[4] = {t->name, t->variant, t->role, t->shape};
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
    *t = (ffcl_bench_table){.name = 6, .shape = 5, .has_change = report->old_name != NULL};
    if (report->device->caps.type & CL_DEVICE_TYPE_CPU)
        ffcl_bench_load_warn(report->before, 0);
    printf("device %zu: %s\n  %s, driver %s, %s%s%s\n", report->device->index, caps->name,
           caps->platform, caps->driver, report->blas, *report->unit ? " and " : "",
           report->unit);
    for (int i = 0; i < FFCL_BENCH_ROOFS; i++) {
        if (report->roofs[i] <= 0)
            continue;
        roof_text(report->roofs[i], roofs[i].unit, text, sizeof text);
        printf("%-21s %14s  (%s)\n", roofs[i].name, text, report->roof_names[i]);
    }
    if (report->other_device)
        printf("%s is of another device or driver\n", report->old_name);
    measure_columns(t, list, n);
    fit_columns(t);
    print_left(t, (const char *const[]){"kernel", "variant", "what", "shape"});
    printf("%*s%*s%*s%*s%*s%s\n", MS, "ms", SPREAD, "+-", FLOPS, "GFLOP/s", BYTES, "GB/s", SHARE,
           "% roof", t->has_change ? "  against old" : "");
    fflush(stdout);
}

static void print_change(const ffcl_bench_result *r)
{
    double ratio = r->median > 0 ? r->old / r->median : 0;
    switch (r->change) {
    case FFCL_CHANGE_FASTER: printf("  %.2fx faster", ratio); break;
    case FFCL_CHANGE_SLOWER: printf("  %.2fx slower", 1 / ratio); break;
    case FFCL_CHANGE_SAME: printf("  same"); break;
    case FFCL_CHANGE_NEW: printf("  new"); break;
    default: break;
    }
}

void ffcl_bench_table_row(const ffcl_bench_table *t, const ffcl_bench_result *r)
{
    char shape[96], ms[24], flops[24], bytes[24];
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
        printf("%*s%*.*f%%%*s%*s%*.0f%%", MS, ms, SPREAD - 1, r->spread < 9.99, 100 * r->spread,
               FLOPS, flops, BYTES, bytes, SHARE - 1, 100 * r->share);
        print_change(r);
        printf("\n%s", r->is_checked ? "" : "  not checked: its reference would take minutes\n");
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
    for (size_t i = 0; i < report->n; i++) {
        counts[report->results[i].status]++;
        changes[report->results[i].change]++;
    }
    print_skipped(report);
    if (report->n_left_out)
        printf("left out: %zu kernel%s that this device does not use; --all takes all\n",
               report->n_left_out, ffcl_plural(report->n_left_out));
    if (report->device->caps.type & CL_DEVICE_TYPE_CPU)
        ffcl_bench_load_warn(report->others, 1);
    printf("%zu timed, %zu failed, %zu skipped", counts[FFCL_BENCH_OK],
           counts[FFCL_BENCH_FAILED], counts[FFCL_BENCH_SKIPPED]);
    printf(report->n < report->n_planned ? ", of %zu\n" : "\n", report->n_planned);
    if (report->old_name)
        printf("against %.30s: %zu faster, %zu slower, %zu the same, %zu new, %zu gone\n",
               report->old_name, changes[FFCL_CHANGE_FASTER], changes[FFCL_CHANGE_SLOWER],
               changes[FFCL_CHANGE_SAME], changes[FFCL_CHANGE_NEW], report->gone);
}
