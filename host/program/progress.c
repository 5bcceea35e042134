/* SPDX-License-Identifier: MIT */
#include "program/progress.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

#include "program/driver_output.h"
#include "program/lines.h"
#include "text.h"
#include "util.h"

/* Seconds between two updates of the line. */
#define TERMINAL_INTERVAL 0.1
/* Seconds between two lines of a log: the first ones of a phase, and at most.  In between a fifth
 * of its age, so that a phase of an hour has some ninety lines and one of minutes thirty. */
#define FIRST_INTERVAL 2.0
#define LONGEST_INTERVAL 60.0

void ffcl_progress_init(ffcl_progress *p, FILE *out, int is_terminal, int quiet)
{
    *p = (ffcl_progress){.out = out, .is_terminal = is_terminal, .quiet = quiet};
}

/* "1.2/2.7 GB", in the unit that suits the total. */
static void format_bytes(char *text, size_t size, uint64_t done, uint64_t total)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    double scale = 1e3;
    size_t unit = 0;
    while (unit < 3 && (double)total >= 1e3 * scale) {
        scale *= 1e3;
        unit++;
    }
    snprintf(text, size, "%.1f/%.1f %s", (double)done / scale, (double)total / scale, units[unit]);
}

/* Of them a second; 0: not known yet.  The first batch is not typical, as drivers compile in it
 * what they left undone before, so it counts only where it is all.  Batches of several devices end
 * together: not before as much time as the first took has passed is anything known of the next. */
static double rate_of(const ffcl_progress *p)
{
    const double now = ffcl_clock(), first = p->advanced - p->started;
    if (p->done > p->first_advance && now - p->advanced >= 0.9 * first)
        return (double)(p->done - p->first_advance) / (now - p->advanced);
    if (p->done < p->total || p->done <= p->first_done || now <= p->started)
        return 0;
    return (double)(p->done - p->first_done) / (now - p->started);
}

/* ", 3.1 images/s, 17 s left"; empty until it is known. */
static void format_rate(char *text, size_t size, const ffcl_progress *p, const char *what)
{
    const double rate = rate_of(p);
    text[0] = '\0';
    if (rate <= 0)
        return;
    double left = p->total > p->done ? (double)(p->total - p->done) / rate : 0;
    const char *unit = left < 120 ? "s" : left < 7200 ? "min" : "h";
    double shown = left < 120 ? left : left < 7200 ? left / 60 : left / 3600;
    int n = snprintf(text, size, ", %.*f %s/s", rate < 0.1 ? 3 : rate < 100 ? 1 : 0, rate, what);
    if (p->total <= p->done)
        return;
    n += snprintf(text + n, size - (size_t)n, ", %.0f %s left", shown, unit);
    const time_t end = time(NULL) + (time_t)left;
    struct tm parts;
    if (left >= 120 && localtime_r(&end, &parts))
        strftime(text + n, size - (size_t)n, left < 72000 ? " (%H:%M)" : " (%a %H:%M)", &parts);
}

static double interval_of(const ffcl_progress *p)
{
    const double age = ffcl_clock() - p->started;
    if (p->is_terminal)
        return TERMINAL_INTERVAL;
    return age / 5 < FIRST_INTERVAL ? FIRST_INTERVAL
           : age / 5 > LONGEST_INTERVAL ? LONGEST_INTERVAL : age / 5;
}

/* A line that is wider than the terminal would not be updated in place. */
static void cut_to_width(const ffcl_progress *p, char *line)
{
    struct winsize size = {0};
    if (ioctl(fileno(p->out), TIOCGWINSZ, &size) || size.ws_col < 2)
        return;
    if (strlen(line) >= size.ws_col)
        line[size.ws_col - 1] = '\0';
}

int ffcl_progress_head(const ffcl_progress *p, int is_warning)
{
    const char *on = !p->color ? "" : is_warning ? "\033[1;33m" : "\033[1;31m";
    const char *head = is_warning ? "ffcl: warning:" : "ffcl:";
    fprintf(p->out, "%s%s%s ", on, head, p->color ? "\033[0m" : "");
    return (int)strlen(head) + 1;
}

void ffcl_progress_say(ffcl_progress *p, const char *format, ...)
{
    char line[2000];
    va_list args;
    if (!p->verbose || p->quiet)
        return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ffcl_progress_report(p, FFCL_PHASE_NOTE, line, 0, 0);
}

