/* SPDX-License-Identifier: MIT */
#include "case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "half.h"
#include "registry.h"
#include "util.h"

enum {
    GUARD_BYTES = 65536,        /* more than a row of most shapes: a stray row lands inside */
    /* Around inputs, NaN as floats: a read outside shows in the result.  Around outputs a finite
     * value: NaN computed from the inputs' guards and written there must differ from it.  Its
     * sign is negative so that SiLU and GELU in place change it too. */
    IN_GUARD = 0xff,
    OUT_GUARD = 0xfe,
    OUT_GUARD_F16 = 0xf6,       /* the same of half: -28512 */
    /* Of a large case: noise repeats after so many numbers, a prime; elements that are compared. */
    PERIOD = 1048573,
    SAMPLES = 256,
    /* Unwritten bytes: not 0 or 255, which images are full of. */
    UNWRITTEN_U8 = 0xa5
};

static uint64_t next_random(ffcl_case *c)
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;      /* splitmix64 */
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

size_t ffcl_case_below(ffcl_case *c, size_t n)
{
    return (size_t)(next_random(c) % n);
}

/* The sum of four uniform numbers, near enough to a normal one and bounded by 3.5. */
double ffcl_case_normal(ffcl_case *c)
{
    uint64_t z = next_random(c);
    double sum = (double)(z & 0xffff) + (double)(z >> 16 & 0xffff) + (double)(z >> 32 & 0xffff) +
                 (double)(z >> 48);
    return (sum / 65535.0 - 2.0) * 1.7320508075688772;
}

/* Half is float on the host. */
static size_t host_bytes(ffcl_dtype dtype)
{
    return dtype == FFCL_U8 ? 1 : 4;
}

static int guard_of(const ffcl_operand *t)
{
    return t->role == FFCL_IN ? IN_GUARD : t->dtype == FFCL_F16 ? OUT_GUARD_F16 : OUT_GUARD;
}

/* Whether device and host can hold the operands of a large case, before gigabytes are filled. */
static int check_memory(const ffcl_case *c)
{
    const ffcl_caps *caps = &c->ctx->device.caps;
    double device = 0, host = 0, largest = 0;
    double physical = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < c->n_operands; i++) {
        const ffcl_operand *t = &c->operand[i];
        double bytes = t->role == FFCL_HOST ? 0.0 : (double)(t->n * ffcl_dtype_bytes(t->dtype));
        device += bytes;
        largest = fmax(largest, bytes);
        host += (double)(t->n * host_bytes(t->dtype));
    }
    if (largest > (double)caps->max_alloc_bytes)
        return ffcl_fail(c->ctx->err, FFCL_EDEVMEM, "needs %.1f GB in one piece, the device has "
                         "%.1f", largest / 1e9, (double)caps->max_alloc_bytes / 1e9);
    if (device > 0.9 * (double)caps->global_bytes)
        return ffcl_fail(c->ctx->err, FFCL_EDEVMEM, "needs %.1f GB, the device has %.1f",
                         device / 1e9, (double)caps->global_bytes / 1e9);
    host += caps->unified ? device : 0.0;
    if (host > 0.6 * physical)
        return ffcl_fail(c->ctx->err, FFCL_ENOMEM, "needs %.1f GB of host memory", host / 1e9);
    return 0;
}

/* Which elements of a large result are compared: the first, the last, and some by chance. */
static int choose_samples(ffcl_case *c, size_t n)
{
    c->n_samples = ffcl_min(n, SAMPLES);
    c->sample = malloc(ffcl_max(c->n_samples, 1) * sizeof *c->sample);
    if (!c->sample)
        return ffcl_fail(c->ctx->err, FFCL_ENOMEM, "out of memory for a case of %s", c->row->name);
    for (size_t i = 0; i < c->n_samples; i++)
        c->sample[i] = i == 0 ? 0 : i == 1 ? n - 1 : ffcl_case_below(c, n);
    return 0;
}

