/* SPDX-License-Identifier: MIT
 *
 * Features of batches under way at once, on the device that is there. */
#include "sample/extractor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "open_config.h"

enum { SIDE = 32, ROUNDS = 4, VALUES = FFCL_INCEPTION_ALL };

static uint8_t rgb[SIDE * SIDE * 3];

static void check(int rc, const ffcl_error *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static void submit(ffcl_extractor *x, int seed)
{
    ffcl_error err = {0};
    for (size_t i = 0; i < sizeof rgb; i++)
        rgb[i] = (uint8_t)((size_t)(seed + 1) * i * 7 % 251);
    check(ffcl_extractor_submit(x, rgb, 1, &err), &err);
}

static void copy(float *to, const ffcl_features *f)
{
    assert_int_equal(f->n, 1);
    memcpy(to, f->pool, FFCL_INCEPTION_POOL * sizeof *to);
    memcpy(to + FFCL_INCEPTION_POOL, f->spatial, FFCL_INCEPTION_SPATIAL * sizeof *to);
    memcpy(to + FFCL_INCEPTION_POOL + FFCL_INCEPTION_SPATIAL, f->logits,
           FFCL_INCEPTION_CLASSES * sizeof *to);
}

/* As an evaluation has them: while the features of one batch are added up, the next but one is
 * submitted, and may be done before they are. */
static void test_features_stay(void **state)
{
    static float before[VALUES], after[VALUES];
    char path[] = "/tmp/ffcl-extractor-XXXXXX";
    ffcl_extractor *x = NULL;
    ffcl_features f, next;
    ffcl_error err = {0};
    const int file = mkstemp(path);
    ffcl_config *cfg = open_config();
    (void)state;
    assert_true(file >= 0);
    close(file);
    check(ffcl_inception_generate(path, 1, &err), &err);
    const int rc = ffcl_extractor_open(&x, &(ffcl_extractor_options){
        .cfg = cfg, .weights = path, .height = SIDE, .width = SIDE, .batch = 1, .count = ROUNDS},
        NULL, &err);
    unlink(path);
    if (rc == FFCL_EDEVICE) {
        ffcl_config_close(&cfg);
        skip();
    }
    check(rc, &err);
    submit(x, 0);
    submit(x, 1);
    check(ffcl_extractor_wait(x, &f, &err), &err);
    for (int k = 2; k < ROUNDS; k++) {
        copy(before, &f);
        submit(x, k);
        check(ffcl_extractor_wait(x, &next, &err), &err);
        /* Another wait, for the batch that has just been submitted, without another submit. */
        if (k == ROUNDS - 1)
            check(ffcl_extractor_wait(x, &(ffcl_features){0}, &err), &err);
        copy(after, &f);
        assert_memory_equal(before, after, sizeof before);
        f = next;
        copy(after, &f);
        assert_memory_not_equal(before, after, sizeof before);
    }
    ffcl_extractor_close(&x);
    ffcl_config_close(&cfg);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_features_stay)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
