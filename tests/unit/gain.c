/* SPDX-License-Identifier: MIT
 * What counts as a gain of ffcl tune: more than the ups and downs of the machine. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tune/gain.h"

static void test_gain(void **state)
{
    (void)state;
    double mean, spread;
    /* Equal sets on a busy machine: one round makes it 1.5 times as fast. */
    const double noise[] = {0.4, -0.02, 0.01};
    assert_false(ffcl_tune_gain(noise, 3, &mean, &spread));
    assert_true(fabs(mean - 0.13) < 1e-12 && fabs(spread - 0.42) < 1e-12);
    const double steady[] = {0.30, 0.28, 0.33};
    assert_true(ffcl_tune_gain(steady, 3, &mean, &spread));
    const double slower[] = {-0.30, -0.28, -0.33};
    assert_false(ffcl_tune_gain(slower, 3, &mean, &spread));
    const double tiny[] = {0.004, 0.004, 0.004};        /* steady, and below 1 % */
    assert_false(ffcl_tune_gain(tiny, 3, &mean, &spread));
    assert_false(ffcl_tune_gain(steady, 2, &mean, &spread));    /* too few to know the spread */
    assert_false(ffcl_tune_gain(steady, 0, &mean, &spread));
    assert_true(mean == 0 && spread == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
