/* SPDX-License-Identifier: MIT
 * Checks a case against its reference, then times it by the device's events: from the beginning of
 * its first command to the end of its last, with the caches emptied before. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "util.h"

/* How many calls of a case are timed at least, in all rounds; a long case has few, and is its own
 * warm-up. */
enum { LEAST_REPEATS = 6, LEAST_LONG = 3, MOST_COMMANDS = 8192 };
static const double long_case = 1.0;            /* seconds */
/* One that is longer is timed once, as a spread is not worth minutes. */
static const double very_long_case = 10.0;
/* Operations of a case of a given shape whose whole reference is still computed: seconds. */
static const double affordable = 4e9;

struct ffcl_bench_meter {
    ffcl_ctx *ctx;
    const ffcl_bench_options *options;
    ffcl_tensor flush[2];                       /* more than the last-level cache */
    ffcl_profile_entry entries[MOST_COMMANDS];
};

/* Twice the largest cache that the device reports, and at least what large ones have that report a
 * smaller one. */
static size_t flush_bytes(const ffcl_ctx *ctx)
{
    const int cpu = ffcl_is_cpu(ctx);
    cl_ulong cache = 0;
    (void)clGetDeviceInfo(ctx->device.id, CL_DEVICE_GLOBAL_MEM_CACHE_SIZE, sizeof cache, &cache,
                          NULL);
    size_t least = (size_t)(cpu ? 32 : 128) << 20, most = (size_t)256 << 20;
    most = ffcl_min(most, (size_t)(ctx->device.caps.global_bytes / 16));
    return ffcl_min(ffcl_max(2 * (size_t)cache, least), most) / 16 * 16;
}

int ffcl_bench_meter_open(ffcl_bench_meter **out, ffcl_ctx *ctx, const ffcl_bench_options *o)
{
    ffcl_bench_meter *m = calloc(1, sizeof *m);
    *out = m;
    if (!m)
        return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for timing");
    m->ctx = ctx;
    m->options = o;
    const size_t bytes = flush_bytes(ctx);
    int rc = 0;
    for (int i = 0; rc == 0 && i < 2; i++) {
        static const float one = 1.0f;
        m->flush[i] = ffcl_tensor_of(FFCL_F32, 1, 1, bytes / sizeof(float));
        rc = ffcl_buffer_create(ctx, &m->flush[i].mem, bytes, "timing");
        if (rc == 0)
            rc = FFCL_CL(ctx->err, clEnqueueFillBuffer(ctx->queue, m->flush[i].mem, &one,
                                                       sizeof one, 0, bytes, 0, NULL, NULL));
    }
    return rc;
}

