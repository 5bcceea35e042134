/* SPDX-License-Identifier: MIT
 * Every row of the registry against its reference on one device. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gemm.h"
#include "half.h"
#include "registry.h"
#include "selfcheck/choice.h"
#include "selfcheck/numbers.h"
#include "util.h"

typedef struct options {
    const char *op, *device, *backend;
    uint64_t seed;
    size_t share, shares;       /* of the rows, share in 1..shares */
    int list, small, bare, verbose;
} options;

typedef struct counts {
    size_t passed, failed, skipped;
    char reason[120];           /* of the last skip */
} counts;

static const char usage[] =
    "usage: check [--list] [--op PATTERN] [--seed N] [--device SELECT] [--backend NAME] "
    "[--share K/N]\n"
    "             [--small] [--bare] [--verbose]\n"
    "  --list           names of the rows and their shapes\n"
    "  --op PATTERN     rows whose name contains PATTERN, or matches it where it has * or ?\n"
    "  --seed N         of the random inputs; from the clock by default\n"
    "  --device SELECT  as device.select of an INI file; auto by default\n"
    "  --backend NAME   as blas.backend of an INI file; auto by default\n"
    "  --share K/N      rows K, K+N, K+2N, ... of those, so that N processes check all of them\n"
    "  --small          one or two tiny shapes a row, noise alone, for very slow devices\n"
    "  --bare           no guard bands: a checking device then knows the exact bounds\n"
    "  --verbose        a line for each case, with its largest errors and time\n";

/* Indices of the output in its axes: "b=0 t=3 d=17", or "b=0 t=0..3 d=16..23" where high differs
 * from low. */
static void axes_text(const ffcl_case *c, const size_t *low, const size_t *high, char *text,
                      size_t size)
{
    const char *p = c->axes;
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; *p && i < FFCL_MAX_AXES && used < size; i++) {
        size_t length = strcspn(p, " ");
        used += (size_t)snprintf(text + used, size - used, "%s%.*s=%zu", i ? " " : "", (int)length,
                                 p, low[i]);
        if (high[i] != low[i] && used < size)
            used += (size_t)snprintf(text + used, size - used, "..%zu", high[i]);
        p += length + (p[length] == ' ');
    }
}

static void heading(const ffcl_case *c, const char *word)
{
    char shape[256];
    ffcl_row_text(c->row, &c->shape, shape, sizeof shape);
    printf("%s %s %s, %s, seed %llu, %s", word, c->row->name, shape, ffcl_fill_name(c->fill),
           (unsigned long long)c->seed, c->ctx->device.caps.name);
}

static void report_failure(const ffcl_case *c, const ffcl_comparison *v)
{
    const ffcl_operand *out = &c->operand[0];
    heading(c, "FAIL");
    printf("\n");
    if (v->trespass)
        printf("     %s of operand %zu changed at element %ld\n", v->trespass, v->trespass_operand,
               v->trespass_at);
    if (v->bad) {
        char index[256], box[256];
        size_t at[FFCL_MAX_AXES];
        ffcl_case_decode(c, v->first, at);
        axes_text(c, at, at, index, sizeof index);
        axes_text(c, v->low, v->high, box, sizeof box);
        printf("     first bad %s: got %.9g, want %.9g; %zu of %zu bad, max abs error %.3g, "
               "max rel error %.3g\n", index, v->got, v->want, v->bad, out->rows * out->cols,
               v->max_abs, v->max_rel);
        printf("     all bad within %s; %zu of them NaN\n", box, v->nan);
    }
}

static void check_case(const options *o, ffcl_case *c, counts *n)
{
    ffcl_comparison v = {0};
    const double start = ffcl_clock();
    ffcl_case_begin(c);
    const char *reason = ffcl_case_skip(c);
    if (reason) {
        if (o->verbose) {
            heading(c, "SKIP");
            printf(": %s\n", reason);
        }
        n->skipped++;
        snprintf(n->reason, sizeof n->reason, "%s", reason);
        ffcl_case_end(c);
        return;
    }
    int rc = ffcl_case_check(c, &v);
    if (rc) {
        heading(c, "FAIL");
        printf("\n     %s\n", c->ctx->err->text);
    } else if (v.bad || v.trespass) {
        report_failure(c, &v);
    } else if (o->verbose) {
        heading(c, "ok  ");
        printf(": max abs error %.3g, %.1f%% of the tolerance, %.0f ms\n", v.max_abs,
               100.0 * v.used, 1e3 * (ffcl_clock() - start));
    }
    if (rc || v.bad || v.trespass)
        n->failed++;
    else
        n->passed++;
    fflush(stdout);
    ffcl_case_end(c);
}

