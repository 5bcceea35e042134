/* SPDX-License-Identifier: MIT
 * ffcl tune: looks for the parameters of CLBlast that suit a device and the shapes of a model.
 *
 * For Xgemm first known sets are tried, then random ones and neighbours of the best; then, with the
 * best Xgemm, those of the kernels that copy and transpose its operands; last XgemmDirect, which
 * needs no copies and suits small GEMMs, and the size up to which it is faster. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "cl/context.h"
#include "ffcl.h"
#include "files/atomic.h"
#include "gemm.h"
#include "selfcheck/gemm.h"
#include "tune/gain.h"
#include "tune/journal.h"
#include "tune/search.h"
#include "util.h"

/* Shares of the time at which the search for Xgemm, and for the kernels around it, ends. */
#define XGEMM_UNTIL 0.75
#define AROUND_UNTIL 0.88
/* A candidate is given up at a shape that takes this many times as long as with the best set. */
#define MUCH_SLOWER 1.6
/* Below this gain of the mean a change is noise. */
#define A_GAIN 0.01
/* Seconds that a process is given when the time is over. */
#define LEAST_LEFT 0.1
/* The comparison at the end takes at most this many times as long as it is thought to. */
#define ALLOWANCE 1.2
/* XgemmDirect is tried for GEMMs of at most this many operations. */
#define SMALL_WORK 1e9

enum { ALWAYS_DIRECT = 65534, FIRST_SECONDS = 300, LEAST_SECONDS = 5 };

typedef struct tuner {
    const char *program;
    const ffcl_observer *obs;
    ffcl_error *err;
    ffcl_device device;
    ffcl_tuning_home home;
    char *path;                 /* of the result */
    ffcl_tune_shape shapes[FFCL_TUNE_SHAPES];
    double weight[FFCL_TUNE_SHAPES];    /* shares of the time with CLBlast's own parameters */
    double own_ms[FFCL_TUNE_SHAPES];    /* with those */
    size_t n_shapes, n_small;
    ffcl_journal journal;
    ffcl_tuning best;
    double best_ms[FFCL_TUNE_SHAPES], best_score;
    double began, budget;       /* seconds */
    double search;              /* seconds of them, without the comparison at the end */
    double own_seconds;         /* that a process took with CLBlast's own parameters */
    double limit;               /* seconds after which a candidate is ended */
    size_t tried, failed;       /* of this run */
    uint64_t random;
} tuner;

static double elapsed(const tuner *t)
{
    return ffcl_clock() - t->began;
}

static void report_progress(const tuner *t)
{
    char text[120];
    snprintf(text, sizeof text, "%zu configuration%s tried, %zu of them failed; best: %.2fx",
             t->journal.n, ffcl_plural(t->journal.n), t->failed, exp(t->best_score));
    ffcl_report(t->obs, FFCL_PHASE_TUNE, text, (uint64_t)fmin(elapsed(t), t->budget - 1),
                (uint64_t)t->budget);
}

/* The weighted mean of the logarithms of speed over CLBlast's own. */
static double score_of(const tuner *t, const double *ms)
{
    double sum = 0;
    for (size_t i = 0; i < t->n_shapes; i++)
        sum += t->weight[i] * log(t->own_ms[i] / ms[i]);
    return sum;
}

static int is_whole(const tuner *t, const ffcl_tune_result *r)
{
    return r->end == FFCL_TUNE_TIMED && r->n == t->n_shapes;
}

static size_t row_of(const char *name)
{
    return ffcl_tuning_find(name);
}

static int is_direct(const ffcl_tuning *p)
{
    return p->value[row_of("XGEMM_MIN_INDIRECT_SIZE")] == ALWAYS_DIRECT;
}

