/* SPDX-License-Identifier: MIT
 * A JPEG of a folder that ffcl eval reads, of the first image's size or its own. */
#include "eval/jpeg.h"

#include "fuzz.h"

enum { SIDE = 16, MOST = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t rgb[MOST * MOST * 3];
    size_t height = 0, width = 0;
    ffcl_error err = {0};
    const char *path = ffcl_fuzz_file("a.jpg", data, size);
    (void)ffcl_jpeg_read_as(path, rgb, SIDE, SIDE, &err);
    if (ffcl_jpeg_size(path, &height, &width, &err) == 0 && height <= MOST && width <= MOST)
        (void)ffcl_jpeg_read_as(path, rgb, height, width, &err);
    return 0;
}
