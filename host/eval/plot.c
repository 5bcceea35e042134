/* SPDX-License-Identifier: MIT
 * FID over the number of images, as SVG: a line a file where files have curves, else a dot a file;
 * where all have as many images, dots stand side by side. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "eval/compare.h"
#include "files/atomic.h"
#include "util.h"

enum { WIDTH = 810, HEIGHT = 420, LEFT = 76, RIGHT = 240, TOP = 44, BOTTOM = 56, TICKS = 5,
       MOST_TICKS = 4 * TICKS, NAMES = 17 };

static const char *const colours[] = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
                                      "#56b4e9"};
enum { COLOURS = sizeof colours / sizeof *colours };

typedef struct view {
    double x0, x1, y0, y1, step_x, step_y;
    int by_file;                /* x is the number of the file */
} view;

static double x_of(const view *v, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (x - v->x0) / (v->x1 - v->x0);
}

static double y_of(const view *v, double y)
{
    return TOP + (HEIGHT - TOP - BOTTOM) * (v->y1 - y) / (v->y1 - v->y0);
}

/* 1, 2 or 5 times a power of ten, of which about TICKS fill the range. */
static double step_of(double range)
{
    const double rough = range / TICKS, power = pow(10.0, floor(log10(rough)));
    return power * (rough < 1.5 * power ? 1.0 : rough < 3.5 * power ? 2.0
                    : rough < 7.5 * power                           ? 5.0 : 10.0);
}

/* Point k of a file, its last one its own number. */
static size_t points_of(const ffcl_compared *c, const view *v)
{
    return v->by_file || !c->n_curve ? 1 : c->n_curve;
}

static void point_of(const ffcl_compared *c, const view *v, size_t file, size_t k, double *x,
                     double *y)
{
    *x = v->by_file ? (double)(file + 1) : c->n_curve ? c->curve[k].count : c->count;
    *y = v->by_file || !c->n_curve ? c->values[0] : c->curve[k].fid;
}

static void widen(double *low, double *high, double value)
{
    if (!isfinite(value))
        return;
    *low = fmin(*low, value);
    *high = fmax(*high, value);
}

static view view_of(const ffcl_compared *c, size_t n)
{
    view v = {.x0 = HUGE_VAL, .x1 = -HUGE_VAL, .y0 = HUGE_VAL, .y1 = -HUGE_VAL, .by_file = 1};
    double x, y;
    for (size_t i = 0; i < n; i++)
        v.by_file &= !c[i].n_curve && !(c[i].count != c[0].count);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < points_of(&c[i], &v); k++) {
            point_of(&c[i], &v, i, k, &x, &y);
            widen(&v.x0, &v.x1, x);
            widen(&v.y0, &v.y1, y);
        }
    if (!(v.x1 > v.x0)) {
        v.x0 = isfinite(v.x0) ? v.x0 - 1.0 : 0.0;
        v.x1 = v.x0 + 2.0;
    }
    /* Apart by rounding alone they are not to look far apart, nor ticks to have one label. */
    if (!(v.y1 - v.y0 > 1e-4 * fmax(fabs(v.y0), fabs(v.y1)))) {
        const double middle = isfinite(v.y0) ? v.y0 / 2 + v.y1 / 2 : 1.0;
        const double half = fmax(1.0, 0.01 * fabs(middle));
        v.y0 = middle - half;
        v.y1 = middle + half;
    }
    v.step_y = step_of(v.y1 - v.y0);
    v.y0 = v.step_y * floor(v.y0 / v.step_y);
    v.y1 = v.step_y * ceil(v.y1 / v.step_y);
    if (v.by_file) {
        v.x0 -= 0.5;
        v.x1 += 0.5;
        v.step_x = fmax(1.0, ceil(step_of(v.x1 - v.x0)));
    } else {
        v.step_x = step_of(v.x1 - v.x0);
        v.x0 = v.step_x * floor(v.x0 / v.step_x);
        v.x1 = v.step_x * ceil(v.x1 / v.step_x);
    }
    return v;
}

