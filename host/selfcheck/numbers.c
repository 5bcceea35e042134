/* SPDX-License-Identifier: MIT */
#include "selfcheck/numbers.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cl/launch.h"
#include "cl/program.h"
#include "selfcheck/result.h"
#include "util.h"

/* Raise CHECK_VERSION when the check changes: old results are then void.  N values, a multiple of
 * 16; WIDTHS stores. */
enum { CHECK_VERSION = 2, N = 1 << 13, WIDTHS = 5 };

/* Largest relative error of a SiLU that is to be half, whose last place is 2^-11. */
#define MOST_SILU 0x1p-17

/* x to the nearest half, ties to even (IEEE 754); NaN as 0x7e00. */
static uint16_t nearest_half(float x)
{
    const double a = fabs((double)x);
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    int e = 0;
    if (isnan(x))
        return 0x7e00;
    if (a >= 65520.0)
        return sign | 0x7c00;
    frexp(a, &e);                       /* a in [2^(e-1), 2^e) */
    e = e - 1 < -14 || a == 0.0 ? -14 : e - 1;
    /* In units of the last place, 2^(e-10): nearbyint rounds ties to even.  A carry of the
     * fraction is one of the exponent. */
    const unsigned units = (unsigned)nearbyint(ldexp(a, 10 - e));
    return sign | (uint16_t)(((unsigned)(e + 14) << 10) + units);
}

/* Values near ties, exact halves, small, subnormal and large ones, of either sign. */
static void fill_halves(float *x)
{
    unsigned state = 1;
    for (size_t i = 0; i < N; i++) {
        const float noise = ffcl_selfcheck_noise(&state);
        const int e = (int)(i % 44) - 27;           /* 2^-27 to 2^16 */
        const int unit = e < -14 ? -24 : e - 10;    /* a half's last place there */
        const double whole = nearbyint(ldexp(1.0 + fabs((double)noise), e - unit));
        double v = ldexp(whole, unit);
        if (i % 5 == 0)
            v = ldexp(whole + 0.5, unit);                       /* a tie */
        else if (i % 5 == 1)
            v = ldexp(whole + 0.5, unit) * (1.0 - 0x1p-22);     /* just below one */
        else if (i % 5 == 2)
            v = ldexp(whole + 0.5, unit) * (1.0 + 0x1p-22);     /* just above one */
        else if (i % 5 == 3)
            v = ldexp(1.0 + fabs((double)noise), e);
        x[i] = (float)(noise < 0 ? -v : v);
    }
    static const float edges[] = {0.0f, -0.0f, 65504.0f, 65519.996f, 65520.0f, -65536.0f, 1e30f,
                                  0x1p-24f, 0x1p-25f, 0x1.000002p-25f, 1e-40f, INFINITY, -INFINITY,
                                  NAN};
    memcpy(x, edges, sizeof edges);
}

static int is_half_right(const uint16_t *got, const float *x)
{
    for (size_t w = 0; w < WIDTHS; w++)
        for (size_t i = 0; i < N; i++) {
            const uint16_t h = got[w * N + i];
            if (isnan(x[i]) ? (h & 0x7fff) <= 0x7c00 : h != nearest_half(x[i]))
                return 0;
        }
    return 1;
}

/* -24 to 24; beyond, and where exp overflows. */
static void fill_silu(float *x)
{
    static const float edges[] = {0.0f,   -80.0f,  80.0f, -88.5f, 88.5f,
                                  -100.0f, 100.0f, -1e4f, 1e4f};
    unsigned state = 2;
    for (size_t i = 0; i < N; i++)
        x[i] = 24.0f * ffcl_selfcheck_noise(&state);
    memcpy(x, edges, sizeof edges);
}

static int is_silu_right(const float *got, const float *x)
{
    for (size_t i = 0; i < N; i++) {
        const double want = (double)x[i] / (1.0 + exp(-(double)x[i]));
        if (!(fabs((double)got[i] - want) <= MOST_SILU * fabs(want) + 1e-30))
            return 0;
    }
    return 1;
}

/* The two launches; while planning, the programs. */
static void run(ffcl_ctx *ctx, cl_mem out, cl_mem x, int silu)
{
    const ffcl_tensor to = {.mem = out}, from = {.mem = x};
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "numbers", silu ? "numbers_silu" : "numbers_half",
                                           ffcl_dtype_option(FFCL_F16));
    if (silu)
        ffcl_launch_items(ctx, k, N / 8, FFCL_BUF(&to), FFCL_BUF(&from), FFCL_INT(N));
    else
        ffcl_launch_items(ctx, k, N / 16, FFCL_BUF(&to), FFCL_BUF(&from), FFCL_INT(N));
}

