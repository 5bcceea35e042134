/* SPDX-License-Identifier: MIT
 *
 * Sets of CLBlast's parameters: files and lines of them, which are legal, what a search picks, and
 * what becomes of a candidate. */
#include "tuning.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tune/journal.h"
#include "tune/search.h"

static const char legal[] =
    "GEMMK=0 KREG=1 KWG=32 KWI=2 MDIMA=8 MDIMC=8 MWG=128 NDIMB=8 NDIMC=8 NWG=16 SA=1 SB=1 STRM=0 "
    "STRN=0 VWM=8 VWN=2";

/* A device as most GPUs are, and one of the smallest. */
static const ffcl_caps large = {.name = "large", .type = CL_DEVICE_TYPE_GPU, .max_work_group = 1024,
                                .local_bytes = 49152};
static const ffcl_caps tiny = {.name = "tiny", .type = CL_DEVICE_TYPE_GPU, .max_work_group = 64,
                               .local_bytes = 16384};
static const ffcl_caps cpu = {.name = "cpu", .type = CL_DEVICE_TYPE_CPU, .max_work_group = 4096,
                              .local_bytes = 1 << 20};

static ffcl_tuning set_of(const char *line)
{
    ffcl_tuning t;
    assert_int_equal(ffcl_tuning_scan(&t, line, NULL), 0);
    return t;
}

static void test_line(void **state)
{
    (void)state;
    ffcl_tuning t = set_of(legal);
    char *line = ffcl_tuning_line(&t);
    assert_string_equal(line, legal);
    free(line);
    t = set_of("");
    assert_true(ffcl_tuning_is_empty(&t));
    static const char *const wrong[] = {"GEMMK", "GEMMK=", "GEMMK=x", "NONE=1", "GEMMK=1 KREG",
                                        "gemmk=1"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(ffcl_tuning_scan(&t, wrong[i], NULL), FFCL_ECONFIG);
}

static void test_id(void **state)
{
    (void)state;
    char a[9], b[9];
    ffcl_tuning t = set_of(legal), same = set_of(legal);
    ffcl_tuning_id(&t, a);
    ffcl_tuning_id(&same, b);
    assert_string_equal(a, b);
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i++) {
        ffcl_tuning other = t;
        other.value[i] = 7;
        ffcl_tuning_id(&other, b);
        assert_string_not_equal(a, b);
    }
}

/* Each change of one value of the legal set, and a word of the reason. */
static void test_rules(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t value;
        const char *word;
    } wrong[] = {
        {"KWI", 3, "KWG"},    {"MWG", 96, "MDIMC"}, {"VWM", 3, "no value"}, {"NWG", 24, "NDIMC"},
        {"MDIMA", 5, "MDIMA"}, {"KWG", 4, "MDIMA"},  {"SA", 2, "no value"},
        {"GEMMK", 2, "no value"}, {"GEMMK", 1, "KREG"}, {"MWG", 0, "no value"},
        {"VWN", FFCL_TUNING_UNSET, "VWN"},
    };
    ffcl_tuning t = set_of(legal);
    assert_int_equal(ffcl_tuning_check(&t, 0, NULL, NULL), 0);
    assert_int_equal(ffcl_tuning_check(&t, 0, &large, NULL), 0);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ffcl_error err = {0, ""};
        ffcl_tuning bad = t;
        bad.value[ffcl_tuning_find(wrong[i].name)] = wrong[i].value;
        assert_int_equal(ffcl_tuning_check(&bad, 0, NULL, &err), FFCL_ECONFIG);
        if (!strstr(err.text, wrong[i].word))
            fail_msg("%s does not name %s", err.text, wrong[i].word);
    }
}

static void test_limits(void **state)
{
    (void)state;
    ffcl_error err = {0, ""};
    ffcl_tuning t = set_of(legal);      /* 64 work-items, 4 * 32 * (128 + 16) = 18432 bytes */
    assert_int_equal(ffcl_tuning_check(&t, 0, &tiny, &err), FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "18432 bytes"));
    t = set_of("PADTRA_PAD=0 PADTRA_TILE=16 PADTRA_WPT=1");
    assert_int_equal(ffcl_tuning_check(&t, ffcl_tuning_find("PADTRA_PAD"), &tiny, &err),
                     FFCL_ECONFIG);
    assert_non_null(strstr(err.text, "work-groups of 256"));
    assert_int_equal(ffcl_tuning_check(&t, ffcl_tuning_find("PADTRA_PAD"), &large, &err), 0);
}

static ffcl_tuning_home home_of(const char *driver)
{
    ffcl_tuning_home home = {.device = "A Device (R), OpenCL 1.2", .platform = "p 1",
                             .library = "libclblast.so.1"};
    snprintf(home.driver, sizeof home.driver, "%s", driver);
    return home;
}

