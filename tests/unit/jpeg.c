/* SPDX-License-Identifier: MIT
 *
 * JPEG files become the pixels that Pillow 13.0.0 makes of them, which torch-fidelity and
 * pytorch-fid read with: whatever the subsampling and the order of coefficients, and without
 * turning them by their EXIF.  The files are the fuzzers' (tests/fuzz/corpus/jpeg). */
#include "eval/jpeg.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#ifdef FFCL_JPEG
#include <jpeglib.h>
#endif

#define FOLDER "tests/fuzz/corpus/jpeg/"

enum { MOST = 24 };

static void expect_pixels(const char *path, size_t want_height, size_t want_width,
                          unsigned long want)
{
    uint8_t rgb[MOST * MOST * 3];
    size_t height = 0, width = 0;
    ffcl_error err = {0};
    if (ffcl_jpeg_size(path, &height, &width, &err))
        fail_msg("%s", err.text);
    if (height != want_height || width != want_width)
        fail_msg("%s: %zu x %zu", path, width, height);
    if (ffcl_jpeg_read_as(path, rgb, height, width, &err))
        fail_msg("%s", err.text);
    const unsigned long got = crc32_z(0, rgb, height * width * 3);
    if (got != want)
        fail_msg("%s: pixels of CRC %08lx, Pillow's have %08lx", path, got, want);
}

static void test_pixels(void **state)
{
    (void)state;
#ifndef LIBJPEG_TURBO_VERSION
    skip();         /* another library may round in another way, as may a Pillow with it */
#endif
    expect_pixels(FOLDER "odd_420", 17, 19, 0xbdde2469);
    expect_pixels(FOLDER "odd_progressive", 17, 19, 0xbdde2469);
    expect_pixels(FOLDER "turned", 17, 19, 0xbdde2469);     /* EXIF says: turn it by 90 degrees */
    expect_pixels(FOLDER "odd_422", 17, 19, 0x12cc4a95);
    expect_pixels(FOLDER "odd_444", 17, 19, 0xf2582cb0);
    expect_pixels(FOLDER "without_ycc", 17, 19, 0xf76e7d3d);
    expect_pixels(FOLDER "rgb", 16, 16, 0xea9c85b8);
    expect_pixels(FOLDER "arithmetic", 16, 16, 0xea9c85b8);
    expect_pixels(FOLDER "restart", 8, 24, 0x007b81d8);
}

/* Reading ends with a sentence that has these words. */
static void expect_refused(const char *path, size_t height, size_t width, const char *words)
{
    uint8_t rgb[MOST * MOST * 3];
    ffcl_error err = {0};
    assert_int_equal(ffcl_jpeg_read_as(path, rgb, height, width, &err), FFCL_EFORMAT);
    if (!strstr(err.text, path) || !strstr(err.text, words))
        fail_msg("%s, without \"%s\"", err.text, words);
}

/* The first n bytes of a file, as FILE.cut. */
static void cut(char *to, size_t size, const char *folder, const char *from, size_t n)
{
    unsigned char bytes[1024];
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    assert_true(fread(bytes, 1, sizeof bytes, f) > n);
    fclose(f);
    snprintf(to, size, "%s/cut.jpg", folder);
    f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

/* The file with the size 65500 x 65500 in its SOF0 marker, as FILE.huge. */
static void enlarge(char *to, size_t size, const char *folder, const char *from)
{
    unsigned char bytes[1024];
    FILE *f = fopen(from, "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    size_t at = 0;
    while (at + 9 < n && (bytes[at] != 0xff || bytes[at + 1] != 0xc0))
        at++;
    assert_true(at + 9 < n);
    for (size_t i = 5; i < 9; i += 2) {
        bytes[at + i] = 65500 >> 8;
        bytes[at + i + 1] = 65500 & 255;
    }
    snprintf(to, size, "%s/huge.jpg", folder);
    f = fopen(to, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    fclose(f);
}

static void test_refused(void **state)
{
    (void)state;
    char path[64], folder[] = "/tmp/ffcl-jpeg-XXXXXX";
    if (!ffcl_jpeg_is_known())
        skip();
    expect_refused(FOLDER "grey", 16, 16, "is grey");
    expect_refused(FOLDER "cmyk", 8, 8, "of four inks (CMYK)");
    expect_refused(FOLDER "odd_420", 17, 18, "has 19 x 17 pixels, and the first image 18 x 17");
    assert_non_null(mkdtemp(folder));
    cut(path, sizeof path, folder, FOLDER "odd_420", 370);      /* within the pixels */
    expect_refused(path, 17, 19, "is not a readable JPEG");
    cut(path, sizeof path, folder, FOLDER "odd_420", 100);
    expect_refused(path, 17, 19, "is not a readable JPEG");
    remove(path);
    enlarge(path, sizeof path, folder, FOLDER "odd_420");
    expect_refused(path, 65500, 65500, "cannot hold the 65500 x 65500 pixels of its header");
    size_t height = 0, width = 0;
    ffcl_error err = {0};
    assert_int_equal(ffcl_jpeg_size(path, &height, &width, &err), FFCL_EFORMAT);
    remove(path);
    remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