/* right[0]: rounding, right[1]: native functions; both 0 where nothing can be found out. */
static int compute(ffcl_ctx *ctx, int right[2])
{
    const size_t bytes = WIDTHS * N * sizeof(uint16_t);
    float *x = malloc(N * sizeof *x), *got = malloc(bytes);
    cl_mem in = NULL, out = NULL;
    int rc = x && got ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a check");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &in, N * sizeof *x, "the check of numbers");
    if (rc == 0)
        rc = ffcl_buffer_create(ctx, &out, bytes, "the check of numbers");
    for (int silu = 0; rc == 0 && silu < 2; silu++) {
        (silu ? fill_silu : fill_halves)(x);
        rc = ffcl_buffer_write(ctx, in, 0, x, N * sizeof *x);
        if (rc == 0)
            run(ctx, out, in, silu);
        if (rc == 0)
            rc = ffcl_ctx_check(ctx);
        if (rc == 0)
            rc = ffcl_buffer_read(ctx, out, 0, got, silu ? N * sizeof *got : bytes);
        if (rc == 0)
            right[silu] = silu ? is_silu_right(got, x) : is_half_right((const void *)got, x);
    }
    if (in)
        clReleaseMemObject(in);
    if (out)
        clReleaseMemObject(out);
    free(x);
    free(got);
    return rc;
}

/* What the results depend on, a key each; both are the caller's to free. */
static int result_keys(ffcl_ctx *ctx, char *keys[2])
{
    static const char *const names[] = {"rounding", "native functions"};
    char *programs = NULL;
    ctx->planning = 1;
    run(ctx, NULL, NULL, 0);
    run(ctx, NULL, NULL, 1);
    ctx->planning = 0;
    int rc = ffcl_ctx_check(ctx);
    if (rc == 0)
        rc = ffcl_programs_key(ctx, &programs);
    for (int i = 0; rc == 0 && i < 2; i++) {
        keys[i] = ffcl_format("check %d of %s\n%s", CHECK_VERSION, names[i], programs);
        rc = keys[i] ? 0 : ffcl_fail(ctx->err, FFCL_ENOMEM, "out of memory for a check's key");
    }
    free(programs);
    return rc;
}

/* By whether rounding and native functions are right. */
static const char *options_for(const int right[2])
{
    static const char *const options[2][2] = {{" -DROUND_HALF -DNO_NATIVE", " -DROUND_HALF"},
                                              {" -DNO_NATIVE", ""}};
    return options[right[0] > 0][right[1] > 0];
}

/* The check, and where it fails once more with what is to help. */
static int try_numbers(ffcl_ctx *ctx, int right[2])
{
    int now[2] = {0, 0};
    int rc = compute(ctx, right);
    if (rc || (right[0] && right[1]))
        return rc;
    ctx->number_options = options_for(right);
    rc = compute(ctx, now);
    if (rc == 0 && !(now[0] && now[1]))
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, "half numbers are wrong on this device even where "
                    "ffcl rounds them itself; [precision] compute = float32 does without", 0, 0);
    return rc;
}

/* why: nothing could be found out, or NULL.  It may be of this start alone, and other options give
 * other last bits. */
static void note(const ffcl_ctx *ctx, const int right[2], const char *why)
{
    char text[400];
    if (why) {
        snprintf(text, sizeof text, "half numbers could not be checked (%.250s): ffcl rounds them "
                 "itself, and uses exact functions", why);
        ffcl_report(ctx->obs, FFCL_PHASE_WARN, text, 0, 0);
        return;
    }
    if (!right[0])
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, "this driver does not round half numbers as OpenCL "
                    "asks; ffcl rounds them itself", 0, 0);
    if (!right[1])
        ffcl_report(ctx->obs, FFCL_PHASE_NOTE, "this driver's fast exponential and division are "
                    "too coarse for half numbers; the exact ones are used", 0, 0);
}

void ffcl_selfcheck_numbers(ffcl_ctx *ctx)
{
    ffcl_error slot = {0, ""}, *outer = ctx->err;
    ffcl_programs *programs = ctx->programs, *own = NULL;
    char *keys[2] = {NULL, NULL};
    int right[2] = {0, 0}, rc;
    ctx->err = &slot;
    ctx->number_options = "";
    rc = ffcl_programs_open(&own, ctx);
    if (rc == 0) {
        ctx->programs = own;
        rc = result_keys(ctx, keys);
    }
    for (int i = 0; rc == 0 && i < 2; i++)
        right[i] = ctx->recheck ? -1 : ffcl_selfcheck_recall(keys[i]);
    if (rc == 0 && (right[0] < 0 || right[1] < 0)) {
        right[0] = right[1] = 0;
        rc = try_numbers(ctx, right);
        for (int i = 0; rc == 0 && i < 2; i++)
            ffcl_selfcheck_keep(keys[i], right[i]);
    }
    ctx->programs = programs;
    ffcl_programs_close(&own);
    free(keys[0]);
    free(keys[1]);
    ctx->err = outer;
    if (rc)
        right[0] = right[1] = 0;
    note(ctx, right, rc ? slot.text : NULL);
    ctx->number_options = options_for(right);
}