static int write_result(const tuner *t, const char *more)
{
    char *comment = ffcl_format("# Parameters of CLBlast, found by ffcl tune (docs/tuning.md): %zu "
                                "configuration%s tried.\n%s", t->journal.n,
                                ffcl_plural(t->journal.n), more);
    int rc = comment ? ffcl_tuning_write(&t->best, &t->home, comment, t->path, t->err)
                     : ffcl_fail(t->err, FFCL_ENOMEM, "out of memory for %s", t->path);
    free(comment);
    return rc;
}

/* If the timed set p is the best so far, takes it.  It is written when it has been compared anew:
 * until then it is in the journal. */
static void consider(tuner *t, const ffcl_tuning *p, const ffcl_tune_result *r)
{
    if (!is_whole(t, r) || is_direct(p) || score_of(t, r->ms) <= t->best_score)
        return;
    t->best = *p;
    t->best_score = score_of(t, r->ms);
    memcpy(t->best_ms, r->ms, sizeof t->best_ms);
    t->limit = fmin(t->limit, LEAST_SECONDS + 2 * r->seconds);
}

/* Whether the time of the search ended a process, which then is not known to be slow. */
static int was_cut(const tuner *t, const ffcl_tune_result *r)
{
    return r->end == FFCL_TUNE_HUNG && r->seconds < t->limit;
}

/* Times a set that has not been. */
static int try_set(tuner *t, const ffcl_tuning *p, size_t n_shapes, const double *limits,
                   ffcl_tune_result *r)
{
    const double left = t->search - elapsed(t);
    const ffcl_tune_job job = {.program = t->program, .device = &t->device, .shapes = t->shapes,
                               .n_shapes = n_shapes, .parameters = p, .limits = limits,
                               .seconds = fmin(t->limit, fmax(left, LEAST_LEFT))};
    int rc = ffcl_tune_try(&job, r, t->err);
    if (rc == 0 && was_cut(t, r))
        return 0;
    if (rc == 0)
        rc = ffcl_journal_add(&t->journal, p, r, t->err);
    t->tried++;
    t->failed += r->end > FFCL_TUNE_SLOW;
    return rc;
}

/* ---- what the search compares with --------------------------------------------------------- */

/* The set's times, from the journal or now. */
static int time_base(tuner *t, const ffcl_tuning *p, ffcl_tune_result *r)
{
    const ffcl_journal_entry *e = ffcl_journal_find(&t->journal, p);
    if (e) {
        *r = e->result;
        return 0;
    }
    return try_set(t, p, t->n_shapes, NULL, r);
}

static void usual(const tuner *t, ffcl_tuning *p)
{
    const ffcl_ctx ctx = {.device = t->device};
    ffcl_tuning_usual(&ctx, p);
}

static int same_set(const ffcl_tuning *a, const ffcl_tuning *b)
{
    return !memcmp(a->value, b->value, sizeof a->value);
}

/* Whether the best is neither CLBlast's own set nor the built-in one. */
static int has_found(const tuner *t)
{
    ffcl_tuning own, built_in;
    ffcl_tuning_clear(&own);
    usual(t, &built_in);
    return !same_set(&t->best, &own) && !same_set(&t->best, &built_in);
}

/* Seconds of the comparison at the end. */
static double closing(const tuner *t)
{
    ffcl_tuning built_in;
    usual(t, &built_in);
    return (ffcl_tuning_is_empty(&built_in) ? 2 : 3) * FFCL_TUNE_LEAST_ROUNDS * t->own_seconds;
}

