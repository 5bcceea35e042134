/* SPDX-License-Identifier: MIT
 * ffcl bench: kernels and GEMMs of the registry, and whole models, timed on one device. */
#ifndef FFCL_BENCH_H
#define FFCL_BENCH_H

#include "../tests/kernels/registry.h"
#include "program/command.h"

struct cJSON;

/* Sizes, batches, and rounds of a command line; calls of a case that are timed; the version of the
 * files' format. */
enum { FFCL_BENCH_MOST = 8, FFCL_BENCH_REPEATS = 200, FFCL_BENCH_FORMAT = 2 };

/* What results are written as, in this order. */
typedef enum ffcl_bench_file {
    FFCL_BENCH_JSON, FFCL_BENCH_JSONL, FFCL_BENCH_CSV, FFCL_BENCH_MARKDOWN, FFCL_BENCH_SVG,
    FFCL_BENCH_HTML, FFCL_BENCH_FILES
} ffcl_bench_file;

typedef struct ffcl_bench_options {
    const char *pattern;            /* rows whose name contains or matches it; or an operation */
    struct ffcl_bench_sizes {
        size_t size[FFCL_MAX_DIMS], n;
        const char *text;           /* as it was given */
    } shapes[FFCL_BENCH_MOST];      /* (n_shapes) in place of the models' */
    size_t n_shapes;
    const char *variant;            /* rows of this variant alone; NULL: of all */
    int all;                        /* rows that the device does not use, too */
    const char *device, *backend;   /* as the keys of an INI file */
    uint64_t seed;
    size_t sizes[FFCL_BENCH_MOST], batches[FFCL_BENCH_MOST];    /* sides of images */
    size_t n_sizes, n_batches;
    double seconds;                 /* for the repeats of a case, where it is not */
    size_t repeats;                 /* just so many */
    size_t rounds;                  /* over all cases, among which repeats are divided */
    int list, quick, model;
    const char *files[FFCL_BENCH_FILES];        /* "-" is stdout; NULL: none */
    const char *compare;            /* an old JSON; NULL: none */
    const char *ini;                /* of bench model, with its overrides */
    char **assignments;
    size_t n_assignments;
    ffcl_interrupt *interrupt;      /* Ctrl-C; NULL: is not asked */
} ffcl_bench_options;

/* A case to be timed; role says what the model has it for, "" where the shape is a test's. */
typedef struct ffcl_bench_case {
    const ffcl_row *row;
    ffcl_shape shape;
    char role[40];
    int large;
    int is_own;                     /* of a shape that was given */
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
    char reason[240];               /* why it failed or was skipped, */
    int code;                       /* and the status of that, where it has one */
    double times[FFCL_BENCH_REPEATS];       /* (repeats) seconds of a call */
    size_t repeats;
    double median, least;
    /* Of the median: from the lower quartile to the upper, or from the least median of a round to
     * the greatest, whichever is wider. */
    double spread;
    double low, high;               /* the medians of rounds */
    char variant[40];               /* "softmax/group", "" where the operation has one way */
    int is_checked;                 /* compared with the reference, which of some takes too long */
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
    size_t n_left_out;              /* rows that the device does not use */
    size_t n_planned;               /* cases of a run that was stopped; else n */
    const char *old_name;           /* the file compared with; NULL: none */
    int other_device;               /* that is of another device or driver */
    size_t gone;                    /* cases of it that are no more */
    double others, before;          /* shares of the processors' time that other processes had
                                       meanwhile, and before it began */
} ffcl_bench_report;

/* own.c: "4096x4096x4096" or "1x64x64x512:512:3" into *sizes.  FFCL_EUSAGE. */
int ffcl_bench_parse_sizes(const char *text, struct ffcl_bench_sizes *sizes, ffcl_error *err);
/* An operation by its name or the first letters of that, "conv"; NULL: none. */
const ffcl_operation *ffcl_bench_operation(const char *word);
/* The cases of the shapes that were given.  FFCL_EUSAGE; FFCL_EDEVMEM of sizes beyond counting. */
int ffcl_bench_own_cases(ffcl_bench_case **list, size_t *n, ffcl_ctx *ctx,
                         const ffcl_bench_options *o, ffcl_error *err);
/* "softmax/group": what computes the case in the context as it is; "" of one way. */
void ffcl_bench_variant_text(ffcl_ctx *ctx, const ffcl_bench_case *c, char *text, size_t size);
/* Whether that is the variant asked for, "group" or "softmax/group". */
int ffcl_bench_is_variant(const char *asked, const char *text);
/* FFCL_EUSAGE where no operation, or not that one, has such a variant. */
int ffcl_bench_check_variant(const char *asked, const ffcl_operation *of, ffcl_error *err);

/* cases.c: what there is to time; *list is the caller's to free. */
int ffcl_bench_cases(ffcl_bench_case **list, size_t *n, size_t *left_out, ffcl_ctx *ctx,
                     const ffcl_bench_options *o, ffcl_error *err);
/* Whether half rows of the unit in use are wanted on this device, and others. */
int ffcl_bench_fits_device(const ffcl_ctx *ctx, const ffcl_row *row);

/* measure.c: the device with what timing needs. */
typedef struct ffcl_bench_meter ffcl_bench_meter;
int ffcl_bench_meter_open(ffcl_bench_meter **out, ffcl_ctx *ctx, const ffcl_bench_options *o);
void ffcl_bench_meter_close(ffcl_bench_meter **meter);
/* One round of r->what, which is compared with the reference in the first: what it took is added to
 * r.  Nothing where it failed before, or was skipped. */
