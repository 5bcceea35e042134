/* SPDX-License-Identifier: MIT
 * The roofline as SVG: rate against intensity (operations a byte), both logarithmic, below the
 * roofs that were measured.  A numbered dot a kernel, at its longest case; its other cases are
 * small dots.  A list beside the plot says what the numbers are. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "files/atomic.h"
#include "util.h"

enum { LEFT = 104, TOP = 50, PLOT_WIDTH = 700, LEAST_HEIGHT = 560, LIST_AT = LEFT + PLOT_WIDTH + 32,
       LINE = 16, WIDTH = LIST_AT + 520, DOT = 5, MOST_BOXES = 512 };

static const char ink[] = "#222", faint[] = "#d8d8d8";

/* What the plot's area stands for, in decades, and its height. */
typedef struct view {
    double x0, x1, y0, y1, height;
} view;

typedef struct box {
    double x, y, w, h;          /* from the upper left corner */
} box;

/* A kernel: its longest case, and where its dot is. */
typedef struct dot {
    const ffcl_bench_result *r;
    double x, y;
    const char *colour;
} dot;

typedef struct plot {
    FILE *f;
    view v;
    box boxes[MOST_BOXES];      /* what labels must keep off */
    size_t n_boxes;
} plot;

/* By operation, as in bench/page.html; grey: of none that has variants, or of a new one. */
static const char *colour_of(const ffcl_row *row)
{
    static const char *const colours[FFCL_N_OPS] = {
        [FFCL_OP_GEMM] = "#d55e00",      [FFCL_OP_CONVOLUTION] = "#0072b2",
        [FFCL_OP_ATTENTION] = "#aa4499", [FFCL_OP_SOFTMAX] = "#cc79a7",
        [FFCL_OP_LAYERNORM] = "#009e73", [FFCL_OP_GROUPNORM] = "#2f7d32",
        [FFCL_OP_QK_NORM] = "#7a6a00",   [FFCL_OP_POOL] = "#56b4e9"};
    const char *own = row->describe ? colours[row->op] : NULL;
    return own ? own : "#666666";
}

static double intensity(const ffcl_bench_result *r)
{
    return r->cost.flops / r->cost.bytes;
}

static double rate(const ffcl_bench_result *r)
{
    return r->cost.flops / r->median;
}

static double x_of(const view *v, double value)
{
    return LEFT + PLOT_WIDTH * (log10(value) - v->x0) / (v->x1 - v->x0);
}

static double y_of(const view *v, double value)
{
    return TOP + v->height * (v->y1 - log10(value)) / (v->y1 - v->y0);
}

static int is_plotted(const ffcl_bench_result *r)
{
    return r->status == FFCL_BENCH_OK && r->cost.flops > 0 && r->cost.bytes > 0;
}

static void put_text(FILE *f, const char *text)
{
    for (; *text; text++)
        switch (*text) {
        case '<': fputs("&lt;", f); break;
        case '>': fputs("&gt;", f); break;
        case '&': fputs("&amp;", f); break;
        default: fputc(*text, f);
        }
}

static void label(FILE *f, double x, double y, const char *anchor, const char *more,
                  const char *text)
{
    fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\" %s>", x, y, anchor, more);
    put_text(f, text);
    fputs("</text>\n", f);
}

static void line(FILE *f, double x0, double y0, double x1, double y1, const char *colour,
                 double width)
{
    fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" "
            "stroke-width=\"%.1f\"/>\n", x0, y0, x1, y1, colour, width);
}

static void take_box(plot *p, double x, double y, double w, double h)
{
    if (p->n_boxes < MOST_BOXES)
        p->boxes[p->n_boxes++] = (box){x, y, w, h};
}

static int is_free(const plot *p, const box *b)
{
    if (b->x < LEFT + 2 || b->y < TOP + 2 || b->x + b->w > LEFT + PLOT_WIDTH - 2 ||
        b->y + b->h > TOP + p->v.height - 2)
        return 0;
    for (size_t i = 0; i < p->n_boxes; i++) {
        const box *o = &p->boxes[i];
        if (b->x < o->x + o->w && o->x < b->x + b->w && b->y < o->y + o->h && o->y < b->y + b->h)
            return 0;
    }
    return 1;
}