void ffcl_bench_meter_close(ffcl_bench_meter **meter)
{
    ffcl_bench_meter *m = *meter;
    if (!m)
        return;
    for (int i = 0; i < 2; i++)
        if (m->flush[i].mem)
            clReleaseMemObject(m->flush[i].mem);
    free(m);
    *meter = NULL;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of n sorted numbers, what lies at the share q of them. */
static double quantile(const double *x, size_t n, double q)
{
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? x[i] + (at - (double)i) * (x[i + 1] - x[i]) : x[n - 1];
}

double ffcl_bench_median(double *times, size_t n, double *spread)
{
    qsort(times, n, sizeof *times, by_value);
    double median = quantile(times, n, 0.5);
    *spread = median > 0 ? (quantile(times, n, 0.75) - quantile(times, n, 0.25)) / median : 0.0;
    return median;
}

/* Seconds of one call on the device. */
static int time_call(ffcl_bench_meter *m, ffcl_case *c, double *seconds)
{
    static const char here[] = "case";
    ffcl_profile_clear(m->ctx);
    ffcl_ceiling_copy(m->ctx, &m->flush[1], &m->flush[0]);
    int rc = ffcl_ctx_check(m->ctx);
    ffcl_profile_stage(m->ctx, here);
    if (rc == 0)
        rc = ffcl_case_launch(c);
    ffcl_profile_stage(m->ctx, "");
    if (rc)
        return rc;
    size_t n = ffcl_profile_entries(m->ctx, m->entries, MOST_COMMANDS);
    double begin = 0, end = 0;
    int found = 0;
    for (size_t i = 0; i < n; i++) {
        const ffcl_profile_entry *e = &m->entries[i];
        if (strcmp(e->stage, here))
            continue;
        begin = found && begin < e->begin ? begin : e->begin;
        end = found && end > e->end ? end : e->end;
        found = 1;
    }
    *seconds = end - begin;
    return found ? 0 : ffcl_fail(m->ctx->err, FFCL_EOPENCL, "the driver gives no times of events");
}

/* The results of a round whose times begin at first, and of all so far. */
static void summarize(ffcl_bench_result *r, size_t first)
{
    double round[FFCL_BENCH_REPEATS], all[FFCL_BENCH_REPEATS], ignored;
    memcpy(round, r->times + first, (r->repeats - first) * sizeof *round);
    memcpy(all, r->times, r->repeats * sizeof *all);
    const double median = ffcl_bench_median(round, r->repeats - first, &ignored);
    r->low = first && r->low < median ? r->low : median;
    r->high = first && r->high > median ? r->high : median;
    r->median = ffcl_bench_median(all, r->repeats, &r->spread);
    r->least = all[0];
    if (r->median > 0 && (r->high - r->low) / r->median > r->spread)
        r->spread = (r->high - r->low) / r->median;
}

int ffcl_bench_is_stopped(const ffcl_bench_options *o)
{
    return o->interrupt && atomic_load(&o->interrupt->stop);
}

static int time_case(ffcl_bench_meter *m, ffcl_case *c, ffcl_bench_result *r)
{
    const size_t rounds = m->options->rounds, exact = ffcl_div_up(m->options->repeats, rounds);
    const double started = ffcl_clock(), budget = m->options->seconds / (double)rounds;
    const size_t first = r->repeats, most = ffcl_min(first + FFCL_BENCH_REPEATS / rounds,
                                                     FFCL_BENCH_REPEATS);
    double warm_up = first ? r->median : 0;
    int rc = warm_up > long_case ? 0 : time_call(m, c, &warm_up);
    if (rc == 0 && !first && warm_up > long_case)
        r->times[r->repeats++] = warm_up;
    size_t least = ffcl_div_up(warm_up > long_case ? LEAST_LONG : LEAST_REPEATS, rounds);
    least = first + (warm_up > very_long_case ? 0 : exact ? exact : least);
    while (rc == 0 && r->repeats < most && !(r->repeats && ffcl_bench_is_stopped(m->options)) &&
           (r->repeats < least ||
            (!exact && warm_up <= very_long_case && ffcl_clock() - started < budget)))
        rc = time_call(m, c, &r->times[r->repeats++]);
    if (rc)
        return rc;
    r->cost = ffcl_case_cost(c);
    if (r->repeats > first)
        summarize(r, first);
    return 0;
}

static void report_wrong(const ffcl_case *c, const ffcl_comparison *v, ffcl_bench_result *r)
{
    if (v->trespass)
        snprintf(r->reason, sizeof r->reason, "%s of operand %zu changed at element %ld",
                 v->trespass, v->trespass_operand, v->trespass_at);
    else
        snprintf(r->reason, sizeof r->reason, "wrong: element %zu is %.9g and should be %.9g; %zu "
                 "of %zu are wrong", v->first, v->got, v->want, v->bad,
                 c->sample ? c->n_samples : c->operand[0].rows * c->operand[0].cols);
}

/* The first call, in the first round compared with the reference. */
static int check_case(ffcl_case *c, ffcl_bench_result *r)
{
    const ffcl_variant *variant = ffcl_case_variant(c);
    ffcl_comparison v;
    if (variant)
        snprintf(r->variant, sizeof r->variant, "%s/%s", ffcl_operations[c->row->op]->name,
                 variant->name);
    int rc = ffcl_case_start(c);
    if (rc || r->repeats)
        return rc;
    r->is_checked = c->sample || !r->what.is_own || ffcl_case_cost(c).flops <= affordable;
    if (!r->is_checked)
        return 0;
    ffcl_case_refer(c);
    rc = ffcl_case_compare(c, &v);
    if (rc == 0 && (v.bad || v.trespass)) {
        r->status = FFCL_BENCH_FAILED;
        report_wrong(c, &v, r);
    }
    return rc;
}

/* Why the device is not asked to run the case at all, or NULL. */
static const char *why_not(ffcl_case *c)
{
    if (ffcl_unit_is_emulated(c->ctx, c->row->unit))
        return "emulated here, which says nothing of speed";
    return ffcl_case_skip(c);
}

static int measure(ffcl_bench_meter *m, ffcl_case *c, ffcl_bench_result *r)
{
    int rc = check_case(c, r);
    return rc || r->status != FFCL_BENCH_OK ? rc : time_case(m, c, r);
}

void ffcl_bench_measure(ffcl_bench_meter *m, ffcl_bench_result *r)
{
    ffcl_case c = {.ctx = m->ctx, .row = r->what.row, .shape = r->what.shape,
                   .seed = m->options->seed, .bare = r->what.large, .large = r->what.large,
                   .as_is = r->what.is_own};
    if (r->status != FFCL_BENCH_OK || (r->repeats && r->median > very_long_case))
        return;
    m->ctx->err->text[0] = '\0';
    ffcl_case_begin(&c);
    /* Asked before gigabytes are filled for a device that cannot. */
    const char *reason = why_not(&c);
    int rc = 0;
    if (reason) {
        r->status = FFCL_BENCH_SKIPPED;
        snprintf(r->reason, sizeof r->reason, "%s", reason);
    } else {
        rc = measure(m, &c, r);
        ffcl_arena_reset(m->ctx->arena);
    }
    ffcl_case_end(&c);
    if (rc == 0)
        return;
    /* Too large is no fault of the kernel's. */
    r->code = rc;
    r->status = rc == FFCL_EDEVMEM || rc == FFCL_ENOMEM ? FFCL_BENCH_SKIPPED : FFCL_BENCH_FAILED;
    snprintf(r->reason, sizeof r->reason, "%.*s", (int)strcspn(m->ctx->err->text, "\n"),
             m->ctx->err->text);
}

/* ---- roofs -------------------------------------------------------------------------------- */

/* Tries of a roof, apart from each other, whatever is asked of the cases: too low a roof makes
 * every share wrong. */
enum { ROOF_TRIES = 3 };
static const double roof_seconds = 0.1;

/* The rate of one kernel at one shape, in the fastest of its calls, as what disturbs it only makes
 * it slower; the highest one is the roof. */
static int raise_roof(ffcl_bench_meter *m, ffcl_bench_report *report, ffcl_bench_roof roof,
                      const char *row, ffcl_shape shape, const char *name)
{
    ffcl_bench_result r = {.what = {.row = ffcl_row_find(row), .shape = shape, .large = 1}};
    if (!r.what.row)
        return ffcl_fail(m->ctx->err, FFCL_EUSAGE, "no row of the kernel registry is called %s, "
                         "which is to measure a ceiling", row);
    const ffcl_bench_options *asked = m->options;
    ffcl_bench_options o = *asked;
    o.rounds = ROOF_TRIES;
    o.repeats = 0;
    o.seconds = ROOF_TRIES * roof_seconds;
    m->options = &o;
    for (int i = 0; i < ROOF_TRIES; i++)
        ffcl_bench_measure(m, &r);
    m->options = asked;
    if (r.status == FFCL_BENCH_SKIPPED)
        return 0;
    if (r.status == FFCL_BENCH_FAILED)
        return ffcl_fail(m->ctx->err, FFCL_EVERIFY, "%s, which measures a ceiling: %.200s", row,
                         r.reason);
    double rate = (roof == FFCL_ROOF_COPY ? r.cost.bytes : r.cost.flops) / r.least;
    if (rate > report->roofs[roof]) {
        report->roofs[roof] = rate;
        snprintf(report->roof_names[roof], sizeof report->roof_names[roof], "%s", name);
    }
    return 0;
}

/* The rows of the fastest work that a unit is known to do; nothing above it has been seen. */
static const char *const roof_rows[] = {
    [FFCL_UNIT_MMA] = "mma_gelu", [FFCL_UNIT_WGMMA] = "wgmma_gelu",
    [FFCL_UNIT_WMMA] = "wmma_gelu", [FFCL_UNIT_MFMA] = "mfma_gelu",
    [FFCL_UNIT_DPAS8] = "dpas_eight_gelu", [FFCL_UNIT_DPAS16] = "dpas_sixteen_gelu",
};

int ffcl_bench_roofs(ffcl_bench_meter *m, ffcl_bench_report *report)
{
    const size_t units = ffcl_max(m->ctx->device.caps.units, 1);
    const ffcl_matrix_unit unit = m->ctx->matrix_unit;
    int rc = raise_roof(m, report, FFCL_ROOF_COPY, "ceiling_copy",
                        (ffcl_shape){{m->flush[0].cols}, 0}, "copy");
    if (rc == 0)
        rc = raise_roof(m, report, FFCL_ROOF_FMA, "ceiling_fma",
                        (ffcl_shape){{units * 2048, 512}, 0}, "multiply-add from registers");
    /* Whoever multiplies float32 here, a CBLAS library among them, may be faster than a kernel. */
    if (rc == 0)
        rc = raise_roof(m, report, FFCL_ROOF_FMA, "gemm",
                        (ffcl_shape){{1024, 1024, 1024, 0, 1024, 0}, 0}, "a GEMM of 1024^3");
    if (rc || unit == FFCL_UNIT_NONE)
        return rc;
    rc = raise_roof(m, report, FFCL_ROOF_MATRIX, roof_rows[unit],
                    (ffcl_shape){{8192, 8192, 8192, 8192, 0, 0}, 0}, "a GEMM of 8192^3");
    if (rc == 0)
        rc = raise_roof(m, report, FFCL_ROOF_MATRIX, roof_rows[unit],
                        (ffcl_shape){{16384, 1152, 4608, 16384, 0, 0}, 0},
                        "a GEMM of 16384 x 1152 x 4608");
    if (rc == 0 && unit == FFCL_UNIT_WGMMA)
        rc = raise_roof(m, report, FFCL_ROOF_MATRIX, "wgmma_halo_conv",
                        (ffcl_shape){{32, 64, 64, 512, 512, 0, 0}, 0},
                        "a convolution of 32 x 64 x 64 x 512");
    return rc;
}

void ffcl_bench_raise(ffcl_bench_report *report, const ffcl_bench_result *r)
{
    const int matrix = r->what.row->unit != FFCL_UNIT_NONE &&
                       report->roofs[FFCL_ROOF_MATRIX] > 0;
    const ffcl_bench_roof roofs[2] = {FFCL_ROOF_COPY, matrix ? FFCL_ROOF_MATRIX : FFCL_ROOF_FMA};
    for (int i = 0; i < 2 && r->median > 0; i++) {
        const double rate = (i ? r->cost.flops : r->cost.bytes) / r->median;
        if (report->roofs[roofs[i]] <= 0 || rate <= report->roofs[roofs[i]])
            continue;
        report->roofs[roofs[i]] = rate;
        snprintf(report->roof_names[roofs[i]], sizeof report->roof_names[roofs[i]],
                 "%.60s, a case", r->what.row->name);
    }
}

void ffcl_bench_share(const ffcl_bench_report *report, ffcl_bench_result *r)
{
    const int matrix = r->what.row->unit != FFCL_UNIT_NONE &&
                       report->roofs[FFCL_ROOF_MATRIX] > 0;
    const ffcl_bench_roof arithmetic = matrix ? FFCL_ROOF_MATRIX : FFCL_ROOF_FMA;
    double copy = 0, compute = 0;
    if (report->roofs[FFCL_ROOF_COPY] > 0)
        copy = r->cost.bytes / r->median / report->roofs[FFCL_ROOF_COPY];
    if (report->roofs[arithmetic] > 0)
        compute = r->cost.flops / r->median / report->roofs[arithmetic];
    r->roof = compute > copy ? arithmetic : FFCL_ROOF_COPY;
    r->share = compute > copy ? compute : copy;
}
