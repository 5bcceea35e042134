/* SPDX-License-Identifier: MIT
 * Which keys change the images: every row of the table says it, and a changed key shows in the
 * settings by which a run resumes, or does not, as its row says. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config.h"
#include "config_table.h"
#include "util.h"
#include "open_config.h"

enum { TEXT_BYTES = 4096 };

static int add_line(void *user, const char *key, const char *text, ffcl_error *err)
{
    char *to = user;
    size_t used = strlen(to);
    (void)err;
    snprintf(to + used, TEXT_BYTES - used, "%s = %s\n", key, text);
    return 0;
}

/* All settings of cfg, one a line. */
static void list(const ffcl_config *cfg, char text[TEXT_BYTES])
{
    *text = '\0';
    assert_int_equal(ffcl_config_settings(cfg, add_line, text, NULL), 0);
}

static void test_every_row_is_marked(void **state)
{
    (void)state;
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const int differs = row->images == FFCL_IMAGES_DIFFER;
        if (row->images == FFCL_IMAGES_UNMARKED)
            fail_msg("[%s] %s: say in its row whether it changes the images: SAME, DIFFER or "
                     "DIFFER_BY", row->section, row->key);
        if (!differs && (row->fact || row->counts || row->resolve))
            fail_msg("[%s] %s does not change the images: it needs neither fact nor counts nor "
                     "resolve", row->section, row->key);
        /* A file may change under its name, and a name says nothing of a device. */
        if (differs && !row->fact && (row->type == FFCL_TYPE_TEXT || row->type == FFCL_TYPE_INPUT ||
                                      row->type == FFCL_TYPE_OUTPUT))
            fail_msg("[%s] %s is a name: use DIFFER_BY", row->section, row->key);
    }
}

/* A value that is neither the default nor the one that open_all sets. */
static char *another(const ffcl_config_row *row)
{
    switch (row->type) {
    case FFCL_TYPE_CHOICE:
        for (const ffcl_config_choice *c = row->choices; c->name; c++)
            if (strcmp(c->name, row->initial) && strcmp(c->name, "torch-cuda"))
                return ffcl_format("%s", c->name);
        return ffcl_format("%s", row->initial);
    case FFCL_TYPE_COUNT:
    case FFCL_TYPE_COUNT_AUTO:
        return ffcl_format("%.0f", (row->min + row->max) / 2);
    case FFCL_TYPE_REAL:
    case FFCL_TYPE_REAL_AUTO:
        return ffcl_format("%g", (row->min + row->max) / 2);
    case FFCL_TYPE_TIMES:
        return ffcl_format("1, 0.5, 0");
    case FFCL_TYPE_CLASSES:
        return ffcl_format("1, 2");
    case FFCL_TYPE_SEED:
    case FFCL_TYPE_RANK:
        return ffcl_format("7");
    default:
        return ffcl_format("another");
    }
}

/* A configuration in which every key counts. */
static ffcl_config *open_all(void)
{
    ffcl_config *cfg = open_config();
    set(cfg, "sampler.rng=torch-cuda");
    set(cfg, "sampler.classes=random");
    set(cfg, "sampler.count=12");
    set(cfg, "sampler.draw_batch=3");
    set(cfg, "sampler.world=4");
    set(cfg, "sampler.solver=sde-heun");
    set(cfg, "sampler.cfg=three");
    set(cfg, "output.folder=f");
    return cfg;
}

static void test_a_changed_key_shows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        char before[TEXT_BYTES], after[TEXT_BYTES];
        ffcl_config *cfg = open_all();
        char *value = another(row);
        char *assignment = ffcl_format("%s.%s=%s", row->section, row->key, value);
        list(cfg, before);
        set(cfg, assignment);
        list(cfg, after);
        const int shows = strcmp(before, after) != 0;
        if (shows != (row->images == FFCL_IMAGES_DIFFER && !row->fact))
            fail_msg("%s: the settings are\n%sand were\n%s", assignment, after, before);
        ffcl_config_close(&cfg);
        free(assignment);
        free(value);
    }
}

