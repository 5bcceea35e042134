/* SPDX-License-Identifier: MIT
 * Every form of weight files that is read, against the same tensors in the plainest form, and what
 * is refused: the cases of make_weight_forms.py and, where PyTorch is installed, of
 * make_torch_files.py. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/input.h"
#include "files/tensorfile.h"
#include "seeds.h"

static char folder[] = "/tmp/ffcl-forms-XXXXXX";

static ffcl_tensor_file *open_path(const char *path)
{
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    if (ffcl_tensor_file_open(&file, path, &err))
        fail_msg("%s: %s", path, err.text);
    return file;
}

/* All elements; the caller frees them. */
static float *read_all(ffcl_tensor_file *file, const ffcl_tensor_info *info)
{
    ffcl_error err = {0};
    float *out = malloc((info->count + 1) * sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < info->count; i++)
        out[i] = 12345;
    if (ffcl_tensor_file_read_f32(file, info, 0, info->count, out, &err))
        fail_msg("%s: %s", info->name, err.text);
    return out;
}

static void expect_equal(const char *path, const char *name, const float *got, const float *want,
                         size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &want[i], sizeof *got) != 0 && !(isnan(got[i]) && isnan(want[i])))
            fail_msg("%s: %s[%zu] is %g, not %g", path, name, i, (double)got[i], (double)want[i]);
}

/* Whole, from the middle on, and where it lies in the file. */
static void compare(const char *path, const char *wanted)
{
    ffcl_tensor_file *got = open_path(path), *want = open_path(wanted);
    assert_int_equal(ffcl_tensor_file_count(got), ffcl_tensor_file_count(want));
    for (size_t i = 0; i < ffcl_tensor_file_count(want); i++) {
        const ffcl_tensor_info *w = ffcl_tensor_file_at(want, i);
        const ffcl_tensor_info *g = ffcl_tensor_file_find(got, w->name);
        const float *mapped = NULL;
        ffcl_error err = {0};
        if (!g || g->rank != w->rank || memcmp(g->shape, w->shape, sizeof g->shape))
            fail_msg("%s: %s is missing or of another shape", path, w->name);
        float *x = read_all(got, g), *y = read_all(want, w);
        expect_equal(path, w->name, x, y, w->count);
        const size_t first = w->count / 2;
        assert_int_equal(ffcl_tensor_file_read_f32(got, g, first, w->count - first, x, &err), 0);
        expect_equal(path, w->name, x, y + first, w->count - first);
        if (ffcl_tensor_file_map(&mapped, got, g, &err))
            fail_msg("%s: %s", w->name, err.text);
        if (mapped)
            expect_equal(path, w->name, mapped, y, w->count);
        free(x);
        free(y);
    }
    ffcl_tensor_file_close(&got);
    ffcl_tensor_file_close(&want);
}

/* The path without its ending, or NULL where it has another; the caller frees it. */
static char *without(const char *name, const char *ending)
{
    const size_t n = strlen(name), m = strlen(ending);
    char *path = NULL;
    if (n <= m || strcmp(name + n - m, ending) != 0)
        return NULL;
    assert_true(asprintf(&path, "%s/%.*s", folder, (int)(n - m), name) > 0);
    return path;
}

static void test_read(void **state)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    (void)state;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char *path = without(e->d_name, ".want"), wanted[600];
        if (!path)
            continue;
        snprintf(wanted, sizeof wanted, "%s.want", path);
        compare(path, wanted);
        free(path);
        n++;
    }
    closedir(dir);
    assert_true(n >= 100);
}

static void test_refused(void **state)
{
    size_t n = 0;
    DIR *dir = opendir(folder);
    (void)state;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char *path = without(e->d_name, ".error"), *text = NULL, *words = NULL, name[600];
        ffcl_tensor_file *file = NULL;
        ffcl_error err = {0};
        size_t length = 0;
        if (!path)
            continue;
        snprintf(name, sizeof name, "%s.error", path);
        assert_int_equal(ffcl_input_read(&text, &length, name, 4096, &err), 0);
        const int code = (int)strtol(text, &words, 10);
        const int rc = ffcl_tensor_file_open(&file, path, &err);
        if (rc != code || !strstr(err.text, words + 1) ||
            strncmp(err.text, folder, strlen(folder)) != 0 || strchr(err.text, '\n'))
            fail_msg("%s: %d: %s", path, rc, err.text);
        assert_null(file);
        free(text);
        free(path);
        n++;
    }
    closedir(dir);
    assert_true(n >= 20);
}

static char *in_folder(const char *name)
{
    static char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* A shard that is written into, or replaced, is another checkpoint; its numbers are mapped. */
static void test_shards_change(void **state)
{
    ffcl_error err = {0};
    const float *mapped = NULL;
    char command[1400];
    (void)state;
    ffcl_tensor_file *file = open_path(in_folder("sharded.index.json")), *again = NULL;
    assert_int_equal(ffcl_tensor_file_parts(file), 3);
    assert_int_equal(ffcl_tensor_file_map(&mapped, file, ffcl_tensor_file_find(file, "a"), &err),
                     0);
    assert_non_null(mapped);
    assert_true(ffcl_tensor_file_is_mapped(file));
    assert_int_equal(ffcl_tensor_file_check(file, &err), 0);
    assert_int_equal(ffcl_tensor_file_reopen(&again, file, &err), 0);
    assert_true(ffcl_tensor_file_same(file, again));
    ffcl_tensor_file_close(&again);
    snprintf(command, sizeof command, "cd %s && cp part-00002-of-00002 copy && "
             "cat copy > part-00002-of-00002 && rm copy", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(ffcl_tensor_file_check(file, &err), FFCL_EFILE);
    assert_non_null(strstr(err.text, "part-00002-of-00002 was changed"));
    assert_int_equal(ffcl_tensor_file_reopen(&again, file, &err), 0);
    assert_false(ffcl_tensor_file_same(file, again));
    ffcl_tensor_file_close(&again);
    ffcl_tensor_file_close(&file);
}

/* The interpreter that has PyTorch may be the system's own.  Says so where none has. */
static void test_torch(void **state)
{
    static const char *const pythons[] = {"python3", "/usr/bin/python3"};
    char command[600];
    (void)state;
    for (int i = 0; i < 2; i++) {
        snprintf(command, sizeof command, "%s -B tests/make_torch_files.py %s 2> /dev/null",
                 pythons[i], folder);
        const int status = system(command);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            test_read(NULL);
            return;
        }
        assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 3 || WEXITSTATUS(status) == 127));
    }
    skip();
}

static int make_cases(void **state)
{
    (void)state;
    return !mkdtemp(folder) ? -1 : ffcl_seeds_make(folder, "python3 -B tests/make_weight_forms.py");
}

static int remove_cases(void **state)
{
    (void)state;
    return ffcl_seeds_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_shards_change), cmocka_unit_test(test_torch),
    };
    return cmocka_run_group_tests(tests, make_cases, remove_cases);
}
