/* SPDX-License-Identifier: MIT
 *
 * The manifest of a sample set: what it holds of other ranks, of earlier versions, and of
 * nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/input.h"
#include "run/manifest.h"

static char path[] = "/tmp/ffcl-manifest-XXXXXX";

static void put(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int teardown(void **state)
{
    (void)state;
    return unlink(path);
}

/* Opens the file with these settings, then asks. */
static int check(const char *old, const char *key, const char *value, char *text, size_t size,
                 ffcl_error *err)
{
    ffcl_manifest *m = NULL;
    put(old);
    int rc = ffcl_manifest_open(&m, path, 1, err);
    if (rc == 0)
        rc = ffcl_manifest_set(m, key, value, err);
    if (rc == 0)
        rc = ffcl_manifest_check(m, err);
    *text = '\0';
    if (rc == 0)
        ffcl_manifest_assumes(m, text, size);
    ffcl_manifest_close(&m);
    return rc;
}

#define OLD(settings) "{\"format\": \"ffcl manifest 1\", \"settings\": {" settings "}}"

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *old, *key, *value;
        int rc;
        const char *text;       /* what is assumed, or part of the sentence */
    } cases[] = {
        {OLD("\"a\": \"1\""), "a", "1", 0, ""},
        {OLD("\"a\": \"1\""), "a", "2", FFCL_ESETTINGS, "a was 1 and is 2"},
        {OLD(""), "a", "2", FFCL_ESETTINGS, "a was not set and is 2"},
        {OLD("\"a\": 1"), "a", "1", FFCL_ESETTINGS, "a was not set and is 1"},
        {OLD("\"A\": \"1\""), "a", "1", FFCL_ESETTINGS, "a was not set and is 1"},
        {OLD("\"picture\": \"64 x 64\""), "image.size", "64 x 64", 0, ""},
        {OLD("\"picture\": \"64 x 64\""), "image.size", "32 x 32", FFCL_ESETTINGS,
         "image.size was 64 x 64 and is 32 x 32"},
        {OLD(""), "vae.norm_num_groups", "8", 0, "vae.norm_num_groups = 8"},
        {OLD("\"vae.norm_num_groups\": \"32\""), "vae.norm_num_groups", "8", FFCL_ESETTINGS,
         "vae.norm_num_groups was 32 and is 8"},
        {OLD(""), "kernels", "crc32 1", 0, "kernels = crc32 1"},
        {OLD("\"kernels\": \"built in\""), "kernels", "crc32 1", FFCL_ESETTINGS,
         "kernels was built in and is crc32 1"},
        {OLD(""), "blas.products of X", "clblast", 0, ""},
        {OLD(""), "blas.unit of X", "wgmma", 0, ""},
        {OLD(""), "blas.library of X", "OpenBLAS 0.3.21", 0, ""},
        {OLD("\"blas.library of X\": \"BLIS 1\""), "blas.library of X", "BLIS 2",
         FFCL_ESETTINGS, "blas.library of X was BLIS 1 and is BLIS 2"},
        {OLD(""), "environment", "none", 0, ""},
        {OLD(""), "environment", "MKL_CBWR=AVX2", FFCL_ESETTINGS,
         "environment was none and is MKL"},
        {OLD(""), "model.tensors", "ema, 76 tensors", 0, "model.tensors = ema, 76 tensors"},
        {OLD("\"model.tensors\": \"ema, 76 tensors\""), "model.tensors", "model, 76 tensors",
         FFCL_ESETTINGS, "model.tensors was ema, 76 tensors and is model, 76 tensors"},
        {OLD("\"blas.unit of X\": \"mma\""), "blas.unit of X", "wgmma", FFCL_ESETTINGS,
         "blas.unit of X was mma and is wgmma"},
        {OLD("\"a\": \"\\u001b]0;owned\\u0007\\u009b\""), "a", "1", FFCL_ESETTINGS,
         "a was ?]0;owned?? and is 1"},
        {OLD("\"a\\u0000b\": \"1\""), "a", "1", FFCL_ESETTINGS, "not a manifest"},
        {OLD("\"a\": \"1\"") "}", "a", "1", FFCL_ESETTINGS, "not a manifest"},
        {"", "a", "1", FFCL_ESETTINGS, "not a manifest"},
        {"{\"format\": \"ffcl manifest 1\"}", "a", "1", FFCL_ESETTINGS, "not a manifest"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        ffcl_error err = {0};
        int rc = check(cases[i].old, cases[i].key, cases[i].value, text, sizeof text, &err);
        if (rc != cases[i].rc)
            print_error("case %zu: %d, %s\n", i, rc, err.text);
        assert_int_equal(rc, cases[i].rc);
        if (rc == 0)
            assert_string_equal(text, cases[i].text);
        else
            assert_non_null(strstr(err.text, cases[i].text));
    }
}