/* Whether the operand is one that a large case fills by repeating its first PERIOD numbers. */
static int repeats(const ffcl_case *c, const ffcl_operand *t)
{
    return c->large && t->at == 0 && t->rows * t->cols == t->n && t->n > PERIOD;
}

void ffcl_case_operands(ffcl_case *c, const ffcl_operand *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        ffcl_operand *t = &c->operand[i];
        *t = list[i];
        if (t->rows == 0) {
            t->rows = 1;
            t->cols = t->ld = t->n;
        }
    }
    c->n_operands = n;
}

static int allocate(ffcl_case *c, ffcl_operand *t)
{
    size_t element = host_bytes(t->dtype), bytes = t->n * element;
    t->host = malloc(ffcl_max(bytes, 4));
    if (!t->host)
        return ffcl_fail(c->ctx->err, FFCL_ENOMEM, "out of memory for a test of %s", c->row->name);
    memset(t->host, guard_of(t), bytes);
    t->is_repeated = t->role == FFCL_OUT && repeats(c, t);
    for (size_t r = 0; t->role == FFCL_OUT && r < t->rows; r++)
        memset((unsigned char *)t->host + (t->at + r * t->ld) * element,
               t->dtype == FFCL_U8 ? UNWRITTEN_U8 : 0xff, t->cols * element);
    return 0;
}

int ffcl_case_prepare(ffcl_case *c)
{
    const ffcl_operand *out = &c->operand[0];
    int rc = c->large ? check_memory(c) : 0;
    for (size_t i = 0; rc == 0 && i < c->n_operands; i++)
        rc = allocate(c, &c->operand[i]);
    if (rc == 0 && c->large && c->row->at)
        rc = choose_samples(c, out->rows * out->cols);
    if (rc)
        return rc;
    c->want = calloc(ffcl_max(c->sample ? c->n_samples : out->rows * out->cols, 1),
                     sizeof *c->want);
    if (!c->want)
        return ffcl_fail(c->ctx->err, FFCL_ENOMEM, "out of memory for a test of %s", c->row->name);
    c->row->fill(c);
    return 0;
}

void ffcl_case_axes(ffcl_case *c, const char *axes, size_t a, size_t b, size_t d, size_t e)
{
    c->axes = axes;
    c->extent[0] = a;
    c->extent[1] = b;
    c->extent[2] = d;
    c->extent[3] = e;
}

void ffcl_case_decode(const ffcl_case *c, size_t index, size_t at[FFCL_MAX_AXES])
{
    for (size_t i = FFCL_MAX_AXES; i-- > 0;) {
        at[i] = c->extent[i] ? index % c->extent[i] : 0;
        index /= ffcl_max(c->extent[i], 1);
    }
}

static float fill_value(ffcl_case *c, size_t row)
{
    switch (c->fill) {
    case FFCL_FILL_ZEROS:
        return 0.0f;
    case FFCL_FILL_LARGE:
        return (float)(1000.0 * ffcl_case_normal(c));
    case FFCL_FILL_OFFSET:
        return (float)(100.0 + ffcl_case_normal(c));
    case FFCL_FILL_CONSTANT:
        return 0.25f * (float)((int)(row % 15) - 6);
    default:
        return (float)ffcl_case_normal(c);
    }
}

/* As the operand stores it. */
static float stored(const ffcl_operand *t, double value)
{
    return t->dtype == FFCL_F16 ? ffcl_half_value(ffcl_half_from((float)value)) : (float)value;
}

/* The first `done` of n bytes again and again. */
static void repeat(unsigned char *bytes, size_t done, size_t n)
{
    for (size_t more; done < n; done += more) {
        more = ffcl_min(done, n - done);
        memcpy(bytes + done, bytes, more);
    }
}

