/* SPDX-License-Identifier: MIT
 *
 * Torch files of the form before PyTorch 1.6: tests/data/old_torch.pt, whole and damaged, which
 * is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "files/tensorfile.h"

/* What torch.save wrote with _use_new_zipfile_serialization=False: a (3, 2) transposed view of 0 to
 * 5, b three halves of 1, c the integers 0 to 3. */
static void test_old_torch(void **state)
{
    static const float want[] = {0, 3, 1, 4, 2, 5};
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    float got[6];
    int64_t whole[4];
    (void)state;
    if (ffcl_tensor_file_open(&file, "tests/data/old_torch.pt", &err))
        fail_msg("%s", err.text);
    const ffcl_tensor_info *a = ffcl_tensor_file_find(file, "a");
    assert_non_null(a);
    assert_int_equal(a->shape[0], 3);
    assert_int_equal(a->shape[1], 2);
    assert_int_equal(ffcl_tensor_file_read_f32(file, a, 0, 6, got, &err), 0);
    assert_memory_equal(got, want, sizeof want);
    const ffcl_tensor_info *b = ffcl_tensor_file_find(file, "b");
    assert_non_null(b);
    assert_int_equal(ffcl_tensor_file_read_f32(file, b, 0, 3, got, &err), 0);
    assert_true(got[0] == 1.0f && got[2] == 1.0f);
    const ffcl_tensor_info *c = ffcl_tensor_file_find(file, "c");
    assert_non_null(c);
    assert_int_equal(ffcl_tensor_file_read_i64(file, c, 0, 4, whole, &err), 0);
    assert_int_equal(whole[3], 3);
    ffcl_tensor_file_close(&file);
}

/* Cut at any byte, or with any byte changed, it is read or refused with a sentence. */
static void test_old_torch_damaged(void **state)
{
    unsigned char bytes[4096];
    char path[] = "/tmp/ffcl-old-XXXXXX";
    FILE *from = fopen("tests/data/old_torch.pt", "rb");
    int fd = mkstemp(path);
    (void)state;
    assert_non_null(from);
    assert_true(fd >= 0);
    const size_t n = fread(bytes, 1, sizeof bytes, from);
    fclose(from);
    for (size_t i = 0; i < 2 * n; i++) {
        ffcl_tensor_file *file = NULL;
        ffcl_error err = {0};
        const size_t length = i < n ? i : n;
        const unsigned char kept = bytes[i % n];
        if (i >= n)
            bytes[i % n] ^= 0x55;
        assert_int_equal(ftruncate(fd, 0), 0);
        assert_int_equal(pwrite(fd, bytes, length, 0), (long)length);
        bytes[i % n] = kept;
        int rc = ffcl_tensor_file_open(&file, path, &err);
        assert_true(rc == 0 || err.text[0]);
        if (i < n)
            assert_true(rc != 0);
        ffcl_tensor_file_close(&file);
    }
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_torch),
        cmocka_unit_test(test_old_torch_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