static void check_shapes(ffcl_ctx *ctx, const ffcl_row *row, const ffcl_shape *list,
                         const options *o, counts *n)
{
    for (const ffcl_shape *s = list; s->d[0]; s++) {
        if (o->small && !(s->flags & FFCL_SHAPE_SMALL))
            continue;
        for (unsigned fill = 0; fill < FFCL_N_FILLS; fill++) {
            int wanted = fill == FFCL_FILL_NOISE ||
                         ((s->flags & FFCL_SHAPE_FILLS) && !o->small);
            ffcl_case c = {.ctx = ctx, .row = row, .shape = *s, .fill = (ffcl_fill)fill,
                           .seed = o->seed, .bare = o->bare};
            if (wanted && (row->fills >> fill & 1u))
                check_case(o, &c, n);
        }
    }
}

static void check_row(ffcl_ctx *ctx, const ffcl_row *row, const options *o, counts *n)
{
    size_t skipped = n->skipped;
    check_shapes(ctx, row, row->model, o, n);
    check_shapes(ctx, row, row->awkward, o, n);
    if (n->skipped > skipped && !o->verbose)
        printf("SKIP %s, %zu cases: %s\n", row->name, n->skipped - skipped, n->reason);
}

static void list_row(const ffcl_row *row)
{
    char text[256];
    printf("%s\n", row->name);
    for (int k = 0; k < 2; k++)
        for (const ffcl_shape *s = k ? row->awkward : row->model; s->d[0]; s++) {
            ffcl_row_text(row, s, text, sizeof text);
            printf("    %s%s\n", text, k ? "" : "  (model)");
        }
}

static int is_number(const char *text, uint64_t *out)
{
    char *end = NULL;
    *out = strtoull(text, &end, 10);
    return end != text && *end == 0;
}

/* "K/N" with 1 <= K <= N. */
static int is_share(const char *text, options *o)
{
    char *end = NULL;
    o->share = (size_t)strtoull(text, &end, 10);
    if (end == text || *end != '/')
        return 0;
    const char *second = end + 1;
    o->shares = (size_t)strtoull(second, &end, 10);
    return end != second && *end == 0 && o->share >= 1 && o->share <= o->shares;
}

static int parse(options *o, int argc, char **argv)
{
    *o = (options){.op = "", .device = "auto", .backend = "auto", .share = 1, .shares = 1,
                    .seed = (uint64_t)time(NULL)};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--list") == 0)
            o->list = 1;
        else if (strcmp(argv[i], "--small") == 0)
            o->small = 1;
        else if (strcmp(argv[i], "--bare") == 0)
            o->bare = 1;
        else if (strcmp(argv[i], "--verbose") == 0)
            o->verbose = 1;
        else if (strcmp(argv[i], "--op") == 0 && next)
            o->op = argv[++i];
        else if (strcmp(argv[i], "--device") == 0 && next)
            o->device = argv[++i];
        else if (strcmp(argv[i], "--backend") == 0 && next)
            o->backend = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0 && next && is_number(next, &o->seed))
            i++;
        else if (strcmp(argv[i], "--share") == 0 && next && is_share(next, o))
            i++;
        else
            return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    options o;
    ffcl_error err = {0};
    ffcl_device device;
    ffcl_ctx *ctx = NULL;
    const ffcl_row *row;
    counts n = {0};
    if (parse(&o, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    if (o.list) {
        for (size_t i = 0; (row = ffcl_row_at(i)); i++)
            if (ffcl_row_matches(o.op, row->name))
                list_row(row);
        return 0;
    }
    int wrong = ffcl_half_selftest();
    if (wrong) {
        fprintf(stderr, "check: the conversion of half 0x%04x is wrong on this host\n", wrong - 1);
        return 1;
    }
    int rc = ffcl_rows_check(&err);
    if (rc == 0)
        rc = ffcl_device_select(&device, o.device, &err);
    if (rc == 0)
        rc = ffcl_ctx_open(&ctx, &device, NULL, NULL, &err);
    if (rc == 0) {
        ctx->err = &err;
        /* A library that computes wrong shows in its rows, and each row has its own unit. */
        rc = ffcl_choose_gemms(ctx, &(ffcl_choice){.backend = o.backend, .tuning = "off",
                                                   .unchecked = 1, .no_units = 1});
    }
    if (rc == 0)
        ffcl_selfcheck_numbers(ctx);
    if (rc) {
        fprintf(stderr, "check: %s\n", err.text);
        ffcl_ctx_close(&ctx);
        return 1;
    }
    size_t rows = 0;
    printf("device %s, %s, seed %llu\n", device.caps.name, ffcl_blas_name(ctx),
           (unsigned long long)o.seed);
    for (size_t i = 0; (row = ffcl_row_at(i)); i++)
        if (ffcl_row_matches(o.op, row->name) && rows++ % o.shares == o.share - 1)
            check_row(ctx, row, &o, &n);
    ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
    if (rows == 0)
        printf("no row matches %s\n", o.op);
    printf("%zu passed, %zu failed, %zu skipped\n", n.passed, n.failed, n.skipped);
    return n.failed || rows == 0 ? 1 : 0;
}
