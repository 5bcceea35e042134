/* SPDX-License-Identifier: MIT
 * The threads that share the tasks of a GEMM: every task once, whatever the numbers. */
#include "team.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { MOST = 1000 };

typedef struct tally {
    atomic_int calls[MOST];
    atomic_int inside, most_inside;
    int wait_us;
} tally;

static void count(void *user, size_t i)
{
    tally *t = user;
    int inside = atomic_fetch_add(&t->inside, 1) + 1, most = atomic_load(&t->most_inside);
    while (inside > most && !atomic_compare_exchange_weak(&t->most_inside, &most, inside))
        ;
    if (t->wait_us)
        usleep((useconds_t)t->wait_us);
    atomic_fetch_add(&t->calls[i], 1);
    atomic_fetch_sub(&t->inside, 1);
}

static void expect_once(tally *t, size_t n)
{
    assert_int_equal(t->inside, 0);         /* the call returned after the last task */
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(t->calls[i], i < n ? 1 : 0);
}

static void test_each_task_once(void **state)
{
    static const size_t threads[] = {1, 2, 3, 8}, tasks[] = {0, 1, 2, 7, MOST};
    (void)state;
    for (size_t k = 0; k < sizeof threads / sizeof *threads; k++) {
        ffcl_team *team = NULL;
        ffcl_error err = {0};
        assert_int_equal(ffcl_team_open(&team, threads[k], &err), 0);
        /* Many jobs in a row, so that threads wake up late for some of them. */
        for (size_t job = 0; job < 500; job++) {
            tally *t = calloc(1, sizeof *t);
            size_t n = tasks[job % (sizeof tasks / sizeof *tasks)];
            assert_non_null(t);
            ffcl_team_run(team, count, t, n);
            expect_once(t, n);
            assert_true((size_t)t->most_inside <= threads[k]);
            free(t);
        }
        ffcl_team_close(&team);
        assert_null(team);
    }
}

/* Tasks that sleep are done side by side. */
static void test_at_the_same_time(void **state)
{
    ffcl_team *team = NULL;
    ffcl_error err = {0};
    tally *t = calloc(1, sizeof *t);
    (void)state;
    assert_non_null(t);
    t->wait_us = 20000;
    assert_int_equal(ffcl_team_open(&team, 4, &err), 0);
    ffcl_team_run(team, count, t, 16);
    expect_once(t, 16);
    assert_true(t->most_inside > 1);
    ffcl_team_close(&team);
    free(t);
}

static void test_closing_nothing(void **state)
{
    ffcl_team *team = NULL;
    (void)state;
    ffcl_team_close(&team);
    assert_null(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_task_once),
        cmocka_unit_test(test_at_the_same_time),
        cmocka_unit_test(test_closing_nothing),
    };
    return cmocka_run_group_tests_name("team", tests, NULL, NULL);
}
