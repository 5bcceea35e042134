/* SPDX-License-Identifier: MIT
 *
 * Bytes and grid against tests/data/images.safetensors: x (8, 3, 24, 24), grid_u8 from
 * torchvision's save_image(x, nrow=4, normalize=True, value_range=(-1, 1)), samples_u8 from the
 * formula of sample_ddp.py. */
#include "sample/image.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "files/tensorfile.h"

#define RECORDED "tests/data/images.safetensors"

enum { N = 8, SIDE = 24, COLUMNS = 4, PIXELS = SIDE * SIDE, IMAGE = 3 * PIXELS,
       GRID_HEIGHT = 54, GRID_WIDTH = 106, GRID = GRID_HEIGHT * GRID_WIDTH * 3 };

static const ffcl_tensor_info *find(ffcl_tensor_file *file, const char *name, size_t count)
{
    const ffcl_tensor_info *info = ffcl_tensor_file_find(file, name);
    if (!info || info->count != count)
        fail_msg("%s has no %s of %zu values", RECORDED, name, count);
    return info;
}

static void compare(ffcl_tensor_file *file, const char *name, const uint8_t *got, size_t n)
{
    ffcl_error err = { 0 };
    int64_t *want = malloc(n * sizeof *want);
    assert_non_null(want);
    if (ffcl_tensor_file_read_i64(file, find(file, name, n), 0, n, want, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < n; i++)
        if (got[i] != want[i])
            fail_msg("%s[%zu]: got %d, recorded %d", name, i, got[i], (int)want[i]);
    free(want);
}

static void test_recorded(void **state)
{
    (void)state;
    static float x[N * IMAGE];
    static uint8_t bytes[N * IMAGE], grid[GRID];
    ffcl_error err = { 0 };
    ffcl_tensor_file *file = NULL;
    if (ffcl_tensor_file_open(&file, RECORDED, &err)
        || ffcl_tensor_file_read_f32(file, find(file, "x", N * IMAGE), 0, N * IMAGE, x, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < N; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < PIXELS; p++)
                bytes[i * IMAGE + p * 3 + c] =
                    ffcl_to_byte(x[i * IMAGE + c * PIXELS + p], FFCL_BYTES_SIT);
    compare(file, "samples_u8", bytes, sizeof bytes);

    size_t height, width;
    ffcl_grid_size(N, COLUMNS, SIDE, SIDE, &height, &width);
    assert_int_equal(height, GRID_HEIGHT);
    assert_int_equal(width, GRID_WIDTH);
    for (size_t i = 0; i < N; i++)
        ffcl_grid_place(grid, N, COLUMNS, SIDE, SIDE, i, bytes + i * IMAGE);
    compare(file, "grid_u8", grid, sizeof grid);
    ffcl_tensor_file_close(&file);
}

static void test_byte_rules(void **state)
{
    (void)state;
    static const struct { float x; uint8_t sit, repa; } rows[] = {
        { -1.0f, 0, 0 },            /* 0.5 and 0 */
        { 1.0f, 255, 255 },         /* 255.5 and 255 */
        { 0.0f, 128, 127 },         /* 128 and 127.5: REPA's rule truncates, so is darker */
        { 0.25f, 159, 159 },        /* 159.875 and 159.375 */
        { -0.5f, 64, 63 },          /* 64.25 and 63.75 */
        { -3.0f, 0, 0 },            { 3.0f, 255, 255 },
        { -1e30f, 0, 0 },           { 1e30f, 255, 255 },
        { INFINITY, 255, 255 },     { -INFINITY, 0, 0 },
        { NAN, 0, 0 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ffcl_to_byte(rows[i].x, FFCL_BYTES_SIT), rows[i].sit);
        assert_int_equal(ffcl_to_byte(rows[i].x, FFCL_BYTES_REPA), rows[i].repa);
    }
}

static void test_grid_sizes(void **state)
{
    (void)state;
    static const struct { size_t n, columns, side, height, width; } rows[] = {
        { 8, 4, 256, 518, 1034 },
        { 1, 4, 256, 256, 256 },    /* one image has no frame */
        { 3, 8, 10, 14, 38 },       /* fewer images than columns */
        { 5, 2, 10, 38, 26 },       /* an empty cell */
        { 2, 1, 10, 26, 14 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t height, width;
        ffcl_grid_size(rows[i].n, rows[i].columns, rows[i].side, rows[i].side, &height, &width);
        assert_int_equal(height, rows[i].height);
        assert_int_equal(width, rows[i].width);
    }
}

/* Five white images of 3 x 2 pixels, two in a row: every grid byte is white or untouched. */
static void test_grid_cells(void **state)
{
    (void)state;
    enum { COUNT = 5, H = 3, W = 2, ROWS = 3 * (H + 2) + 2, COLS = 2 * (W + 2) + 2 };
    uint8_t image[H * W * 3], grid[ROWS * COLS * 3] = { 0 };
    memset(image, 255, sizeof image);
    for (size_t i = 0; i < COUNT; i++)
        ffcl_grid_place(grid, COUNT, 2, H, W, i, image);
    for (size_t y = 0; y < ROWS; y++)
        for (size_t x = 0; x < COLS * 3; x++) {
            size_t row = y / (H + 2), column = x / 3 / (W + 2);
            int inside = y % (H + 2) >= 2 && x / 3 % (W + 2) >= 2 && row * 2 + column < COUNT;
            assert_int_equal(grid[y * COLS * 3 + x], inside ? 255 : 0);
        }
    uint8_t single[H * W * 3] = { 0 };
    ffcl_grid_place(single, 1, 4, H, W, 0, image);
    assert_memory_equal(single, image, sizeof single);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded),
        cmocka_unit_test(test_byte_rules),
        cmocka_unit_test(test_grid_sizes),
        cmocka_unit_test(test_grid_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