static int start(tuner *t)
{
    ffcl_tune_result r;
    ffcl_tuning p;
    double total = 0;
    ffcl_tuning_clear(&p);
    t->best = p;
    t->limit = FIRST_SECONDS;
    t->search = t->budget;
    ffcl_report(t->obs, FFCL_PHASE_TUNE, "timing CLBlast's own parameters", 0,
                (uint64_t)t->budget + 1);
    int rc = time_base(t, &p, &r);
    if (rc)
        return rc;
    if (was_cut(t, &r))
        return ffcl_fail(t->err, FFCL_EUSAGE, "--minutes %g are too few to time CLBlast's own "
                         "parameters on %s, with which all others are compared: give more",
                         t->budget / 60, t->device.caps.name);
    if (!is_whole(t, &r))
        return ffcl_fail(t->err, FFCL_EDEVICE, "CLBlast with its own parameters was %s on %s, so "
                         "there is nothing to compare with", ffcl_tune_end_name(r.end),
                         t->device.caps.name);
    for (size_t i = 0; i < t->n_shapes; i++) {
        t->own_ms[i] = t->best_ms[i] = r.ms[i];
        t->weight[i] = r.ms[i] * (double)t->shapes[i].count;
        total += t->weight[i];
    }
    for (size_t i = 0; i < t->n_shapes; i++)
        t->weight[i] /= total;
    t->limit = fmin(LEAST_SECONDS + 2 * r.seconds, FIRST_SECONDS);
    t->own_seconds = r.seconds;
    usual(t, &p);
    if (!ffcl_tuning_is_empty(&p))
        rc = time_base(t, &p, &r);
    if (rc == 0)
        consider(t, &p, &r);
    /* What earlier runs found. */
    for (size_t i = 0; rc == 0 && i < t->journal.n; i++)
        if (ffcl_tuning_scan(&p, t->journal.entries[i].parameters, NULL) == 0)
            consider(t, &p, &t->journal.entries[i].result);
    /* Where the comparison needs nearly all of the time and nothing is there to be compared, half
     * is for the search, and another run compares. */
    t->search = fmax(t->budget - ALLOWANCE * closing(t), has_found(t) ? 0 : 0.5 * t->budget);
    report_progress(t);
    return rc;
}

/* ---- Xgemm, and the kernels around it ------------------------------------------------------- */

/* Times p unless it is in the journal; *fresh: it was not. */
static int visit_set(tuner *t, const ffcl_tuning *p, int *fresh)
{
    double limits[FFCL_TUNE_SHAPES];
    ffcl_tune_result r;
    *fresh = !ffcl_journal_find(&t->journal, p);
    if (!*fresh)
        return 0;
    for (size_t i = 0; i < t->n_shapes; i++)
        limits[i] = MUCH_SLOWER * t->best_ms[i];
    int rc = try_set(t, p, t->n_shapes, limits, &r);
    if (rc == 0)
        consider(t, p, &r);
    report_progress(t);
    return rc;
}

/* Tries sets of the kernel that begins with row `first`, everything else as in the best, until
 * `until` seconds have passed: the known ones, then one in three at random, the others neighbours
 * of the best. */
static int explore(tuner *t, size_t first, double until)
{
    enum { STALE = 300 };
    int rc = 0, stale = 0;
    for (size_t k = 0; rc == 0 && stale < STALE && elapsed(t) < until; k++) {
        ffcl_tuning p = t->best, set;
        int fresh = 0;
        if (ffcl_search_known(&set, first, k) == 0) {
            if (ffcl_tuning_check(&set, first, &t->device.caps, NULL))
                continue;
            ffcl_tuning_merge(&p, &set);
        } else {
            int near = p.value[first] != FFCL_TUNING_UNSET &&
                       ffcl_search_below(&t->random, 3) > 0;
            if (ffcl_search_random(&p, first, &t->device.caps, near, &t->random))
                break;
        }
        p.value[row_of("XGEMM_MIN_INDIRECT_SIZE")] = 1;
        rc = visit_set(t, &p, &fresh);
        stale = fresh ? 0 : stale + 1;
    }
    return rc;
}

static int explore_around(tuner *t, double from, double until)
{
    static const char *const kernels[] = {"TRA_DIM", "PADTRA_PAD", "PAD_DIMX", "COPY_DIMX"};
    enum { N = sizeof kernels / sizeof *kernels };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < N; i++)
        rc = explore(t, row_of(kernels[i]), from + (until - from) * (double)(i + 1) / N);
    return rc;
}