static view choose_view(const ffcl_bench_report *report)
{
    double low_x = INFINITY, high_x = 0, low_y = INFINITY, high_y = 0;
    for (size_t i = 0; i < report->n; i++) {
        const ffcl_bench_result *r = &report->results[i];
        if (!is_plotted(r))
            continue;
        low_x = fmin(low_x, intensity(r));
        high_x = fmax(high_x, intensity(r));
        low_y = fmin(low_y, rate(r));
        high_y = fmax(high_y, rate(r));
    }
    for (int i = FFCL_ROOF_FMA; i < FFCL_BENCH_ROOFS; i++) {
        if (report->roofs[i] <= 0)
            continue;
        high_y = fmax(high_y, report->roofs[i]);
        high_x = fmax(high_x, 4 * report->roofs[i] / report->roofs[FFCL_ROOF_COPY]);
    }
    if (!isfinite(low_x))
        return (view){-1, 3, 8, 12, LEAST_HEIGHT};
    return (view){log10(low_x) - 0.25, log10(high_x) + 0.25, log10(low_y) - 0.3,
                  log10(high_y) + 0.3, LEAST_HEIGHT};
}

/* "20 GFLOP/s" and the like for so many times a power of ten. */
static void power_text(int power, int times, char *text, size_t size)
{
    static const char *const units[] = {"FLOP/s", "kFLOP/s", "MFLOP/s", "GFLOP/s", "TFLOP/s",
                                        "PFLOP/s"};
    int unit = power < 0 ? 0 : power > 15 ? 5 : power / 3;
    snprintf(text, size, "%g %s", times * pow(10, power - 3 * unit), units[unit]);
}

/* Marks of an axis from 10^from to 10^to: 1, 2 and 5 times each power of ten where there are few of
 * them. */
static void draw_marks(const plot *p, int is_x, double from, double to)
{
    static const int times[] = {1, 2, 5};
    const view *v = &p->v;
    const int n = to - from < 2.5 ? 3 : 1;
    char text[40];
    for (int i = n * (int)floor(from); i <= n * (int)floor(to) + n - 1; i++) {
        const int d = (int)floor((double)i / n), k = times[i - n * d];
        const double value = k * pow(10, d);
        if (log10(value) < from || log10(value) > to)
            continue;
        if (is_x) {
            const double x = x_of(v, value);
            line(p->f, x, TOP, x, TOP + v->height, faint, 1);
            snprintf(text, sizeof text, "%g", value);
            label(p->f, x, TOP + v->height + 16, "middle", "", text);
        } else {
            const double y = y_of(v, value);
            line(p->f, LEFT, y, LEFT + PLOT_WIDTH, y, faint, 1);
            power_text(d, k, text, sizeof text);
            label(p->f, LEFT - 6, y + 4, "end", "", text);
        }
    }
}

static void draw_axes(const plot *p)
{
    const view *v = &p->v;
    char text[40];
    draw_marks(p, 1, v->x0, v->x1);
    draw_marks(p, 0, v->y0, v->y1);
    fprintf(p->f, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%.0f\" fill=\"none\" "
            "stroke=\"%s\"/>\n", LEFT, TOP, PLOT_WIDTH, v->height, ink);
    label(p->f, LEFT + PLOT_WIDTH / 2.0, TOP + v->height + 36, "middle", "",
          "intensity: operations for each byte that must be moved (FLOP/B)");
    snprintf(text, sizeof text, "transform=\"rotate(-90 14 %.0f)\"", TOP + v->height / 2);
    label(p->f, 14, TOP + v->height / 2, "middle", text, "rate of arithmetic");
}

