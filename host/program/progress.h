/* SPDX-License-Identifier: MIT
 * Progress on stderr, for main.c: one updating line on a terminal, else a line now and then. */
#ifndef FFCL_PROGRAM_PROGRESS_H
#define FFCL_PROGRAM_PROGRESS_H

#include <stdatomic.h>
#include <stdio.h>

#include "ffcl.h"

typedef struct ffcl_progress {
    FILE *out;
    int is_terminal;            /* update one line in place */
    atomic_int quiet;           /* print warnings only; the thread that waits for Ctrl-C reads it */
    int verbose;                /* say more of what is done */
    int color;                  /* heads of errors and warnings have colours */
    ffcl_phase phase;           /* of the last report that was not a text */
    uint64_t done, total;       /* of that report */
    uint64_t first_done;        /* done of the first report of the phase */
    uint64_t first_advance;     /* done of the first report that had more; first_done: none yet */
    double started, advanced, printed;  /* seconds: those two reports, and the last line */
    char words[120];            /* text of that report */
    char line[240];             /* of a log: the last one of this phase */
    int is_running;             /* a phase has begun and not ended */
    int is_shown;               /* the last report has been printed */
    size_t width;               /* characters of the updating line, 0: none is open */
} ffcl_progress;

void ffcl_progress_init(ffcl_progress *p, FILE *out, int is_terminal, int quiet);

/* The report function of ffcl_observer; user is the ffcl_progress. */
void ffcl_progress_report(void *user, ffcl_phase phase, const char *text, uint64_t done,
                          uint64_t total);

/* "ffcl: " or "ffcl: warning: ", coloured where colours are wanted; returns its columns. */
int ffcl_progress_head(const ffcl_progress *p, int is_warning);

/* With --verbose: a line by itself. */
void ffcl_progress_say(ffcl_progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* On a terminal, the updating line says text, "" nothing, until it says something else. */
void ffcl_progress_status(ffcl_progress *p, const char *text);

/* Prints what the last phase still owes and ends the updating line; other output may follow. */
void ffcl_progress_end(ffcl_progress *p);

#endif