/* ---- XgemmDirect ---------------------------------------------------------------------------- */

/* score_of if GEMMs of less than size^3 multiplications go to XgemmDirect. */
static double score_with(const tuner *t, const double *direct, size_t size)
{
    double ms[FFCL_TUNE_SHAPES];
    for (size_t i = 0; i < t->n_shapes; i++) {
        int is_small = ffcl_tune_work(&t->shapes[i]) < 2 * pow((double)size, 3);
        ms[i] = is_small && i < t->n_small ? direct[i] : t->best_ms[i];
    }
    return score_of(t, ms);
}

/* The size from which Xgemm is better, and the score with it. */
static size_t threshold(const tuner *t, const double *direct, double *score)
{
    size_t best = 1;
    *score = t->best_score;
    for (size_t i = 0; i < t->n_small; i++) {
        size_t size = (size_t)cbrt(ffcl_tune_work(&t->shapes[i]) / 2) + 1;
        double s = score_with(t, direct, size);
        if (s > *score) {
            *score = s;
            best = size;
        }
    }
    return best;
}

static void only_direct(ffcl_tuning *p, size_t first)
{
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++)
        if (i < first || i >= ffcl_tuning_end(first))
            p->value[i] = FFCL_TUNING_UNSET;
    p->value[row_of("XGEMM_MIN_INDIRECT_SIZE")] = ALWAYS_DIRECT;
}

/* Takes the best of XgemmDirect's sets that were tried, if it gains something. */
static void take_direct(tuner *t)
{
    const size_t first = row_of("KWID"), limit = row_of("XGEMM_MIN_INDIRECT_SIZE");
    ffcl_tuning with = t->best;
    double most = t->best_score + A_GAIN, score;
    for (size_t i = 0; i < t->journal.n; i++) {
        const ffcl_journal_entry *e = &t->journal.entries[i];
        ffcl_tuning p;
        if (ffcl_tuning_scan(&p, e->parameters, NULL) || !is_direct(&p) ||
            e->result.end != FFCL_TUNE_TIMED || e->result.n != t->n_small)
            continue;
        size_t size = threshold(t, e->result.ms, &score);
        if (score <= most)
            continue;
        most = score;
        with = t->best;
        p.value[limit] = size;
        if (p.value[first] != FFCL_TUNING_UNSET || size > 1)
            ffcl_tuning_merge(&with, &p);
    }
    if (most <= t->best_score + A_GAIN)
        return;
    t->best = with;
    t->best_score = most;
}