/* The roof of memory up to where the highest roof of arithmetic meets it, and those. */
static void draw_roofs(plot *p, const ffcl_bench_report *report)
{
    const view *v = &p->v;
    const double copy = report->roofs[FFCL_ROOF_COPY];
    double top = 0;
    char text[120];
    if (copy <= 0)
        return;
    for (int i = FFCL_ROOF_FMA; i < FFCL_BENCH_ROOFS; i++) {
        const double roof = report->roofs[i];
        if (roof <= 0)
            continue;
        top = fmax(top, roof);
        line(p->f, x_of(v, roof / copy), y_of(v, roof), LEFT + PLOT_WIDTH, y_of(v, roof), ink, 1.5);
        snprintf(text, sizeof text, "%s, %.3g %sFLOP/s",
                 i == FFCL_ROOF_FMA ? "float32" : "matrix unit",
                 roof / (roof >= 1e12 ? 1e12 : 1e9), roof >= 1e12 ? "T" : "G");
        const double length = 6.4 * (double)strlen(text);
        label(p->f, LEFT + PLOT_WIDTH - 6, y_of(v, roof) - 5, "end", "", text);
        take_box(p, LEFT + PLOT_WIDTH - 6 - length, y_of(v, roof) - 17, length, 18);
    }
    if (top <= 0)
        return;
    /* From the edge that it meets first. */
    double from = fmax(pow(10, v->x0), pow(10, v->y0) / copy), to = top / copy;
    const double x0 = x_of(v, from), y0 = y_of(v, from * copy);
    const double x1 = x_of(v, to), y1 = y_of(v, top);
    line(p->f, x0, y0, x1, y1, ink, 1.5);
    const double angle = atan2(y1 - y0, x1 - x0), at = 0.3;
    const double x = x0 + at * (x1 - x0), y = y0 + at * (y1 - y0);
    char turn[96];
    snprintf(turn, sizeof turn, "transform=\"rotate(%.1f %.1f %.1f) translate(0 -6)\"",
             angle * 180 / M_PI, x, y);
    const int large = copy >= 1e12;
    snprintf(text, sizeof text, "memory, %.3g %s", copy / (large ? 1e12 : 1e9),
             large ? "TB/s" : "GB/s");
    label(p->f, x, y, "middle", turn, text);
    const double half = 3.2 * (double)strlen(text);
    for (double t = -half; t <= half; t += 6)
        take_box(p, x + t * cos(angle) + 10 * sin(angle) - 6, y + t * sin(angle) -
                 10 * cos(angle) - 7, 12, 14);
}

/* A number beside its dot, where nothing is in the way; farther off with a line to it. */
static void place_number(plot *p, const dot *d, size_t number)
{
    static const double radii[] = {11, 17, 24, 33, 44, 58, 75, 95};
    char text[12], more[64];
    snprintf(text, sizeof text, "%zu", number);
    snprintf(more, sizeof more, "font-weight=\"bold\" fill=\"%s\"", d->colour);
    const double w = 7.0 * (double)strlen(text) + 2, h = 11;
    for (size_t i = 0; i < sizeof radii / sizeof *radii; i++)
        for (int k = 0; k < 16; k++) {
            const double angle = M_PI * (k % 2 ? -1 : 1) * (k / 2 + (k % 2)) / 8 - M_PI / 4;
            const double x = d->x + radii[i] * cos(angle), y = d->y + radii[i] * sin(angle);
            const box b = {x - w / 2, y - h / 2, w, h};
            if (!is_free(p, &b))
                continue;
            if (i > 0)
                line(p->f, d->x, d->y, x - 0.4 * w * cos(angle), y - 0.5 * h * sin(angle),
                     d->colour, 0.7);
            label(p->f, x, y + 4, "middle", more, text);
            take_box(p, b.x, b.y, b.w, b.h);
            return;
        }
    label(p->f, d->x, d->y - 6, "middle", more, text);
}

static void draw_entry(FILE *f, double y, const char *number, const dot *d, const char *rates)
{
    char shape[96], text[200];
    ffcl_bench_shape_text(&d->r->what, shape, sizeof shape);
    snprintf(text, sizeof text, "%s %s", d->r->what.row->name, shape);
    fprintf(f, "<circle cx=\"%d\" cy=\"%.1f\" r=\"5\" fill=\"%s\"/>\n", LIST_AT + 28, y - 4,
            d->colour);
    label(f, LIST_AT + 20, y, "end", "font-weight=\"bold\"", number);
    label(f, LIST_AT + 38, y, "start", "", text);
    label(f, WIDTH - 12, y, "end", "", rates);
}