void ffcl_case_fill(ffcl_case *c, size_t i, size_t rows)
{
    const ffcl_operand *t = &c->operand[i];
    float *x = t->host;
    if (repeats(c, t)) {
        ffcl_case_noise(c, i, 0.0, 1.0);
        return;
    }
    size_t n = rows ? rows : t->rows, cols = rows ? t->n / rows : t->cols;
    size_t ld = rows ? cols : t->ld;
    for (size_t r = 0; r < n; r++)
        for (size_t k = 0; k < cols; k++)
            x[t->at + r * ld + k] = stored(t, (double)fill_value(c, r));
}

void ffcl_case_noise(ffcl_case *c, size_t i, double mean, double deviation)
{
    ffcl_operand *t = &c->operand[i];
    float *x = t->host;
    if (repeats(c, t)) {
        for (size_t e = 0; e < PERIOD; e++)
            x[e] = stored(t, mean + deviation * ffcl_case_normal(c));
        repeat(t->host, PERIOD * sizeof *x, t->n * sizeof *x);
        t->is_repeated = 1;
        return;
    }
    for (size_t r = 0; r < t->rows; r++)
        for (size_t k = 0; k < t->cols; k++)
            x[t->at + r * t->ld + k] = stored(t, mean + deviation * ffcl_case_normal(c));
}

double ffcl_case_magnitude(const ffcl_case *c)
{
    static const double magnitude[FFCL_N_FILLS] = {1.0, 1.0, 1000.0, 100.0, 2.0};
    return magnitude[c->fill];
}

double ffcl_case_norm_scale(const ffcl_case *c, size_t n, double eps)
{
    double deviation = c->fill == FFCL_FILL_CONSTANT ? sqrt(eps)
                       : c->fill == FFCL_FILL_LARGE  ? 1000.0
                                                     : 1.0;
    if (n < 16)                         /* a few numbers can lie close together by chance */
        deviation = fmax(deviation / 100.0, sqrt(eps));
    if (n == 1)
        deviation = sqrt(eps);
    return 1.0 + ffcl_case_magnitude(c) / deviation;
}

void ffcl_case_refer(ffcl_case *c)
{
    for (size_t i = 0; i < c->n_samples; i++)
        c->want[i] = c->row->at(c, c->sample[i]);
    if (!c->sample)
        c->row->ref(c);
}

/* The row's own call, or the one that it describes. */
static void run(ffcl_case *c)
{
    ffcl_call call;
    if (c->row->run) {
        c->row->run(c);
        return;
    }
    c->row->describe(c, &call);
    ffcl_case_call(c, &call);
}

int ffcl_case_plan(ffcl_case *c)
{
    c->ctx->planning = 1;
    ffcl_arena_plan(c->ctx->arena);
    run(c);
    c->ctx->planning = 0;
    int rc = ffcl_ctx_check(c->ctx);
    return rc ? rc : ffcl_arena_commit(c->ctx->arena);
}

/* The operand as it lies on the device, to `to`, where the guards' pattern is so far. */
static void store(const ffcl_operand *t, unsigned char *to)
{
    if (t->dtype != FFCL_F16) {
        memcpy(to, t->host, t->n * ffcl_dtype_bytes(t->dtype));
        return;
    }
    const float *x = t->host;
    /* A large result is NaN throughout, and what repeats need not be converted again. */
    const int is_nan = t->is_repeated && t->role == FFCL_OUT;
    const size_t rows = is_nan ? 0 : t->is_repeated ? 1 : t->rows;
    const size_t cols = t->is_repeated ? PERIOD : t->cols;
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < cols; k++) {
            size_t e = t->at + r * t->ld + k;
            uint16_t half = ffcl_half_from(x[e]);
            memcpy(to + 2 * e, &half, sizeof half);
        }
    if (is_nan)
        memset(to, 0xff, 2 * t->n);
    else if (t->is_repeated)
        repeat(to, 2 * PERIOD, 2 * t->n);
}