static int explore_direct(tuner *t, double until)
{
    const size_t first = row_of("KWID");
    double limits[FFCL_TUNE_SHAPES];
    int rc = 0;
    for (size_t i = 0; i < t->n_small; i++)
        limits[i] = 2 * MUCH_SLOWER * t->best_ms[i];
    for (size_t k = 0; rc == 0 && t->n_small && k < 200 && elapsed(t) < until; k++) {
        ffcl_tuning p;
        ffcl_tune_result r;
        ffcl_tuning_clear(&p);
        /* The first is CLBlast's own. */
        if (k > 0 && ffcl_search_known(&p, first, k - 1) != 0 &&
            ffcl_search_random(&p, first, &t->device.caps, 0, &t->random))
            break;
        only_direct(&p, first);
        if ((k > 0 && ffcl_tuning_check(&p, first, &t->device.caps, NULL)) ||
            ffcl_journal_find(&t->journal, &p))
            continue;
        rc = try_set(t, &p, t->n_small, limits, &r);
        report_progress(t);
    }
    if (rc == 0)
        take_direct(t);
    return rc;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static double gflops(const ffcl_tune_shape *s, double ms)
{
    return ms > 0 ? 1e-6 * ffcl_tune_work(s) / ms : 0;
}

/* The sets that are compared at the end. */
enum { OWN, BUILT_IN, BEST, SETS };

typedef struct comparison {
    ffcl_tuning sets[SETS];
    int has[SETS];
    size_t base;                /* what is used where nothing better is found: OWN or BUILT_IN */
    double ms[SETS][FFCL_TUNE_SHAPES];      /* the least of the rounds */
    double gains[FFCL_TUNE_ROUNDS];         /* (rounds) score of the best over the base's */
    size_t rounds;
    double round_seconds;       /* of the last */
    int is_cut;                 /* the time was over before a round was */
} comparison;

static void prepare_comparison(const tuner *t, comparison *c)
{
    *c = (comparison){.has = {[OWN] = 1}};
    ffcl_tuning_clear(&c->sets[OWN]);
    usual(t, &c->sets[BUILT_IN]);
    c->sets[BEST] = t->best;
    c->has[BUILT_IN] = !ffcl_tuning_is_empty(&c->sets[BUILT_IN]);
    c->base = c->has[BUILT_IN] ? BUILT_IN : OWN;
    c->has[BEST] = has_found(t);
}

/* Times the k-th set anew. */
static int time_anew(tuner *t, comparison *c, size_t k, ffcl_tune_result *r)
{
    const double left = t->budget - elapsed(t);
    const ffcl_tune_job job = {.program = t->program, .device = &t->device, .shapes = t->shapes,
                               .n_shapes = t->n_shapes, .parameters = &c->sets[k],
                               .seconds = fmin(fmax(left, LEAST_LEFT), FIRST_SECONDS)};
    int rc = ffcl_tune_try(&job, r, t->err);
    report_progress(t);
    c->is_cut = rc == 0 && r->end == FFCL_TUNE_HUNG && job.seconds < FIRST_SECONDS;
    if (rc == 0 && !c->is_cut && !is_whole(t, r))
        rc = ffcl_fail(t->err, FFCL_EDEVICE, "a configuration was %s when it was timed once more",
                       ffcl_tune_end_name(r->end));
    return rc;
}

/* Times the sets anew, in turn, as the machine may have been busy with something else when one of
 * them was timed: as many rounds as there is time for. */
static int compare(tuner *t, comparison *c)
{
    int rc = 0;
    while (rc == 0 && c->rounds < FFCL_TUNE_ROUNDS &&
           (!c->rounds || elapsed(t) + c->round_seconds < t->budget)) {
        double score[SETS] = {0}, ms[SETS][FFCL_TUNE_SHAPES];
        const double began = elapsed(t);
        for (size_t k = 0; rc == 0 && k < SETS; k++) {
            ffcl_tune_result r = {.end = FFCL_TUNE_TIMED};
            if (!c->has[k])
                continue;
            rc = time_anew(t, c, k, &r);
            if (rc || c->is_cut)
                return rc;
            score[k] = score_of(t, r.ms);
            for (size_t i = 0; i < t->n_shapes; i++)
                ms[k][i] = c->rounds ? fmin(c->ms[k][i], r.ms[i]) : r.ms[i];
        }
        for (size_t k = 0; k < SETS; k++)
            if (c->has[k])
                memcpy(c->ms[k], ms[k], sizeof ms[k]);
        c->round_seconds = elapsed(t) - began;
        c->gains[c->rounds++] = score[BEST] - score[c->base];
    }
    return rc;
}

/* Where the time was over too early: what the next run is to be given. */
static void say_how_long(const tuner *t, const comparison *c, char *line, size_t size)
{
    const double needed = c->rounds ? FFCL_TUNE_LEAST_ROUNDS * c->round_seconds : closing(t);
    snprintf(line, size, "the time was over before the best of %zu configuration%s was compared %d "
             "times, and nothing is written: what was tried is kept; run the same command again "
             "with --minutes %.0f", t->journal.n, ffcl_plural(t->journal.n), FFCL_TUNE_LEAST_ROUNDS,
             fmax(ceil(t->budget / 60), ceil(2 * ALLOWANCE * needed / 60)));
}

/* A line of the table, and the same as a comment for the file, which is *comment. */
static void add_shape(const tuner *t, const comparison *c, size_t i, char **comment,
                      ffcl_tune_visitor *visit, void *user)
{
    const ffcl_tune_shape *s = &t->shapes[i];
    char line[160], name[80], built_in[16] = "-";
    const double own = gflops(s, c->ms[OWN][i]), tuned = gflops(s, c->ms[BEST][i]);
    const double base = gflops(s, c->ms[c->base][i]);
    ffcl_tune_shape_text(s, name, sizeof name);
    if (c->has[BUILT_IN])
        snprintf(built_in, sizeof built_in, "%.1f", base);
    snprintf(line, sizeof line, "%-33s %9.1f %9s %9.1f %6.2f", name, own, built_in, tuned,
             tuned / base);
    visit(user, line);
    char *longer = *comment ? ffcl_format("%s#   %-34s %9.1f %9.1f\n", *comment, name, own, tuned)
                            : NULL;
    free(*comment);
    *comment = longer;
}

/* The table; then the file, if the best set is better by more than its own ups and downs. */
static int report(tuner *t, ffcl_tune_visitor *visit, void *user)
{
    comparison c;
    char line[700];
    double gain = 0, spread = 0;
    prepare_comparison(t, &c);
    int rc = c.has[BEST] ? compare(t, &c) : 0;
    const int is_better = rc == 0 && c.has[BEST] &&
                          ffcl_tune_gain(c.gains, c.rounds, &gain, &spread);
    ffcl_report(t->obs, FFCL_PHASE_TUNE, "", (uint64_t)t->budget, (uint64_t)t->budget);
    if (rc)
        return rc;
    char *comment = ffcl_format("# GFLOP/s by CLBlast's own parameters, by these:\n");
    if (c.rounds) {
        snprintf(line, sizeof line, "%-33s %9s %9s %9s %6s", "GFLOP/s of M x N x K", "CLBlast's",
                 "built in", "tuned", "ratio");
        visit(user, line);
        for (size_t i = 0; i < t->n_shapes; i++)
            add_shape(t, &c, i, &comment, visit, user);
        snprintf(line, sizeof line, "mean by time, of %zu rounds: %.2fx what is used without "
                 "(%.2fx to %.2fx)", c.rounds, exp(gain), exp(gain - spread / 2),
                 exp(gain + spread / 2));
        visit(user, line);
    }
    if (is_better) {
        rc = comment ? write_result(t, comment)
                     : ffcl_fail(t->err, FFCL_ENOMEM, "out of memory for %s", t->path);
        snprintf(line, sizeof line, "%.500s: [blas] tuning = auto uses it", t->path);
    } else if (c.has[BEST] && c.rounds < FFCL_TUNE_LEAST_ROUNDS) {
        say_how_long(t, &c, line, sizeof line);
    } else {
        snprintf(line, sizeof line, "nothing better was found than what is used without: of %zu "
                 "configuration%s none is faster by more than the spread, and nothing is written",
                 t->journal.n, ffcl_plural(t->journal.n));
    }
    if (rc == 0)
        visit(user, line);
    free(comment);
    return rc;
}

static int search(tuner *t)
{
    int rc = start(t);
    /* Where no GEMM is small, the others have the time of XgemmDirect. */
    const double time = t->n_small ? t->search : t->search / AROUND_UNTIL;
    if (rc == 0)
        rc = explore(t, row_of("GEMMK"), XGEMM_UNTIL * time);
    if (rc == 0)
        rc = explore_around(t, XGEMM_UNTIL * time, AROUND_UNTIL * time);
    return rc ? rc : explore_direct(t, t->search);
}

/* On a CPU CLBlast may multiply nothing at all. */
static void warn_of_cblas(const tuner *t, const ffcl_config *cfg)
{
    ffcl_ctx *ctx = NULL;
    ffcl_error err = {0};
    char text[400];
    if (t->device.caps.type != CL_DEVICE_TYPE_CPU || !strcmp(cfg->blas.backend, "clblast") ||
        ffcl_ctx_open(&ctx, &t->device, NULL, NULL, &err))
        return;
    ctx->err = &err;
    const ffcl_blas_options options = {
        .name = "cblas", .check = ffcl_selfcheck_gemm,
        .library = strcmp(cfg->blas.library, "auto") ? cfg->blas.library : NULL};
    if (ffcl_blas_open(ctx, &options) == 0) {
        snprintf(text, sizeof text, "on this CPU %.100s multiplies, not CLBlast: what is found "
                 "here counts only with [blas] backend = clblast", ffcl_blas_name(ctx));
        ffcl_report(t->obs, FFCL_PHASE_WARN, text, 0, 0);
    }
    ffcl_blas_close(ctx);
    ffcl_ctx_close(&ctx);
}

/* Before the first minutes are spent: what is tried must be kept. */
static int make_home(const char *journal, ffcl_error *err)
{
    const int number = ffcl_make_folders(journal);
    return number ? ffcl_fail(err, FFCL_EOUTPUT, "what is found goes to %s, whose folder cannot be "
                              "made: %s; XDG_CONFIG_HOME can name another place", journal,
                              strerror(number))
                  : ffcl_atomic_look(journal, err);
}

static int open_tuner(tuner *t, const ffcl_config *cfg)
{
    char *journal = NULL, text[600];
    int rc = ffcl_device_select(&t->device, cfg->device.select, t->err);
    if (rc)
        return rc;
    const ffcl_ctx ctx = {.device = t->device};
    ffcl_clblast_home(&ctx, &t->home);
    rc = ffcl_tune_shapes(t->shapes, &t->n_shapes, cfg, &t->device, t->obs, t->err);
    while (t->n_small < t->n_shapes && ffcl_tune_work(&t->shapes[t->n_small]) < SMALL_WORK)
        t->n_small++;
    if (rc)
        return rc;
    t->path = ffcl_tuning_path(&t->home, ".txt");
    journal = ffcl_tuning_path(&t->home, ".tried");
    if (!t->path || !journal)
        rc = ffcl_fail(t->err, FFCL_EOUTPUT, "neither XDG_CONFIG_HOME nor HOME names a folder for "
                       "what is found");
    if (rc == 0)
        rc = make_home(journal, t->err);
    if (rc == 0)
        rc = ffcl_journal_open(&t->journal, journal, t->shapes, t->n_shapes, t->err);
    if (rc == 0) {
        const ffcl_caps *caps = &t->device.caps;
        snprintf(text, sizeof text, "device %zu: %s (%s, driver %s), %s, %zu shapes; %zu "
                 "configuration%s tried before", t->device.index, caps->name,
                 ffcl_device_kind(caps), caps->driver, t->home.library, t->n_shapes,
                 t->journal.n, ffcl_plural(t->journal.n));
        ffcl_report(t->obs, FFCL_PHASE_NOTE, text, 0, 0);
        if (t->journal.discarded)
            ffcl_report(t->obs, FFCL_PHASE_NOTE, t->journal.discarded, 0, 0);
        warn_of_cblas(t, cfg);
    }
    t->random = 88172645463325252u + t->journal.n;
    free(journal);
    return rc;
}

int ffcl_tune(const ffcl_config *cfg, double minutes, const char *program,
              const ffcl_observer *obs, ffcl_tune_visitor *visit, void *user, ffcl_error *err)
{
    tuner t = {.program = program, .obs = obs, .err = err, .began = ffcl_clock(),
               .budget = 60 * minutes};
    int rc = open_tuner(&t, cfg);
    if (rc == 0)
        rc = search(&t);
    if (rc == 0)
        rc = report(&t, visit, user);
    ffcl_journal_close(&t.journal);
    free(t.path);
    return rc;
}