static void test_file(void **state)
{
    (void)state;
    char folder[] = "/tmp/ffcl-tuning-XXXXXX", text[400];
    assert_non_null(mkdtemp(folder));
    setenv("XDG_CONFIG_HOME", folder, 1);
    ffcl_tuning t = set_of(legal), got;
    ffcl_tuning_home home = home_of("1.0"), other = home_of("2.0"), found;
    t.value[ffcl_tuning_find("XGEMM_MIN_INDIRECT_SIZE")] = 512;
    char *path = ffcl_tuning_path(&home, ".txt"), *second = ffcl_tuning_path(&other, ".txt");
    assert_non_null(strstr(path, "/ffcl/tuning/a-device-r-"));
    assert_string_not_equal(path, second);      /* one a driver */
    assert_int_equal(ffcl_tuning_write(&t, &home, "# A comment.\n", path, NULL), 0);
    assert_int_equal(ffcl_tuning_read(&got, &found, path, NULL), 0);
    assert_memory_equal(&got, &t, sizeof t);
    ffcl_tuning_home_differs(&found, &home, text, sizeof text);
    assert_string_equal(text, "");
    ffcl_tuning_home_differs(&found, &other, text, sizeof text);
    assert_string_equal(text, "driver is \"2.0\", not \"1.0\"");
    unlink(path);
    snprintf(text, sizeof text, "rm -r %s", folder);
    assert_int_equal(system(text), 0);
    free(path);
    free(second);
}

static int read_text(const char *text, ffcl_error *err)
{
    char path[] = "/tmp/ffcl-tuning-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    ffcl_tuning t;
    ffcl_tuning_home home;
    int rc = ffcl_tuning_read(&t, &home, path, err);
    unlink(path);
    return rc;
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *line, *word;
    } bad[] = {
        {"KWG = 1\n", ":1:", "before the first [section]"},
        {"[Xgemm\n", ":1:", "neither"},
        {"\n[Xgemv]\n", ":2:", "Xgemv"},
        {"[for]\nwhere = here\n", ":2:", "where"},
        {"[Copy]\nCOPY_VW = 1\n", ":1:", "COPY_DIMX"},
        {"[Copy]\nCOPY_VW = -1\n", ":2:", "-1"},
        {"[Copy]\nCOPY_VW = 1x\n", ":2:", "1x"},
        {"[Copy]\nCOPY_VW = 99999999999999999999\n", ":2:", "9999"},
        {"[Copy]\nKWG = 1\n", ":2:", "Copy has no parameter KWG"},
        {"[Copy]\nCOPY_DIMX = 8\nCOPY_DIMY = 8\nCOPY_VW = 2\nCOPY_WPT = 1\n[Copy]\n", ":6:",
         "second"},
    };
    ffcl_error err = {0, ""};
    assert_int_equal(read_text("# nothing\n\n ; nor here\n[for]\n", &err), 0);
    assert_int_equal(read_text("[Copy]\r\nCOPY_DIMX=8\nCOPY_DIMY =8\n COPY_VW= 2\nCOPY_WPT = 1",
                               &err), 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(read_text(bad[i].text, &err), FFCL_ECONFIG);
        if (!strstr(err.text, bad[i].line) || !strstr(err.text, bad[i].word))
            fail_msg("%s does not name %s and %s", err.text, bad[i].line, bad[i].word);
    }
    ffcl_tuning t;
    ffcl_tuning_home home;
    assert_int_equal(ffcl_tuning_read(&t, &home, "/nonexistent/file", &err), FFCL_EFILE);
}

static void test_search(void **state)
{
    (void)state;
    const ffcl_caps *all[] = {&large, &tiny, &cpu};
    uint64_t random = 5;
    for (size_t first = 0; first < FFCL_TUNING_ROWS; first = ffcl_tuning_end(first)) {
        ffcl_tuning t;
        size_t n = 0;
        if (strcmp(ffcl_tuning_rows[first].kernel, "GemmRoutine") == 0)
            continue;
        while (ffcl_search_known(&t, first, n) == 0) {
            assert_int_equal(ffcl_tuning_check(&t, first, &cpu, NULL), 0);
            n++;
        }
        assert_true(n >= 2);
        for (size_t d = 0; d < 3; d++)
            for (int k = 0; k < 50; k++) {
                ffcl_tuning before = t;
                assert_int_equal(ffcl_search_random(&t, first, all[d], k % 2, &random), 0);
                assert_int_equal(ffcl_tuning_check(&t, first, all[d], NULL), 0);
                assert_memory_not_equal(&before, &t, sizeof t);
                size_t gemmk = t.value[0];
                if (first == 0 && gemmk == 1)
                    assert_int_equal(t.value[ffcl_tuning_find("MWG")],
                                     t.value[ffcl_tuning_find("NWG")]);
            }
    }
}

