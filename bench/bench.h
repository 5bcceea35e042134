/* SPDX-License-Identifier: MIT
 * ffcl bench: kernels and GEMMs of the registry, and whole models, timed on one device. */
#ifndef FFCL_BENCH_H
#define FFCL_BENCH_H

#include "../tests/kernels/registry.h"
#include "program/command.h"

struct cJSON;

/* Sizes, batches, and rounds of a command line; calls of a case that are timed. */
enum { FFCL_BENCH_MOST = 8, FFCL_BENCH_REPEATS = 200 };

typedef struct ffcl_bench_options {
    const char *pattern;            /* rows whose name contains or matches it */
    const char *device, *backend;   /* as the keys of an INI file */
    uint64_t seed;
    size_t sizes[FFCL_BENCH_MOST], batches[FFCL_BENCH_MOST];    /* sides of images */
    size_t n_sizes, n_batches;
    double seconds;                 /* for the repeats of a case, where it is not */
    size_t repeats;                 /* just so many */
    size_t rounds;                  /* over all cases, among which repeats are divided */
    int list, quick, model;
    const char *json, *csv, *compare, *plot;    /* files; "-" is stdout; NULL: none */
    const char *ini;                /* of bench model, with its overrides */
    char **assignments;
    size_t n_assignments;
} ffcl_bench_options;

/* A case to be timed; role says what the model has it for, "" where the shape is a test's. */
typedef struct ffcl_bench_case {
    const ffcl_row *row;
    ffcl_shape shape;
    char role[40];
    int large;
} ffcl_bench_case;

typedef enum ffcl_bench_status {
    FFCL_BENCH_OK, FFCL_BENCH_FAILED, FFCL_BENCH_SKIPPED
} ffcl_bench_status;

/* The roofs of the device; 0 where there is none. */
typedef enum ffcl_bench_roof {
    FFCL_ROOF_COPY, FFCL_ROOF_FMA, FFCL_ROOF_MATRIX, FFCL_BENCH_ROOFS
} ffcl_bench_roof;

/* How a result compares with an old one. */
typedef enum ffcl_bench_change {
    FFCL_CHANGE_NONE, FFCL_CHANGE_SAME, FFCL_CHANGE_FASTER, FFCL_CHANGE_SLOWER, FFCL_CHANGE_NEW
} ffcl_bench_change;

typedef struct ffcl_bench_result {
    ffcl_bench_case what;
    ffcl_bench_status status;
    char reason[240];               /* why it failed or was skipped */
    double times[FFCL_BENCH_REPEATS];       /* (repeats) seconds of a call */
    size_t repeats;
    double median, least;
    /* Of the median: from the lower quartile to the upper, or from the least median of a round to
     * the greatest, whichever is wider. */
    double spread;
    double low, high;               /* the medians of rounds */
    const char *variant;            /* that computed it, "" where the operation has one way */
    ffcl_cost cost;
    ffcl_bench_roof roof;           /* the one that limits it, */
    double share;                   /* and how much of it is reached */
    ffcl_bench_change change;
    double old;                     /* median of the old result */
} ffcl_bench_result;

typedef struct ffcl_bench_report {
    const ffcl_bench_options *options;
    const ffcl_device *device;
    const char *blas, *unit;        /* "" for none */
    char date[32];
    double roofs[FFCL_BENCH_ROOFS]; /* bytes/s, flops/s, flops/s */
    char roof_names[FFCL_BENCH_ROOFS][80];
    ffcl_bench_result *results;     /* (n) */
    size_t n, n_failed;
    const char *old_name;           /* the file compared with; NULL: none */
    int other_device;               /* that is of another device or driver */
    size_t gone;                    /* cases of it that are no more */
    double others;                  /* share of the processors' time that other processes had */
} ffcl_bench_report;

/* cases.c: what there is to time; *list is the caller's to free. */
int ffcl_bench_cases(ffcl_bench_case **list, size_t *n, ffcl_ctx *ctx, const ffcl_bench_options *o,
                     ffcl_error *err);

