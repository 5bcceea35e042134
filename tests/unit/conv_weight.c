/* SPDX-License-Identifier: MIT
 * Channels of a convolution that a file's weight lacks are zeros wherever they lie: as if the file
 * had them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ops/ops.h"

enum { IN = 48, MORE_IN = 16, OUT = 80, MORE_OUT = 48, TALL = 5, SIDE = 3, TAPS = TALL * SIDE };

/* (OUT + MORE_OUT, IN + MORE_IN, taps) of (OUT, IN, taps). */
static float *widened(const float *from)
{
    float *to = calloc((size_t)(OUT + MORE_OUT) * (IN + MORE_IN) * TAPS, sizeof *to);
    assert_non_null(to);
    for (size_t o = 0; o < OUT; o++)
        memcpy(to + o * (IN + MORE_IN) * TAPS, from + o * IN * TAPS,
               (size_t)IN * TAPS * sizeof *to);
    return to;
}

/* The weight laid out from a file's of (out - more_out, in - more_in) channels. */
static float *laid_out(ffcl_dtype dtype, size_t more_in, size_t more_out, const float *from,
                       size_t *n)
{
    ffcl_ctx *ctx = calloc(1, sizeof *ctx);
    ffcl_conv_weight w = {.in = IN + MORE_IN, .out = OUT + MORE_OUT, .more_in = more_in,
                          .more_out = more_out, .side = SIDE, .tall = TALL, .stride = 2,
                          .dtype = dtype};
    assert_non_null(ctx);
    ffcl_conv_lay_out(ctx, &w);
    assert_int_equal(w.layout, dtype == FFCL_F16 ? FFCL_CONV_TILES : FFCL_CONV_IM2COL);
    *n = ffcl_conv_part_count(&w);
    float *part = malloc(*n * sizeof *part);
    assert_non_null(part);
    for (size_t i = 0; i < *n; i++)
        part[i] = 12345;
    ffcl_conv_fill(&w, 0, from, part);
    free(ctx);
    return part;
}

static void test_more_channels(void **state)
{
    (void)state;
    float *file = malloc((size_t)OUT * IN * TAPS * sizeof *file);
    assert_non_null(file);
    for (size_t i = 0; i < (size_t)OUT * IN * TAPS; i++)
        file[i] = (float)(i + 1);
    float *wide = widened(file);
    for (ffcl_dtype dtype = FFCL_F32; dtype <= FFCL_F16; dtype++) {
        size_t n, m;
        float *got = laid_out(dtype, MORE_IN, MORE_OUT, file, &n);
        float *want = laid_out(dtype, 0, 0, wide, &m);
        assert_int_equal(n, m);
        assert_memory_equal(got, want, n * sizeof *got);
        free(got);
        free(want);
    }
    free(file);
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_more_channels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