/* What the numbers are; kernels without arithmetic have none and come last. */
static void draw_list(FILE *f, const dot *dots, size_t n)
{
    char number[12], rates[64];
    double y = TOP + 8 + LINE;
    size_t next = 1, plotted = 0;
    label(f, LIST_AT + 38, TOP + 8, "start", "font-style=\"italic\"",
          "a kernel at its longest case; smaller dots: its other cases");
    label(f, WIDTH - 12, TOP + 8, "end", "font-style=\"italic\"", "% of roofline");
    for (size_t i = 0; i < n; i++)
        plotted += is_plotted(dots[i].r) != 0;
    for (int with = 1; with >= 0; with--) {
        if (!with && plotted < n) {
            y += 6;
            label(f, LIST_AT + 38, y, "start", "font-style=\"italic\"", "without arithmetic");
            y += LINE;
        }
        for (size_t i = 0; i < n; i++) {
            const ffcl_bench_result *r = dots[i].r;
            if (is_plotted(r) != with)
                continue;
            number[0] = '\0';
            if (with)
                snprintf(number, sizeof number, "%zu", next++);
            double shown = with ? rate(r) : r->cost.bytes / r->median;
            snprintf(rates, sizeof rates, "%.3g %s%s  %.0f %%",
                     shown / (shown >= 1e12 ? 1e12 : 1e9), shown >= 1e12 ? "T" : "G",
                     with ? "FLOP/s" : "B/s", 100 * r->share);
            draw_entry(f, y, number, &dots[i], rates);
            y += LINE;
        }
    }
}

/* A dot for each kernel that was timed, at its longest case. */
static size_t find_dots(const ffcl_bench_report *report, dot *dots)
{
    size_t n = 0;
    for (size_t i = 0; i < report->n; i++) {
        const ffcl_bench_result *r = &report->results[i];
        size_t k = 0;
        if (r->status != FFCL_BENCH_OK)
            continue;
        while (k < n && dots[k].r->what.row != r->what.row)
            k++;
        if (k == n)
            dots[n++] = (dot){.r = r, .colour = colour_of(r->what.row)};
        else if (r->median > dots[k].r->median)
            dots[k].r = r;
    }
    return n;
}

static void place_dots(const view *v, dot *dots, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_plotted(dots[i].r)) {
            dots[i].x = x_of(v, intensity(dots[i].r));
            dots[i].y = y_of(v, rate(dots[i].r));
        }
}

static void draw(plot *p, const ffcl_bench_report *report, dot *dots, size_t n)
{
    size_t number = 1;
    char title[400];
    const int height = (int)p->v.height + TOP + 50;
    fprintf(p->f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" fill=\"%s\">\n",
            WIDTH, height, WIDTH, height, ink);
    fprintf(p->f, "<rect width=\"%d\" height=\"%d\" fill=\"white\"/>\n", WIDTH, height);
    snprintf(title, sizeof title, "%s, driver %s, %s%s%s, %.10s: ffcl %s, commit %s",
             report->device->caps.name, report->device->caps.driver, report->blas,
             *report->unit ? " and " : "", report->unit, report->date, FFCL_VERSION,
             ffcl_bench_commit());
    label(p->f, LEFT, 28, "start", "font-size=\"14\"", title);
    draw_axes(p);
    draw_roofs(p, report);
    for (size_t i = 0; i < report->n; i++)
        if (is_plotted(&report->results[i]))
            fprintf(p->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\" "
                    "fill-opacity=\"0.5\"/>\n", x_of(&p->v, intensity(&report->results[i])),
                    y_of(&p->v, rate(&report->results[i])),
                    colour_of(report->results[i].what.row));
    for (size_t i = 0; i < n; i++)
        if (is_plotted(dots[i].r)) {
            fprintf(p->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" fill=\"%s\" "
                    "stroke=\"white\"/>\n", dots[i].x, dots[i].y, DOT, dots[i].colour);
            take_box(p, dots[i].x - DOT, dots[i].y - DOT, 2 * DOT, 2 * DOT);
        }
    for (size_t i = 0; i < n; i++)
        if (is_plotted(dots[i].r))
            place_number(p, &dots[i], number++);
    draw_list(p->f, dots, n);
    fputs("</svg>\n", p->f);
}

int ffcl_bench_plot(const ffcl_bench_report *report, const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    plot *p = calloc(1, sizeof *p);
    dot *dots = calloc(ffcl_max(report->n, 1), sizeof *dots);
    int rc = p && dots ? ffcl_atomic_open(&file, path, err)
                       : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the plot");
    if (!rc) {
        p->f = file.stream;
        p->v = choose_view(report);
        const size_t n = find_dots(report, dots);
        p->v.height = fmax(LEAST_HEIGHT, LINE * ((double)n + 3) - 40);
        place_dots(&p->v, dots, n);
        draw(p, report, dots, n);
        rc = ffcl_atomic_commit(&file, err);
    }
    ffcl_atomic_discard(&file);
    free(dots);
    free(p);
    return rc;
}