static void test_journal(void **state)
{
    (void)state;
    const ffcl_tune_shape shapes[] = {{10, 20, 30, 0, 1}, {40, 50, 60, 1, 2}};
    const ffcl_tune_result timed = {FFCL_TUNE_TIMED, {1.5, 2.25}, 2, 3};
    const ffcl_tune_result hung = {.end = FFCL_TUNE_HUNG, .seconds = 9};
    char path[] = "/tmp/ffcl-journal-XXXXXX", line[200];
    ffcl_tuning t = set_of(legal), none = set_of("");
    ffcl_journal j;
    close(mkstemp(path));
    unlink(path);
    assert_int_equal(ffcl_journal_open(&j, path, shapes, 2, NULL), 0);
    assert_int_equal(ffcl_journal_add(&j, &none, &timed, NULL), 0);
    assert_int_equal(ffcl_journal_add(&j, &t, &hung, NULL), 0);
    ffcl_journal_close(&j);
    snprintf(line, sizeof line, "printf 'noise\\ntimed x\\n: y\\n' >> %s", path);
    assert_int_equal(system(line), 0);
    assert_int_equal(ffcl_journal_open(&j, path, shapes, 2, NULL), 0);
    assert_int_equal(j.n, 2);
    assert_null(j.discarded);
    const ffcl_journal_entry *e = ffcl_journal_find(&j, &none);
    assert_non_null(e);
    assert_int_equal(e->result.end, FFCL_TUNE_TIMED);
    assert_int_equal(e->result.n, 2);
    assert_true(e->result.ms[0] == 1.5 && e->result.ms[1] == 2.25 && e->result.seconds == 3);
    e = ffcl_journal_find(&j, &t);
    assert_non_null(e);
    assert_int_equal(e->result.end, FFCL_TUNE_HUNG);
    ffcl_journal_close(&j);
    /* Times of other shapes are none. */
    assert_int_equal(ffcl_journal_open(&j, path, shapes, 1, NULL), 0);
    assert_int_equal(j.n, 0);
    assert_non_null(j.discarded);
    ffcl_journal_close(&j);
    unlink(path);
}

/* What becomes of a candidate whose program is this shell script. */
static ffcl_tune_result try_script(const char *script)
{
    static const ffcl_device device = {.platform_index = 1, .device_index = 2};
    static const ffcl_tune_shape shapes[] = {{10, 20, 30, 0, 1}, {40, 50, 60, 1, 2}};
    const double limits[] = {7, 8};
    const ffcl_tuning t = set_of("COPY_DIMX=8");
    char path[] = "/tmp/ffcl-script-XXXXXX";
    ffcl_tune_result r;
    ffcl_error err = {0, ""};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0700), 0);
    assert_true(dprintf(fd, "#!/bin/sh\n%s\n", script) > 0);
    close(fd);
    const ffcl_tune_job job = {.program = path, .device = &device, .shapes = shapes, .n_shapes = 2,
                               .parameters = &t, .limits = limits, .seconds = 2};
    if (ffcl_tune_try(&job, &r, &err))
        fail_msg("%s", err.text);
    unlink(path);
    return r;
}

static void test_process(void **state)
{
    (void)state;
    static const struct {
        const char *script;
        ffcl_tune_end end;
        size_t n;
    } cases[] = {
        {"cat > /dev/null; echo ms 1.5; echo ms 2.5; echo timed", FFCL_TUNE_TIMED, 2},
        {"echo ms 1.5; echo slow", FFCL_TUNE_SLOW, 1},
        {"echo wrong", FFCL_TUNE_WRONG, 0},
        {"echo refused; exit 10", FFCL_TUNE_REFUSED, 0},
        {"echo ms 1.5; kill -SEGV $$", FFCL_TUNE_CRASHED, 1},
        {"exit 0", FFCL_TUNE_CRASHED, 0},
        {"echo ms 1.5; exec sleep 60", FFCL_TUNE_HUNG, 1},
        {"yes ms 1", FFCL_TUNE_HUNG, 2},
        {"test \"$1\" = tune-candidate && test \"$(cat)\" = 'device 1:2\nparameters COPY_DIMX=8\n"
         "shape 10 20 30 0 7\nshape 40 50 60 1 8' && echo timed", FFCL_TUNE_TIMED, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ffcl_tune_result r = try_script(cases[i].script);
        if (r.end != cases[i].end || r.n != cases[i].n)
            fail_msg("%s: %s with %zu times", cases[i].script, ffcl_tune_end_name(r.end), r.n);
        if (r.n)
            assert_true(r.ms[0] == 1.5 || r.ms[0] == 1.0);
        assert_true(r.seconds < 30);
    }
    /* A program that is not there is an error, not a bad candidate. */
    const ffcl_device device = {.index = 0};
    const ffcl_tuning t = set_of("");
    const ffcl_tune_job job = {.program = "/nonexistent", .device = &device, .parameters = &t,
                               .seconds = 2};
    ffcl_tune_result r;
    assert_int_equal(ffcl_tune_try(&job, &r, NULL), FFCL_EUSAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),      cmocka_unit_test(test_id),
        cmocka_unit_test(test_rules),     cmocka_unit_test(test_limits),
        cmocka_unit_test(test_file),      cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_search),    cmocka_unit_test(test_journal),
        cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