/* Manifests of earlier versions have these words, in this order. */
static void test_list(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    ffcl_config *cfg = open_all();
    set(cfg, "sampler.seed=-1");
    set(cfg, "sampler.guidance=1.1");
    set(cfg, "sampler.times=1, 0.25, 0");
    set(cfg, "sampler.time_shift=1.5000000000000001");
    list(cfg, text);
    assert_string_equal(text, "sampler.seed = 18446744073709551615\n"
                        "sampler.rng = torch-cuda\n"
                        "sampler.classes = random\n"
                        "sampler.count = 12\n"
                        "sampler.draw_batch = 3\n"
                        "sampler.world = 4\n"
                        "sampler.cuda_threads = 270336\n"
                        "sampler.guidance = 1.1\n"
                        "sampler.cfg = three\n"
                        "sampler.guidance_low = 0\n"
                        "sampler.guidance_high = 1\n"
                        "sampler.guidance_gate = step\n"
                        "sampler.steps = 1\n"
                        "sampler.solver = sde-heun\n"
                        "sampler.times = 1, 0.25, 0\n"
                        "sampler.time_shift = 1.5\n"
                        "sampler.correct_last = yes\n"
                        "sampler.sde_last = 0.04\n"
                        "sampler.noise_rows = 1\n"
                        "model.noise_time = 1\n"
                        "model.update = plus\n"
                        "model.predicts = velocity\n"
                        "output.bytes = sit\n"
                        "output.png_level = 6\n"
                        "output.on_bad = stop\n");
    ffcl_config_close(&cfg);
}

static void test_what_does_not_count(void **state)
{
    (void)state;
    char text[TEXT_BYTES];
    ffcl_config *cfg = open_config();
    set(cfg, "sampler.time_shift=1.23456789012345678");
    list(cfg, text);
    assert_string_equal(text, "sampler.seed = 0\n"
                        "sampler.rng = torch-cpu\n"
                        "sampler.classes = list of 8, crc32 aa4c2137: 207 360 387 974 88 979 417 "
                        "279\n"
                        "sampler.count = 8\n"
                        "sampler.guidance = 1.5\n"
                        "sampler.cfg = none\n"
                        "sampler.steps = 1\n"
                        "sampler.solver = euler\n"
                        "sampler.times = uniform\n"
                        "sampler.time_shift = 1.2345678901234567\n"
                        "model.noise_time = 1\n"
                        "model.update = plus\n"
                        "model.predicts = velocity\n"
                        "output.bytes = sit\n"
                        "output.on_bad = stop\n");
    set(cfg, "sampler.classes=0-8");
    set(cfg, "sampler.rng=per-image");
    list(cfg, text);
    assert_non_null(strstr(text, ": 0 1 2 3 4 5 6 7 ...\n"));
    assert_null(strstr(text, "draw_batch"));
    set(cfg, "sampler.classes=random");
    set(cfg, "sampler.count=1");
    list(cfg, text);
    assert_null(strstr(text, "draw_batch"));
    set(cfg, "sampler.rng=torch-cpu");
    list(cfg, text);
    assert_non_null(strstr(text, "\nsampler.draw_batch = 32\n"));
    ffcl_config_close(&cfg);
}

static int fail_at_once(void *user, const char *key, const char *text, ffcl_error *err)
{
    (void)key, (void)text, (void)err;
    ++*(int *)user;
    return FFCL_ENOMEM;
}

static void test_a_failure_ends_it(void **state)
{
    (void)state;
    int calls = 0;
    ffcl_config *cfg = open_config();
    assert_int_equal(ffcl_config_settings(cfg, fail_at_once, &calls, NULL), FFCL_ENOMEM);
    assert_int_equal(calls, 1);
    ffcl_config_close(&cfg);
}

/* Whatever the locale that the library's caller has set. */
static void test_numbers_have_a_point(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {{"1.5", "1.5"}, {"1,5", "1.5"}, {"-2,5e-07", "-2.5e-07"}, {"nan", "nan"},
                 {"1\xd9\xab" "5", "1.5"}, {"-inf", "-inf"}, {"3", "3"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[40];
        snprintf(text, sizeof text, "%s", cases[i].from);
        ffcl_point(text);
        assert_string_equal(text, cases[i].to);
    }
    char text[120];
    setlocale(LC_ALL, "");      /* tests/e2e/chaos.sh has one with a comma */
    ffcl_config_real_text(text, 0.25);
    assert_string_equal(text, "0.25");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_marked), cmocka_unit_test(test_a_changed_key_shows),
        cmocka_unit_test(test_list), cmocka_unit_test(test_what_does_not_count),
        cmocka_unit_test(test_a_failure_ends_it), cmocka_unit_test(test_numbers_have_a_point),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