static void print_axes(FILE *f, const view *v)
{
    const double right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM;
    /* Counted: a step may be too small to be added to numbers that are large. */
    for (int k = 0; k < MOST_TICKS; k++) {
        const double exact = v->y0 + k * v->step_y;
        const double y = fabs(exact) < 1e-6 * v->step_y ? 0.0 : exact;  /* but for rounding */
        if (y > v->y1 + v->step_y / 2)
            break;
        fprintf(f, "<path d=\"M%d %.1fH%.1f\" stroke=\"#d8d8d8\"/>\n"
                "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>\n", LEFT, y_of(v, y),
                right, LEFT - 8, y_of(v, y) + 4, y);
    }
    double x = v->by_file ? 1.0 : v->x0;
    for (int k = 0; k < MOST_TICKS && x <= v->x1 + v->step_x / 1e6; k++, x += v->step_x)
        fprintf(f, "<path d=\"M%.1f %.1fv5\" stroke=\"#222\"/>\n"
                "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%.8g</text>\n", x_of(v, x),
                bottom, x_of(v, x), bottom + 20, x);
    fprintf(f, "<path d=\"M%d %dV%.1fH%.1f\" fill=\"none\" stroke=\"#222\"/>\n"
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n"
            "<text x=\"%d\" y=\"%d\" font-weight=\"bold\">FID</text>\n", LEFT, TOP, bottom, right,
            (LEFT + right) / 2, HEIGHT - 14, v->by_file ? "file" : "images", LEFT - 40, TOP - 18);
}

/* The bytes of the UTF-8 character at p; 0 where there is none: a name of another encoding. */
static size_t character_at(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    const size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3
                     : u[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* A character of the file system's in XML; how many bytes it has. */
static size_t print_character(FILE *f, const char *p)
{
    const size_t n = character_at(p);
    if (*p == '&' || *p == '<' || *p == '>')
        fprintf(f, "&#%d;", *p);
    else if (!n || (unsigned char)*p < 32)
        fputc('?', f);
    else
        fprintf(f, "%.*s", (int)n, p);
    return n ? n : 1;
}

/* A name, of a long one beginning and end, by which those of several runs differ. */
static void print_name(FILE *f, const char *name)
{
    enum { HEAD = 11, TAIL = 10, MOST = HEAD + 3 + TAIL };
    size_t n = 0, k = 0;
    for (const char *p = name; *p; n++)
        p += ffcl_max(character_at(p), 1);
    for (const char *p = name; *p; k++)
        if (n > MOST && k == HEAD) {
            fputs("...", f);
            for (; k < n - TAIL; k++)
                p += ffcl_max(character_at(p), 1);
            k--;
        } else {
            p += print_character(f, p);
        }
}

static void print_file(FILE *f, const view *v, const ffcl_compared *c, size_t i)
{
    const char *colour = colours[i % COLOURS];
    const size_t n = points_of(c, v);
    double x, y;
    if (n > 1) {
        fprintf(f, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colour);
        for (size_t k = 0; k < n; k++) {
            point_of(c, v, i, k, &x, &y);
            fprintf(f, "%.1f,%.1f ", x_of(v, x), y_of(v, y));
        }
        fputs("\"/>\n", f);
    }
    for (size_t k = 0; k < n; k++) {
        point_of(c, v, i, k, &x, &y);
        if (isfinite(x) && isfinite(y))
            fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" fill=\"%s\"/>\n", x_of(v, x),
                    y_of(v, y), colour);
    }
    if (i < NAMES) {
        fprintf(f, "<circle cx=\"%d\" cy=\"%zu\" r=\"4\" fill=\"%s\"/>\n<text x=\"%d\" y=\"%zu\">",
                WIDTH - RIGHT + 24, TOP + 18 * i, colour, WIDTH - RIGHT + 34, TOP + 18 * i + 4);
        print_name(f, c->name);
        fputs("</text>\n", f);
    }
}

int ffcl_compare_plot(const char *path, const ffcl_compared *c, size_t n, ffcl_error *err)
{
    const view v = view_of(c, n);
    char *text = NULL;
    size_t size = 0;
    ffcl_atomic_file file = {0};
    FILE *f = open_memstream(&text, &size);
    if (!f)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path);
    fprintf(f, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
            "viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"13\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n", WIDTH, HEIGHT, WIDTH,
            HEIGHT);
    print_axes(f, &v);
    for (size_t i = 0; i < n; i++)
        print_file(f, &v, &c[i], i);
    if (n > NAMES)
        fprintf(f, "<text x=\"%d\" y=\"%d\">and %zu others</text>\n", WIDTH - RIGHT + 34,
                TOP + 18 * NAMES + 4, n - NAMES);
    fputs("</svg>\n", f);
    int rc = ferror(f) | fclose(f) ? ffcl_fail(err, FFCL_ENOMEM, "out of memory for %s", path) : 0;
    if (rc == 0)
        rc = ffcl_atomic_open(&file, path, err);
    if (rc == 0)
        rc = ffcl_atomic_write(&file, text, size, err);
    if (rc == 0)
        rc = ffcl_atomic_commit(&file, err);
    ffcl_atomic_discard(&file);
    free(text);
    return rc;
}