/* Rank 1 of 2 keeps what other ranks left out, and nothing that is no index. */
static void test_bad(void **state)
{
    (void)state;
    ffcl_manifest *m = NULL;
    ffcl_error err = {0};
    ffcl_config *cfg = NULL;
    const ffcl_manifest_run run = {.end = "complete"};
    put("{\"format\": \"ffcl manifest 1\", \"settings\": {}, \"bad\": [{\"index\": 4}, "
        "{\"index\": 1e300}, {\"index\": -1e300}, {\"index\": 5}, {\"index\": \"x\"}, {}, 7]}");
    assert_int_equal(ffcl_config_open(&cfg, NULL, &err), 0);
    assert_int_equal(ffcl_config_set(cfg, "sampler.world=2", &err), 0);
    assert_int_equal(ffcl_config_set(cfg, "sampler.rank=1", &err), 0);
    assert_int_equal(ffcl_manifest_open(&m, path, 1, &err), 0);
    assert_int_equal(ffcl_manifest_set_config(m, cfg, &err), 0);
    assert_int_equal(ffcl_manifest_write(m, &run, &err), 0);
    ffcl_manifest_close(&m);
    ffcl_config_close(&cfg);
    char *text = NULL;
    size_t n = 0;
    assert_int_equal(ffcl_input_read(&text, &n, path, 100000, &err), 0);
    const char *bad = strstr(text, "\"bad\""), *runs = strstr(text, "\"runs\"");
    assert_non_null(bad);
    assert_true(runs > bad);
    text[runs - text] = '\0';
    assert_non_null(strstr(bad, "4"));
    assert_int_equal(strcspn(bad, "125678"), strlen(bad));
    free(text);
}

/* A manifest of an earlier run that was killed, or ended, and who joins now. */
static void test_members(void **state)
{
    (void)state;
#define ONE(name, driver, ffcl) "{\"name\": \"" name "\", \"version\": \"3\", \"driver\": \"" \
                                driver "\", \"ffcl\": \"" ffcl "\"}"
#define DEVICES(list) "{\"format\": \"ffcl manifest 1\", \"settings\": {}, \"devices\": [" list "]}"
    static const struct {
        const char *old;
        ffcl_manifest_kind kind;
    } cases[] = {
        {OLD(""), FFCL_KIND_KNOWN},
        {DEVICES(ONE("X", "1", FFCL_VERSION)), FFCL_KIND_KNOWN},
        {DEVICES(ONE("X", "2", FFCL_VERSION)), FFCL_KIND_NEW},
        {DEVICES(ONE("Y", "1", FFCL_VERSION)), FFCL_KIND_NEW},
        {DEVICES(ONE("Y", "1", FFCL_VERSION) ", " ONE("X", "1", FFCL_VERSION)), FFCL_KIND_KNOWN},
        {DEVICES(ONE("X", "1", "0.0")), FFCL_KIND_OTHER_FFCL},
        {DEVICES(ONE("X", "1", "0.0") ", " ONE("X", "1", FFCL_VERSION)), FFCL_KIND_KNOWN},
        {DEVICES("7, \"x\", {}"), FFCL_KIND_NEW},
    };
    const ffcl_manifest_member x = {.name = "X", .version = "3", .driver = "1",
                                    .products = "clblast", .library = "CLBlast 1"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ffcl_manifest *m = NULL;
        ffcl_error err = {0};
        ffcl_manifest_kind kind = FFCL_KIND_NEW_IN_RUN;
        put(cases[i].old);
        assert_int_equal(ffcl_manifest_open(&m, path, 1, &err), 0);
        assert_int_equal(ffcl_manifest_join(m, &x, &kind, &err), 0);
        assert_int_equal(kind, cases[i].kind);
        ffcl_manifest_close(&m);
        /* It is known, as a device and by what it computes with, though nothing ended. */
        ffcl_manifest_member other = x;
        strcpy(other.library, "CLBlast 2");
        assert_int_equal(ffcl_manifest_open(&m, path, 1, &err), 0);
        assert_int_equal(ffcl_manifest_kind_of(m, &x), FFCL_KIND_KNOWN);
        assert_int_equal(ffcl_manifest_join(m, &other, &kind, &err), FFCL_ESETTINGS);
        assert_non_null(strstr(err.text, "blas.library of X was CLBlast 1 and is CLBlast 2"));
        ffcl_manifest_close(&m);
    }
}

/* In one run: of one name, and not alike; of another kind; written by another rank meanwhile. */
static void test_two_members(void **state)
{
    (void)state;
    ffcl_manifest *m = NULL, *n = NULL;
    ffcl_error err = {0};
    ffcl_manifest_kind kind;
    ffcl_manifest_member x = {.name = "X", .products = "clblast"}, y = {.name = "Y"}, twin = x;
    put(OLD(""));
    assert_int_equal(ffcl_manifest_open(&m, path, 1, &err), 0);
    assert_int_equal(ffcl_manifest_open(&n, path, 1, &err), 0);
    assert_int_equal(ffcl_manifest_join(m, &x, &kind, &err), 0);
    assert_int_equal(kind, FFCL_KIND_KNOWN);
    assert_int_equal(ffcl_manifest_join(m, &x, &kind, &err), 0);
    assert_int_equal(kind, FFCL_KIND_KNOWN);
    assert_int_equal(ffcl_manifest_join(m, &y, &kind, &err), 0);
    assert_int_equal(kind, FFCL_KIND_NEW_IN_RUN);
    strcpy(twin.products, "blocked");
    assert_int_equal(ffcl_manifest_join(m, &twin, &kind, &err), FFCL_ESETTINGS);
    assert_non_null(strstr(err.text, "two devices of this run have one name"));
    assert_int_equal(ffcl_manifest_join(n, &twin, &kind, &err), FFCL_ESETTINGS);
    assert_non_null(strstr(err.text, "blas.products of X was clblast and is blocked"));
    ffcl_manifest_close(&m);
    ffcl_manifest_close(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_two_members),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