void ffcl_bench_measure(ffcl_bench_meter *meter, ffcl_bench_result *r);
/* Whether Ctrl-C was pressed. */
int ffcl_bench_is_stopped(const ffcl_bench_options *o);
/* Measures the roofs.  FFCL_EVERIFY where one of their kernels computes wrong. */
int ffcl_bench_roofs(ffcl_bench_meter *meter, ffcl_bench_report *report);
/* A case that is faster than a roof is the roof: nothing above it has been seen. */
void ffcl_bench_raise(ffcl_bench_report *report, const ffcl_bench_result *r);
/* Fills roof and share. */
void ffcl_bench_share(const ffcl_bench_report *report, ffcl_bench_result *r);
/* Sorts the n times and gives their median and the spread. */
double ffcl_bench_median(double *times, size_t n, double *spread);

/* Fails with FFCL_ESTOPPED, and says how many were timed and which files have them. */
int ffcl_bench_stopped(const ffcl_bench_options *o, size_t done, size_t of, const char *what,
                       ffcl_error *err);

/* load.c: what other processes, and other virtual machines, take of the processors' time; in clock
 * ticks of all of them since the start. */
typedef struct ffcl_bench_load {
    double busy, total, own;
} ffcl_bench_load;
void ffcl_bench_load_start(ffcl_bench_load *load);
/* Their share since then, 0 to 1; 0 where the system does not say. */
double ffcl_bench_load_of_others(const ffcl_bench_load *since);
/* The same of a quarter of a second that this takes. */
double ffcl_bench_load_now(void);
/* A line about such a share, where it disturbs; is_over: of the whole run, else before it. */
void ffcl_bench_load_warn(double share, int is_over);

/* table.c: the terminal. */
typedef struct ffcl_bench_table {
    size_t name, variant, role, shape;      /* widths; those but name may be 0: left out */
    size_t left;                            /* of all of them with what is between */
    int is_stacked;                         /* they have a line of their own above the numbers */
    ffcl_table numbers;
} ffcl_bench_table;
void ffcl_bench_table_head(ffcl_bench_table *t, const ffcl_bench_report *report,
                           const ffcl_bench_case *list, size_t n);
void ffcl_bench_table_row(const ffcl_bench_table *t, const ffcl_bench_result *r);
void ffcl_bench_table_foot(const ffcl_bench_report *report);
/* "256x3456x1152": a shape without the names of its letters. */
void ffcl_bench_shape_text(const ffcl_bench_case *c, char *text, size_t size);

/* Files.  "-" is stdout.  FFCL_EOUTPUT.  output.c: */
int ffcl_bench_write_json(const ffcl_bench_report *report, const char *path, ffcl_error *err);
int ffcl_bench_write_csv(const ffcl_bench_report *report, const char *path, ffcl_error *err);
/* The text of that JSON without the blanks, the caller's to free; NULL: no memory. */
char *ffcl_bench_json_text(const ffcl_bench_report *report);
/* output_lines.c: */
int ffcl_bench_write_jsonl(const ffcl_bench_report *report, const char *path, ffcl_error *err);
int ffcl_bench_write_markdown(const ffcl_bench_report *report, const char *path, ffcl_error *err);
/* html.c: */
int ffcl_bench_write_html(const ffcl_bench_report *report, const char *path, ffcl_error *err);
/* What a case's line has of the whole run, and its result. */
struct cJSON *ffcl_bench_head_json(const ffcl_bench_report *report);
struct cJSON *ffcl_bench_result_json(const ffcl_bench_result *r);
/* What bench and bench model have in common, for "format": kind; and writing it. */
struct cJSON *ffcl_bench_json_head(const char *kind, const char *date, const ffcl_device *device,
                                   const char *blas, const char *unit);
/* The whole text to path, or to stdout for "-". */
int ffcl_bench_write_text(const char *path, const char *text, ffcl_error *err);
int ffcl_bench_write_root(struct cJSON *root, const char *path, ffcl_error *err);
void ffcl_bench_add_number(struct cJSON *to, const char *key, double value);
/* compare.c: an old report of that format, as cJSON's root, checked.  FFCL_EFILE, FFCL_EFORMAT. */
int ffcl_bench_read_json(struct cJSON **out, const char *kind, const char *path, ffcl_error *err);
/* Of two medians in seconds with their spreads. */
ffcl_bench_change ffcl_bench_change_of(double median, double spread, double old,
                                       double old_spread);
extern const char *const ffcl_bench_change_names[];
const char *ffcl_bench_text_of(const struct cJSON *object, const char *key);
double ffcl_bench_number_of(const struct cJSON *object, const char *key);
int ffcl_bench_is_other_device(const ffcl_device *device, const struct cJSON *old);
void ffcl_bench_compare(const struct cJSON *old, ffcl_bench_result *r);
void ffcl_bench_compare_rest(ffcl_bench_report *report, const struct cJSON *old);
/* Whether all files asked for can be written, by trying. */
int ffcl_bench_try_outputs(const ffcl_bench_options *o, ffcl_error *err);
/* Whether one of them is stdout, where then nothing else is printed. */
int ffcl_bench_is_silent(const ffcl_bench_options *o);
/* Date in UTC, "2026-11-24T12:00:00Z", and the commit that was built, "unknown" where unknown. */
void ffcl_bench_date(char *text, size_t size);
const char *ffcl_bench_commit(void);

/* plot.c: the roofline as SVG. */
int ffcl_bench_plot(const ffcl_bench_report *report, const char *path, ffcl_error *err);

/* model.c: ffcl bench model. */
int ffcl_bench_model(const ffcl_bench_options *o, ffcl_progress *progress, ffcl_error *err);

#endif
