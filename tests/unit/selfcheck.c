/* SPDX-License-Identifier: MIT
 *
 * The result of a matrix unit's self-check, kept beside the program binaries: by units that are
 * emulated, which run on any device.  Wrong results come from sources with a mistake in
 * FFCL_CL_DIR. */
#include "gemm.h"
#include "selfcheck/numbers.h"
#include "selfcheck/units.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>


/* Set up by open_folders. */
typedef struct fixture {
    char root[64], cache[80], sources[80];
} fixture;

static void run(const char *format, const char *a, const char *b)
{
    char line[512];
    snprintf(line, sizeof line, format, a, b);
    assert_int_equal(system(line), 0);
}

static int open_folders(void **state)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    snprintf(f->root, sizeof f->root, "/tmp/ffcl-selfcheck-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(f->cache, sizeof f->cache, "%s/cache", f->root);
    snprintf(f->sources, sizeof f->sources, "%s/cl", f->root);
    run("cp -r cl %s%s", f->sources, "");
    setenv("FFCL_CACHE_DIR", f->cache, 1);
    setenv("FFCL_BINARIES", "all", 1);
    unsetenv("FFCL_CL_DIR");
    *state = f;
    return 0;
}

static int close_folders(void **state)
{
    fixture *f = *state;
    run("rm -rf %s%s", f->root, "");
    unsetenv("FFCL_CL_DIR");
    free(f);
    return 0;
}

/* Probes for the unit of that name in a context of its own, as a start of the program does.
 * 0, or the error's code. */
static int check(const char *name, ffcl_matrix_unit *found, int emulate)
{
    ffcl_error err = {0, ""};
    ffcl_device device;
    ffcl_ctx *ctx = NULL;
    if (ffcl_device_select(&device, "auto", &err) || ffcl_ctx_open(&ctx, &device, NULL, NULL, &err))
        fail_msg("%s", err.text);
    ctx->err = &err;
    ctx->emulate = emulate;
    int rc = ffcl_selfcheck_units(ctx, name, FFCL_ANY_HEAD);
    *found = ctx->matrix_unit;
    if (rc)
        assert_non_null(strstr(err.text, "failed its check"));
    ffcl_ctx_close(&ctx);
    return rc;
}

static void passes(const char *name, ffcl_matrix_unit unit)
{
    ffcl_matrix_unit found = FFCL_UNIT_NONE;
    assert_int_equal(check(name, &found, 1), 0);
    assert_int_equal(found, unit);
}

static void is_refused(const char *name)
{
    ffcl_matrix_unit found = FFCL_UNIT_NONE;
    assert_int_equal(check(name, &found, 1), FFCL_EDEVICE);
    assert_int_equal(found, FFCL_UNIT_NONE);
}

/* Files in the cache; those that end in the text go to `ending`, the last one's path to path. */
static size_t count(const fixture *f, const char *text, size_t *ending, char path[400])
{
    size_t n = 0;
    struct dirent *entry;
    DIR *dir = opendir(f->cache);
    *ending = 0;
    while (dir && (entry = readdir(dir))) {
        char end[16] = "", name[400];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(name, sizeof name, "%s/%s", f->cache, entry->d_name);
        FILE *file = fopen(name, "rb");
        assert_non_null(file);
        assert_int_equal(fseek(file, -(long)strlen(text), SEEK_END), 0);
        assert_int_equal(fread(end, 1, strlen(text), file), strlen(text));
        fclose(file);
        n++;
        if (strcmp(end, text) == 0) {
            ++*ending;
            snprintf(path, 400, "%s", name);
        }
    }
    if (dir)
        closedir(dir);
    return n;
}

/* The cache holds n results of this text, and `programs` other files. */
static void holds(const fixture *f, const char *text, size_t n, size_t programs)
{
    char path[400];
    size_t results = 0, all = count(f, text, &results, path);
    assert_int_equal(results, n);
    assert_int_equal(all - results, programs);
}

/* Leaves nothing in the cache but the result. */
static void keep_result(const fixture *f, const char *text)
{
    char path[400];
    size_t n = 0;
    count(f, text, &n, path);
    assert_int_equal(n, 1);
    run("mv %s %s/kept", path, f->root);
    run("rm -rf %s/*%s", f->cache, "");
    run("mv %s/kept %s", f->root, path);
}

enum { PROGRAMS = 2 };          /* the unit's, the casts */

static void test_known(void **state)
{
    const fixture *f = *state;
    passes("wmma", FFCL_UNIT_WMMA);
    holds(f, "passed", 1, PROGRAMS);
    /* Known: no program is built, nor even looked for. */
    keep_result(f, "passed");
    passes("wmma", FFCL_UNIT_WMMA);
    holds(f, "passed", 1, 0);
    /* Of this unit only. */
    passes("mfma", FFCL_UNIT_MFMA);
    holds(f, "passed", 2, PROGRAMS);
}

static void test_each_unit(void **state)
{
    const fixture *f = *state;
    passes("dpas", FFCL_UNIT_DPAS8);
    passes("mfma", FFCL_UNIT_MFMA);
    holds(f, "passed", 2, PROGRAMS + 1);
}

static void test_failed(void **state)
{
    const fixture *f = *state;
    setenv("FFCL_CL_DIR", f->sources, 1);
    passes("wmma", FFCL_UNIT_WMMA);
    run("cp %s/gemm_matrix_unit_lanes.clh %s/good", f->sources, f->root);
    run("sed -i 's/(2 \\* (e) + (lane) \\/ 16)/((e) + 8 * ((lane) \\/ 16))/' "
        "%s/gemm_matrix_unit_lanes.clh%s", f->sources, "");
    /* Another source: the result does not count, and the unit computes wrong. */
    is_refused("wmma");
    holds(f, "failed", 1, PROGRAMS + 2);
    keep_result(f, "failed");
    is_refused("wmma");
    holds(f, "failed", 1, 0);
    /* Mended: checked again. */
    run("cp %s/good %s/gemm_matrix_unit_lanes.clh", f->root, f->sources);
    passes("wmma", FFCL_UNIT_WMMA);
    holds(f, "passed", 1, PROGRAMS + 1);
}