static int upload(ffcl_case *c, ffcl_operand *t)
{
    ffcl_ctx *ctx = c->ctx;
    size_t bytes = t->n * ffcl_dtype_bytes(t->dtype);
    int inside = !t->flat && !c->bare;
    t->front = inside ? ffcl_round_up(GUARD_BYTES, ctx->device.caps.align_bytes) : 0;
    t->back = c->bare ? 0 : GUARD_BYTES;
    size_t total = t->front + bytes + t->back;
    const void *image = t->host;
    if (!c->large || t->dtype == FFCL_F16) {
        image = t->image = malloc(ffcl_max(total, 1));
        if (!t->image)
            return ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a test of %s", c->row->name);
        memset(t->image, guard_of(t), total);
        store(t, t->image + t->front);
    }
    int rc = ffcl_buffer_create(ctx, &t->whole, total, "a test operand");
    if (rc == 0)
        rc = ffcl_buffer_write(ctx, t->whole, 0, image, total);
    if (c->large) {
        free(t->image);
        t->image = NULL;
    }
    t->mem = t->whole;
    if (rc || !inside)
        return rc;
    cl_buffer_region region = {t->front, bytes};
    cl_int code;
    t->mem = clCreateSubBuffer(t->whole, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region,
                               &code);
    return ffcl_cl_check(ctx->err, code, "clCreateSubBuffer", __FILE__, __LINE__);
}

int ffcl_case_upload(ffcl_case *c)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->n_operands; i++)
        if (c->operand[i].role != FFCL_HOST)
            rc = upload(c, &c->operand[i]);
    return rc;
}

int ffcl_case_launch(ffcl_case *c)
{
    ffcl_arena_rewind(c->ctx->arena);
    run(c);
    int rc = ffcl_ctx_check(c->ctx), finish = ffcl_finish(c->ctx);
    return rc ? rc : finish;
}

int ffcl_case_start(ffcl_case *c)
{
    int rc = ffcl_case_prepare(c);
    if (rc == 0)
        rc = ffcl_case_plan(c);
    if (rc == 0)
        rc = ffcl_case_upload(c);
    return rc ? rc : ffcl_case_launch(c);
}

int ffcl_case_check(ffcl_case *c, ffcl_comparison *v)
{
    int rc = ffcl_case_start(c);
    if (rc)
        return rc;
    ffcl_case_refer(c);
    return ffcl_case_compare(c, v);
}

static double element(const ffcl_operand *t, const unsigned char *data, size_t e)
{
    if (t->dtype == FFCL_U8)
        return data[e];
    float f;
    int32_t i;
    uint16_t h;
    if (t->dtype == FFCL_F16) {
        memcpy(&h, data + 2 * e, sizeof h);
        return (double)ffcl_half_value(h);
    }
    if (t->dtype == FFCL_F32) {
        memcpy(&f, data + 4 * e, sizeof f);
        return (double)f;
    }
    memcpy(&i, data + 4 * e, sizeof i);
    return (double)i;
}

static void compare_element(const ffcl_case *c, ffcl_comparison *v, size_t e, double got,
                            double exact)
{
    /* Rounded as a float32 output must be, so that tolerance 0 means equal floats.  Not to half:
     * that takes up half a unit in the last place of the tolerance as it is. */
    double want = (double)(float)exact;
    double error = fabs(got - want);
    double allowed = (double)c->row->atol * c->scale + (double)c->row->rtol * fabs(want);
    if (isfinite(error)) {
        v->max_abs = fmax(v->max_abs, error);
        if (want != 0.0)
            v->max_rel = fmax(v->max_rel, error / fabs(want));
        if (allowed > 0.0)
            v->used = fmax(v->used, error / allowed);
    }
    if (got == want || error <= allowed)
        return;
    size_t at[FFCL_MAX_AXES];
    ffcl_case_decode(c, e, at);
    if (v->bad == 0) {
        v->first = e;
        v->got = got;
        v->want = want;
        memcpy(v->low, at, sizeof at);
        memcpy(v->high, at, sizeof at);
    }
    v->bad++;
    v->nan += isnan(got) != 0;
    for (size_t i = 0; i < FFCL_MAX_AXES; i++) {
        v->low[i] = ffcl_min(v->low[i], at[i]);
        v->high[i] = ffcl_max(v->high[i], at[i]);
    }
}

