/* SPDX-License-Identifier: MIT
 * Progress in a log: what has not changed is not said again, and lines become rarer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../host/program/driver_output.h"
#include "../../host/program/progress.h"

static char text[4096];

/* There are no drivers here. */
void ffcl_driver_output_tend(void)
{
}

/* What has been printed, of which this test takes hold. */
static const char *printed(const ffcl_progress *p)
{
    rewind(p->out);
    text[fread(text, 1, sizeof text - 1, p->out)] = '\0';
    return text;
}

static void report(ffcl_progress *p, uint64_t done)
{
    ffcl_progress_report(p, FFCL_PHASE_SAMPLE, "", done, 40);
}

/* As if so many seconds had passed since the phase began, and since its last line. */
static void pass(ffcl_progress *p, double age, double silence)
{
    p->started -= age;
    p->printed -= silence;
}

static void test_log(void **state)
{
    ffcl_progress p;
    FILE *out = tmpfile();
    (void)state;
    assert_non_null(out);
    ffcl_progress_init(&p, out, 0, 0);
    report(&p, 0);
    assert_string_equal(printed(&p), "");
    pass(&p, 3, 3);
    report(&p, 0);
    assert_string_equal(printed(&p), "sampling 0/40\n");
    for (int i = 0; i < 5; i++) {
        pass(&p, 3, 3);
        report(&p, 0);
    }
    assert_string_equal(printed(&p), "sampling 0/40\n");
    /* Of a phase of 1000 s a line a minute. */
    pass(&p, 1000, 50);
    report(&p, 8);
    assert_string_equal(printed(&p), "sampling 0/40\n");
    pass(&p, 20, 20);
    report(&p, 8);
    assert_string_equal(printed(&p), "sampling 0/40\nsampling 8/40\n");
    report(&p, 40);
    assert_non_null(strstr(printed(&p), "sampling 8/40\nsampling 40/40, "));
    fclose(out);
}

static void test_same_line_of_next_phase(void **state)
{
    ffcl_progress p;
    FILE *out = tmpfile();
    (void)state;
    assert_non_null(out);
    ffcl_progress_init(&p, out, 0, 0);
    for (int i = 0; i < 2; i++) {
        ffcl_progress_report(&p, FFCL_PHASE_COMPILE, "", 3, 3);
        ffcl_progress_report(&p, FFCL_PHASE_CHECK, "", 2, 2);
    }
    assert_string_equal(printed(&p),
                        "compiling 3/3\nchecking 2/2\ncompiling 3/3\nchecking 2/2\n");
    fclose(out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_log),
                                       cmocka_unit_test(test_same_line_of_next_phase)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
