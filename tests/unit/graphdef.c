/* SPDX-License-Identifier: MIT
 * TensorFlow's graphs as weight files; tests/unit/tensorfile.c has broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/tensorfile.h"

static char folder[] = "/tmp/ffcl-graphdef-XXXXXX";

/* The case's file, which is gone once it is open; *rc of opening it. */
static ffcl_tensor_file *open_case(const char *name, int *rc, ffcl_error *err)
{
    char command[200], path[100];
    ffcl_tensor_file *file = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(command, sizeof command, "python3 -B tests/make_weights.py %s %s", name, path);
    assert_int_equal(system(command), 0);
    *rc = ffcl_tensor_file_open(&file, path, err);
    unlink(path);
    return file;
}

static void expect(ffcl_tensor_file *file, const char *name, int rank, const size_t *shape,
                   size_t n, const float *want)
{
    float got[16];
    ffcl_error err = {0};
    const ffcl_tensor_info *info = ffcl_tensor_file_find(file, name);
    assert_non_null(info);
    assert_int_equal(info->rank, rank);
    assert_memory_equal(info->shape, shape, (size_t)rank * sizeof *shape);
    assert_int_equal(info->count, n);
    assert_int_equal(ffcl_tensor_file_read_f32(file, info, 0, n, got, &err), 0);
    assert_memory_equal(got, want, n * sizeof *want);
}

/* Matrices and convolutions are as PyTorch has them: outputs first. */
static void test_good(void **state)
{
    int rc;
    ffcl_error err = {0};
    (void)state;
    ffcl_tensor_file *file = open_case("gd_good", &rc, &err);
    assert_int_equal(rc, 0);
    assert_int_equal(ffcl_tensor_file_count(file), 5);
    expect(file, "w", 2, (size_t[]){3, 2}, 6, (float[]){0, 0.75f, 0.25f, 1, 0.5f, 1.25f});
    expect(file, "k", 4, (size_t[]){3, 2, 1, 2}, 12,
           (float[]){20, 21.5f, 20.75f, 22.25f, 20.25f, 21.75f, 21, 22.5f, 20.5f, 22, 21.25f,
                     22.75f});
    expect(file, "v", 1, (size_t[]){4}, 4, (float[]){10, 10.25f, 10.5f, 10.75f});
    expect(file, "s", 1, (size_t[]){5}, 5, (float[]){7, 7, 7, 7, 7});
    assert_string_equal(ffcl_tensor_file_find(file, "i")->unread, "of TensorFlow's type 3");
    assert_string_equal(ffcl_tensor_file_metadata(file, FFCL_GRAPH_EPSILON), "0.00100000005");
    assert_string_equal(ffcl_tensor_file_metadata(file, FFCL_GRAPH_SCALES), "yes");
    ffcl_tensor_file_close(&file);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_good)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