static void trespass(ffcl_comparison *v, const char *where, size_t operand, long at)
{
    if (v->trespass)
        return;
    v->trespass = where;
    v->trespass_operand = operand;
    v->trespass_at = at;
}

/* Bytes first .. first+n-1 of the guards must still be the pattern. */
static void check_guard(const ffcl_case *c, ffcl_comparison *v, size_t i,
                        const unsigned char *whole, size_t first, size_t n)
{
    const ffcl_operand *t = &c->operand[i];
    long size = (long)ffcl_dtype_bytes(t->dtype);
    for (size_t k = first; k < first + n; k++)
        if (whole[k] != guard_of(t)) {
            long from = (long)k - (long)t->front;
            trespass(v, "guard band", i, from >= 0 ? from / size : -((size - 1 - from) / size));
            return;
        }
}

static void check_operand(const ffcl_case *c, ffcl_comparison *v, size_t i,
                          const unsigned char *whole)
{
    const ffcl_operand *t = &c->operand[i];
    const unsigned char *data = whole + t->front, *before = t->image + t->front;
    size_t size = ffcl_dtype_bytes(t->dtype);
    check_guard(c, v, i, whole, 0, t->front);
    check_guard(c, v, i, whole, t->front + t->n * size, t->back);
    if (t->role == FFCL_IN) {
        for (size_t e = 0; e < t->n && !v->trespass; e++)
            if (memcmp(data + e * size, before + e * size, size) != 0)
                trespass(v, "input", i, (long)e);
        return;
    }
    for (size_t e = 0; e < t->n; e++) {
        size_t row = e < t->at ? t->rows : (e - t->at) / t->ld;
        size_t col = e < t->at ? 0 : (e - t->at) % t->ld;
        if (row < t->rows && col < t->cols)
            compare_element(c, v, row * t->cols + col, element(t, data, e),
                            c->want[row * t->cols + col]);
        else if (memcmp(data + e * size, before + e * size, size) != 0)
            trespass(v, "gap between rows", i, (long)e);
    }
}

/* Element e of the result, by row and column, as an index into memory. */
static size_t place_of(const ffcl_operand *t, size_t e)
{
    return t->at + e / t->cols * t->ld + e % t->cols;
}

/* The result alone, its samples or all of it; of what is no sample, that it is a number. */
static void check_large(const ffcl_case *c, ffcl_comparison *v, const unsigned char *data)
{
    const ffcl_operand *t = &c->operand[0];
    const size_t n = t->rows * t->cols;
    for (size_t i = 0; i < c->n_samples; i++)
        compare_element(c, v, c->sample[i], element(t, data, place_of(t, c->sample[i])),
                        c->want[i]);
    for (size_t e = 0; e < n && !c->sample; e++)
        compare_element(c, v, e, element(t, data, place_of(t, e)), c->want[e]);
    for (size_t e = 0; e < n && c->sample; e++) {
        double got = element(t, data, place_of(t, e));
        if (isnan(got))
            compare_element(c, v, e, got, 0.0);
    }
}

int ffcl_case_compare(ffcl_case *c, ffcl_comparison *v)
{
    *v = (ffcl_comparison){0};
    for (size_t i = 0; i < c->n_operands; i++) {
        const ffcl_operand *t = &c->operand[i];
        if (t->role == FFCL_HOST || (c->large && i > 0))
            continue;
        size_t total = t->front + t->n * ffcl_dtype_bytes(t->dtype) + t->back;
        unsigned char *whole = malloc(total);
        if (!whole)
            return ffcl_fail(c->ctx->err, FFCL_ENOMEM, "out of memory for a test of %s",
                             c->row->name);
        int rc = ffcl_buffer_read(c->ctx, t->whole, 0, whole, total);
        if (rc == 0 && c->large)
            check_large(c, v, whole);
        else if (rc == 0)
            check_operand(c, v, i, whole);
        free(whole);
        if (rc)
            return rc;
    }
    return 0;
}