static void print_phase(ffcl_progress *p)
{
    char line[sizeof p->line], detail[96];
    switch (p->phase) {
    case FFCL_PHASE_LOAD:
    case FFCL_PHASE_CONVERT:
        format_bytes(detail, sizeof detail, p->done, p->total);
        snprintf(line, sizeof line, "%s %s",
                 p->phase == FFCL_PHASE_LOAD ? "loading" : "converting", detail);
        break;
    case FFCL_PHASE_COMPILE:
        snprintf(line, sizeof line, "compiling %llu/%llu", (unsigned long long)p->done,
                 (unsigned long long)p->total);
        break;
    case FFCL_PHASE_CHECK:
        snprintf(line, sizeof line, "checking %llu/%llu", (unsigned long long)p->done,
                 (unsigned long long)p->total);
        break;
    case FFCL_PHASE_SAMPLE:
        /* Samplers of many steps count evaluations, and say how many images are done. */
        format_rate(detail, sizeof detail, p, *p->words ? "evaluations" : "images");
        snprintf(line, sizeof line, "sampling %llu/%llu%s%.50s%s", (unsigned long long)p->done,
                 (unsigned long long)p->total, *p->words ? " evaluations, " : "", p->words,
                 detail);
        break;
    case FFCL_PHASE_EVALUATE:
        format_rate(detail, sizeof detail, p, "images");
        snprintf(line, sizeof line, "evaluating %llu/%llu%.90s", (unsigned long long)p->done,
                 (unsigned long long)p->total, detail);
        break;
    case FFCL_PHASE_TUNE:
        snprintf(line, sizeof line, "tuning %llu/%llu s%s%.110s", (unsigned long long)p->done,
                 (unsigned long long)p->total, *p->words ? ", " : "", p->words);
        break;
    default:
        return;
    }
    if (p->is_terminal) {
        cut_to_width(p, line);
        /* Blanks cover the rest of a longer line before it: no escape codes are needed. */
        int n = fprintf(p->out, "\r%-*s", (int)p->width, line);
        p->width = n > 0 ? (size_t)n - 1 : p->width;
    } else if (strcmp(line, p->line) != 0) {
        /* What has not changed is not said again. */
        fprintf(p->out, "%s\n", line);
        snprintf(p->line, sizeof p->line, "%s", line);
    }
    fflush(p->out);
    p->printed = ffcl_clock();
    p->is_shown = 1;
}

void ffcl_progress_end(ffcl_progress *p)
{
    if (p->is_running && !p->is_shown && !p->quiet)
        print_phase(p);
    if (p->width)
        fputc('\n', p->out);
    fflush(p->out);
    p->width = 0;
    p->is_running = 0;
}

void ffcl_progress_status(ffcl_progress *p, const char *text)
{
    if (!p->is_terminal || p->quiet)
        return;
    char line[256];
    snprintf(line, sizeof line, "%s", text);
    cut_to_width(p, line);
    int n = fprintf(p->out, "\r%-*s", (int)p->width, line);
    p->width = *text && n > 0 ? (size_t)n - 1 : 0;
    if (!*text)
        fputc('\r', p->out);
    fflush(p->out);
}

void ffcl_progress_report(void *user, ffcl_phase phase, const char *text, uint64_t done,
                          uint64_t total)
{
    ffcl_progress *p = user;
    char line[4096];
    int at = 0;
    ffcl_driver_output_tend();
    if (p->quiet && phase != FFCL_PHASE_WARN)
        return;
    if (phase == FFCL_PHASE_NOTE || phase == FFCL_PHASE_WARN) {
        /* The line of a phase that continues is left as it stands and begun anew below. */
        if (p->width)
            fputc('\n', p->out);
        p->width = 0;
        snprintf(line, sizeof line, "%s", text ? text : "");
        ffcl_text_clean(line, 0);       /* names of devices, paths, errors */
        if (phase == FFCL_PHASE_WARN)
            at = ffcl_progress_head(p, 1);
        ffcl_help_line_at(p->out, at, 4, line);
        fflush(p->out);
        return;
    }
    if (!p->is_running || p->phase != phase) {
        ffcl_progress_end(p);
        p->phase = phase;
        p->first_done = p->first_advance = done;
        p->started = ffcl_clock();
        p->printed = p->is_terminal ? 0 : p->started;
        p->line[0] = '\0';
        p->is_running = 1;
    }
    if (p->first_advance == p->first_done && done > p->first_done) {
        p->first_advance = done;
        p->advanced = ffcl_clock();
    }
    p->done = done;
    p->total = total;
    snprintf(p->words, sizeof p->words, "%s", text ? text : "");
    ffcl_text_clean(p->words, 0);
    p->is_shown = 0;
    if (done >= total)
        ffcl_progress_end(p);
    else if (ffcl_clock() - p->printed >= interval_of(p))
        print_phase(p);
}
