/* SPDX-License-Identifier: MIT
 * Tables where the terminal has room, little, and almost none. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "table.h"

static ffcl_table table_of(int most)
{
    ffcl_table t = {.column = {{.head = "name", .width = 6, .is_left = 1},
                               {.head = "ms", .width = 5, .gap = 3},
                               {.head = "rate", .width = 6, .gap = 2, .rank = 1},
                               {.head = "share", .width = 5, .gap = 2, .rank = 2}},
                    .n = 4, .n_names = 1, .most = most};
    ffcl_table_fit(&t);
    return t;
}

static void check_lines(int most, const char *const *cells, const char *head, const char *line)
{
    char text[200];
    const ffcl_table t = table_of(most);
    ffcl_table_head(&t, text, sizeof text);
    assert_string_equal(text, head);
    ffcl_table_line(&t, cells, text, sizeof text);
    assert_string_equal(text, line);
}

static const char *const usual[] = {"gemm", "12.50", "123.45", "98%"};

static void test_room(void **state)
{
    (void)state;
    check_lines(INT_MAX, usual, "name        ms    rate  share", "gemm     12.50  123.45    98%");
    check_lines(29, usual, "name        ms    rate  share", "gemm     12.50  123.45    98%");
}

static void test_tight(void **state)
{
    (void)state;
    check_lines(28, usual, "name      ms   rate share", "gemm   12.50 123.45   98%");
    check_lines(25, usual, "name      ms   rate share", "gemm   12.50 123.45   98%");
}

static void test_stacked(void **state)
{
    (void)state;
    check_lines(24, usual, "name\n   ms   rate share", "gemm\n12.50 123.45   98%");
    check_lines(18, usual, "name\n   ms   rate share", "gemm\n12.50 123.45   98%");
}

static void test_left_out(void **state)
{
    (void)state;
    check_lines(17, usual, "name\n   ms   rate", "gemm\n12.50 123.45");
    check_lines(11, usual, "name\n   ms", "gemm\n12.50");
    check_lines(3, usual, "name\n   ms", "gemm\n12.50");
}

/* Cells that are wider than was thought: no number is cut, and no line ends in blanks. */
static void test_wide_cells(void **state)
{
    static const char *const wide[] = {"convolution", "1234567.50", "1234567.25", ""};
    (void)state;
    check_lines(INT_MAX, wide, "name        ms    rate  share",
                "convolution\n    1234567.50 1234567.25");
    check_lines(18, wide, "name\n   ms   rate share", "convolution\n1234567.50\n  1234567.25");
}

/* Of a name the blanks before it are kept. */
static void test_names(void **state)
{
    static const char *const cells[] = {"  of", "1", "2", "3"}, *const two[] = {"a b", "1", "", ""};
    (void)state;
    check_lines(INT_MAX, cells, "name        ms    rate  share", "  of         1       2      3");
    check_lines(INT_MAX, two, "name        ms    rate  share", "a b          1");
}

static void test_utf8(void **state)
{
    static const char *const cells[] = {"\xc3\xa9t\xc3\xa9", "1", "2", "3"};
    (void)state;
    assert_int_equal(ffcl_columns_of(cells[0]), 3);
    check_lines(INT_MAX, cells, "name        ms    rate  share",
                "\xc3\xa9t\xc3\xa9          1       2      3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_room), cmocka_unit_test(test_tight), cmocka_unit_test(test_stacked),
        cmocka_unit_test(test_left_out), cmocka_unit_test(test_wide_cells),
        cmocka_unit_test(test_names), cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