/* measure.c: the device with what timing needs. */
typedef struct ffcl_bench_meter ffcl_bench_meter;
int ffcl_bench_meter_open(ffcl_bench_meter **out, ffcl_ctx *ctx, const ffcl_bench_options *o);
void ffcl_bench_meter_close(ffcl_bench_meter **meter);
/* One round of r->what, which is compared with the reference in the first: what it took is added to
 * r.  Nothing where it failed before, or was skipped. */
void ffcl_bench_measure(ffcl_bench_meter *meter, ffcl_bench_result *r);
/* Measures the roofs.  FFCL_EVERIFY where one of their kernels computes wrong. */
int ffcl_bench_roofs(ffcl_bench_meter *meter, ffcl_bench_report *report);
/* A case that is faster than a roof is the roof: nothing above it has been seen. */
void ffcl_bench_raise(ffcl_bench_report *report, const ffcl_bench_result *r);
/* Fills roof and share. */
void ffcl_bench_share(const ffcl_bench_report *report, ffcl_bench_result *r);
/* Sorts the n times and gives their median and the spread. */
double ffcl_bench_median(double *times, size_t n, double *spread);

/* load.c: what other processes, and other virtual machines, take of the processors' time; in clock
 * ticks of all of them since the start. */
typedef struct ffcl_bench_load {
    double busy, total, own;
} ffcl_bench_load;
void ffcl_bench_load_start(ffcl_bench_load *load);
/* Their share since then, 0 to 1; 0 where the system does not say. */
double ffcl_bench_load_of_others(const ffcl_bench_load *since);

/* table.c: the terminal. */
typedef struct ffcl_bench_table {
    size_t name, variant, role, shape;      /* widths; variant, role 0: left out */
    int has_change;
} ffcl_bench_table;
void ffcl_bench_table_head(ffcl_bench_table *t, const ffcl_bench_report *report,
                           const ffcl_bench_case *list, size_t n);
void ffcl_bench_table_row(const ffcl_bench_table *t, const ffcl_bench_result *r);
void ffcl_bench_table_foot(const ffcl_bench_report *report);
/* "256x3456x1152": a shape without the names of its letters. */
void ffcl_bench_shape_text(const ffcl_bench_case *c, char *text, size_t size);

/* output.c: files.  "-" is stdout.  FFCL_EOUTPUT. */
int ffcl_bench_write_json(const ffcl_bench_report *report, const char *path, ffcl_error *err);
int ffcl_bench_write_csv(const ffcl_bench_report *report, const char *path, ffcl_error *err);
/* What bench and bench model have in common, for "format": kind; and writing it. */
struct cJSON *ffcl_bench_json_head(const char *kind, const char *date, const ffcl_device *device,
                                   const char *blas, const char *unit);
/* The whole text to path, or to stdout for "-". */
int ffcl_bench_write_text(const char *path, const char *text, ffcl_error *err);
int ffcl_bench_write_root(struct cJSON *root, const char *path, ffcl_error *err);
void ffcl_bench_add_number(struct cJSON *to, const char *key, double value);
/* An old report, as cJSON's root, checked.  FFCL_EFILE, FFCL_EFORMAT. */
int ffcl_bench_read_json(struct cJSON **out, const char *path, ffcl_error *err);
int ffcl_bench_is_other(const ffcl_bench_report *report, const struct cJSON *old);
void ffcl_bench_compare(const struct cJSON *old, ffcl_bench_result *r);
void ffcl_bench_compare_rest(ffcl_bench_report *report, const struct cJSON *old);
/* Whether the file can be written, by trying; path may be NULL or "-". */
int ffcl_bench_try_output(const char *path, ffcl_error *err);
/* Date in UTC, "2026-11-24T12:00:00Z", and the commit that was built, "unknown" where unknown. */
void ffcl_bench_date(char *text, size_t size);
const char *ffcl_bench_commit(void);

/* plot.c: the roofline as SVG. */
int ffcl_bench_plot(const ffcl_bench_report *report, const char *path, ffcl_error *err);

/* model.c: ffcl bench model. */
int ffcl_bench_model(const ffcl_bench_options *o, ffcl_progress *progress, ffcl_error *err);

#endif
