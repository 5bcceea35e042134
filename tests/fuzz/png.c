/* SPDX-License-Identifier: MIT
 * An image of a folder, of the size that is wanted and of any. */
#include <stdlib.h>

#include "files/png.h"
#include "fuzz.h"

enum { SIDE = 16, LARGE = 1 << 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t rgb[SIDE * SIDE * 3];
    uint8_t *any = NULL;
    size_t height = 0, width = 0;
    ffcl_error err = {0};
    const char *path = ffcl_fuzz_file("a.png", data, size);
    (void)ffcl_png_read_as(path, rgb, SIDE, SIDE, &err);
    /* Of any size it takes what its header says, as its caller asked for. */
    const int is_large =
        size >= 24 && (data[16] || data[17] || data[18] >= LARGE >> 8 || data[20] || data[21] ||
                       data[22] >= LARGE >> 8);
    if (!is_large && ffcl_png_read(path, &any, &height, &width, &err) == 0)
        free(any);
    return 0;
}