static void test_does_not_build(void **state)
{
    const fixture *f = *state;
    setenv("FFCL_CL_DIR", f->sources, 1);
    run("echo 'this is no OpenCL C;' >> %s/gemm_matrix_unit.cl%s", f->sources, "");
    is_refused("wmma");
    holds(f, "failed", 1, PROGRAMS - 1);
    keep_result(f, "failed");
    is_refused("wmma");
    holds(f, "failed", 1, 0);
}

static void test_damaged(void **state)
{
    const fixture *f = *state;
    static const char *const damages[] = {
        "truncate -s -1 %s%s", "truncate -s 100 %s%s", ": > %s%s", "printf nonsense > %s%s",
        "sed -i 's/passed$/passe_/' %s%s",
    };
    char path[400];
    size_t n = 0;
    passes("wmma", FFCL_UNIT_WMMA);
    count(f, "passed", &n, path);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        run(damages[i], path, "");
        passes("wmma", FFCL_UNIT_WMMA);
        holds(f, "passed", 1, PROGRAMS);        /* written anew */
    }
    /* A program's entry in its place is none of its own. */
    run("cp $(ls -S %s/* | head -n 1) %s", f->cache, path);
    passes("wmma", FFCL_UNIT_WMMA);
    holds(f, "passed", 1, PROGRAMS);
}

static void test_no_cache(void **state)
{
    const fixture *f = *state;
    setenv("FFCL_CACHE_DIR", "", 1);
    passes("wmma", FFCL_UNIT_WMMA);
    passes("wmma", FFCL_UNIT_WMMA);
    holds(f, "passed", 0, 0);
    /* A file stands where the folder should be. */
    run(": > %s%s", f->cache, "");
    setenv("FFCL_CACHE_DIR", f->cache, 1);
    passes("wmma", FFCL_UNIT_WMMA);
}

/* Without emulation a device without the unit is refused before any check. */
static void test_not_listed(void **state)
{
    const fixture *f = *state;
    ffcl_matrix_unit found = FFCL_UNIT_NONE;
    ffcl_device device;
    assert_int_equal(ffcl_device_select(&device, "auto", NULL), 0);
    if (device.caps.amd_wavefront || device.caps.intel_lanes)
        skip();
    assert_int_equal(check("wmma", &found, 0), FFCL_EDEVICE);
    assert_int_equal(check("mfma", &found, 0), FFCL_EDEVICE);
    assert_int_equal(check("dpas", &found, 0), FFCL_EDEVICE);
    holds(f, "failed", 0, 0);
}

/* ---- numbers ------------------------------------------------------------------------------- */

static void count_warnings(void *user, ffcl_phase phase, const char *text, uint64_t done,
                           uint64_t total)
{
    (void)text;
    (void)done;
    (void)total;
    *(int *)user += phase == FFCL_PHASE_WARN;
}

/* The check of numbers finds that these options are needed, and that they help. */
static void numbers_need(const char *options)
{
    ffcl_error err = {0, ""};
    ffcl_device device;
    ffcl_ctx *ctx = NULL;
    int warnings = 0;
    const ffcl_observer observer = {count_warnings, &warnings};
    if (ffcl_device_select(&device, "auto", &err) ||
        ffcl_ctx_open(&ctx, &device, &observer, NULL, &err))
        fail_msg("%s", err.text);
    ffcl_selfcheck_numbers(ctx);
    assert_string_equal(ctx->number_options, options);
    assert_int_equal(warnings, 0);
    ffcl_ctx_close(&ctx);
}

/* A device that cuts off instead of rounding, or whose native functions have 11 bits. */
static void test_numbers(void **state)
{
    const fixture *f = *state;
    numbers_need("");
    numbers_need("");                   /* as the cache has it */
    holds(f, "passed", 2, 1);
    setenv("FFCL_CL_DIR", f->sources, 1);
    run("sed -i 's/native_divide(v/1.0004f * &/' %s/silu8.clh%s", f->sources, "");
    numbers_need(" -DNO_NATIVE");
    numbers_need(" -DNO_NATIVE");
    run("sed -i 's/_rte(/_rtz(/g' %s/common.cl%s", f->sources, "");
    numbers_need(" -DROUND_HALF -DNO_NATIVE");
    run("cp cl/silu8.clh %s%s", f->sources, "");
    numbers_need(" -DROUND_HALF");
    /* In one width alone. */
    static const char *const widths[] = {"half", "half2", "half4", "half8", "half16"};
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        char command[160];
        snprintf(command, sizeof command, "cp cl/common.cl %%s && sed -i 's/vstore_%s_rte(/"
                 "vstore_%s_rtz(/' %%s/common.cl", widths[i], widths[i]);
        run(command, f->sources, f->sources);
        numbers_need(" -DROUND_HALF");
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_folders, close_folders)

int main(void)
{
    ffcl_device device;
    const struct CMUnitTest tests[] = {
        TEST(test_known),  TEST(test_each_unit), TEST(test_failed),     TEST(test_does_not_build),
        TEST(test_damaged), TEST(test_no_cache),   TEST(test_not_listed),
        TEST(test_numbers),
    };
    if (ffcl_device_select(&device, "auto", NULL)) {
        printf("skip - selfcheck (no OpenCL device)\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
