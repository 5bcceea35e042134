/* SPDX-License-Identifier: MIT
 *
 * Texts and files that come from outside: what a terminal would obey is replaced, only regular
 * files are opened, and a JSON text is read whole or not at all. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/input.h"
#include "files/json.h"
#include "text.h"

static void expect_clean(const char *text, int lines, const char *want)
{
    char copy[200];
    snprintf(copy, sizeof copy, "%s", text);
    assert_int_equal(ffcl_text_is_clean(text, strlen(text)), strcmp(text, want) == 0);
    ffcl_text_clean(copy, lines);
    assert_string_equal(copy, want);
    ffcl_text_clean(copy, lines);       /* a second time changes nothing */
    assert_string_equal(copy, want);
}

static void test_text(void **state)
{
    (void)state;
    expect_clean("", 0, "");
    expect_clean("plain, caf\xc3\xa9, \xe6\x97\xa5, \xf0\x9f\x98\x80", 0,
                 "plain, caf\xc3\xa9, \xe6\x97\xa5, \xf0\x9f\x98\x80");
    expect_clean("\033]0;title\007x", 0, "?]0;title?x");
    expect_clean("a\xc2\x9b" "31mb", 0, "a?31mb");              /* U+009B, CSI in one */
    expect_clean("a\x7f\xc2\x80\xc2\x9f\xc2\xa0", 0, "a???\xc2\xa0");
    expect_clean("a\nb\tc\r", 0, "a b c?");
    expect_clean("caf\xe9", 0, "caf?");                         /* Latin-1 */
    expect_clean("\xc0\xaf\xe0\x80\x80\xf8\x88", 0, "???????");   /* longer than needed */
    expect_clean("cut \xe6\x97", 0, "cut ??");
    expect_clean("\xed\xa0\x80", 0, "???");                     /* half a pair */
    expect_clean("\xf4\x90\x80\x80", 0, "????");                /* above U+10FFFF */
    expect_clean("x\xe2\x80\xaey\xe2\x81\xa6z\xe2\x80\xa8", 0, "x?y?z?");
    char log[] = "a.cl:3\n\terror\033[0m\r\n";
    ffcl_text_clean(log, 1);
    assert_string_equal(log, "a.cl:3\n\terror?[0m?\n");
}

static void test_sentences(void **state)
{
    (void)state;
    ffcl_error err = {0};
    ffcl_fail(&err, FFCL_EFILE, "cannot open %s", "a\nb\033[2J");
    assert_string_equal(err.text, "cannot open a b?[2J");
    ffcl_fail(&err, FFCL_EBUILD, "no:\n%s", "line 1\nline 2");
    assert_string_equal(err.text, "no:\nline 1\nline 2");
}

/* A folder of the kinds of file there are. */
static int setup(void **state)
{
    static char folder[] = "/tmp/ffcl-input-XXXXXX";
    if (!mkdtemp(folder) || chdir(folder))
        return -1;
    FILE *f = fopen("file", "w");
    if (!f || fputs("hello", f) < 0 || fclose(f))
        return -1;
    *state = folder;
    return mkfifo("fifo", 0600) || mkdir("folder", 0700) || symlink("file", "link") ||
           symlink("nowhere", "dangling");
}

static int teardown(void **state)
{
    const char *const names[] = {"file", "fifo", "link", "dangling"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(names[i]);
    rmdir("folder");
    return chdir("/") || rmdir(*state);
}

static void expect_refused(const char *path, size_t most, int code, const char *sentence)
{
    ffcl_error err = {0};
    char *text = NULL;
    size_t n = 1;
    assert_int_equal(ffcl_input_read(&text, &n, path, most, &err), code);
    assert_null(text);
    assert_int_equal(n, 0);
    assert_string_equal(err.text, sentence);
}

static void test_files(void **state)
{
    (void)state;
    const char *const good[] = {"file", "link"};
    ffcl_error err = {0};
    for (size_t i = 0; i < 2; i++) {
        char *text = NULL;
        size_t n = 0;
        assert_int_equal(ffcl_input_read(&text, &n, good[i], 5, &err), 0);
        assert_int_equal(n, 5);
        assert_string_equal(text, "hello");
        free(text);
        assert_false(ffcl_input_is_absent(good[i]));
    }
    FILE *marked = fopen("marked", "w");
    assert_non_null(marked);
    fputs("\xef\xbb\xbfhello", marked);
    fclose(marked);
    for (int stream = 0; stream < 2; stream++) {
        char *text = NULL, got[9] = "";
        size_t n = 0;
        FILE *f = NULL;
        if (stream) {
            assert_int_equal(ffcl_input_stream(&f, "marked", 8, &err), 0);
            assert_int_equal(fread(got, 1, 8, f), 5);
            fclose(f);
        } else {
            assert_int_equal(ffcl_input_read(&text, &n, "marked", 8, &err), 0);
            assert_int_equal(n, 5);
            snprintf(got, sizeof got, "%s", text);
        }
        assert_string_equal(got, "hello");
        free(text);
    }
    unlink("marked");
    expect_refused("folder", 9, FFCL_EFILE, "cannot read folder: it is a folder, not a file");
    expect_refused("fifo", 9, FFCL_EFILE, "cannot read fifo: it is not a regular file");
    expect_refused("/dev/zero", 9, FFCL_EFILE, "cannot read /dev/zero: it is not a regular file");
    expect_refused("none", 9, FFCL_EFILE, "cannot open none: No such file or directory");
    expect_refused("dangling", 9, FFCL_EFILE, "cannot open dangling: the link leads nowhere");
    expect_refused("file", 4, FFCL_EFORMAT,
                   "file has more than 4 bytes, so it is not what it should be");
    expect_refused("/proc/self/mem", 9, FFCL_EFILE,
                   "cannot read /proc/self/mem: Input/output error");
    assert_true(ffcl_input_is_absent("none"));
    assert_false(ffcl_input_is_absent("dangling"));
    assert_false(ffcl_input_is_absent("folder"));
}

static int parse(const char *text, size_t n, cJSON **json)
{
    ffcl_error err = {0};
    return ffcl_json_parse(json, text, n, NULL, "x.json", &err);
}

static void test_json(void **state)
{
    (void)state;
    static const char bad[][40] = {
        "", "[1]", "{", "{} x", "{}}", "{\"a\\u0000b\": 1}", "{\"a\": \"\\u0000\"}",
        "{\"a\\\\\\u0000b\": 1}", "nul",
    };
    cJSON *json = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(parse(bad[i], strlen(bad[i]), &json), FFCL_EFORMAT);
        assert_null(json);
    }
    assert_int_equal(parse("{\"a\0b\": 1}", 10, &json), FFCL_EFORMAT);
    const char good[] = " {\"a\\\\u0000b\": 1, \"x\": 2, \"x\": 3}\r\n\t ";
    assert_int_equal(parse(good, strlen(good), &json), 0);
    assert_int_equal(ffcl_json_times(json, "x"), 2);
    assert_int_equal(ffcl_json_times(json, "a\\u0000b"), 1);
    assert_int_equal(ffcl_json_times(json, "y"), 0);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_json),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
