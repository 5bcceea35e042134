/* SPDX-License-Identifier: MIT */
#include "image.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "../util.h"

/* The Python scripts round after every operation; clang may fuse 127.5 x + 128 where it can. */
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

enum { PADDING = 2 };           /* make_grid's default */

uint8_t ffcl_to_byte(float x, ffcl_byte_rule rule)
{
    float scaled = rule == FFCL_BYTES_SIT ? 127.5f * x + 128.0f : 255.0f * ((x + 1.0f) / 2.0f);
    if (!(scaled > 0.0f))       /* also NaN, whose conversion C leaves undefined */
        return 0;
    if (scaled >= 255.0f)
        return 255;
    return (uint8_t)(rule == FFCL_BYTES_ROUND ? rintf(scaled) : scaled);
}

void ffcl_grid_size(size_t n, size_t columns, size_t height, size_t width, size_t *grid_height,
                    size_t *grid_width)
{
    assert(n > 0 && columns > 0);
    if (n == 1) {
        *grid_height = height;
        *grid_width = width;
        return;
    }
    size_t across = ffcl_min(columns, n);
    *grid_height = ffcl_div_up(n, across) * (height + PADDING) + PADDING;
    *grid_width = across * (width + PADDING) + PADDING;
}

void ffcl_grid_place(uint8_t *grid, size_t n, size_t columns, size_t height, size_t width,
                     size_t i, const uint8_t *rgb)
{
    assert(i < n);
    size_t grid_height, grid_width;
    ffcl_grid_size(n, columns, height, width, &grid_height, &grid_width);
    size_t top = 0, left = 0;
    if (n > 1) {
        size_t across = ffcl_min(columns, n);
        top = PADDING + i / across * (height + PADDING);
        left = PADDING + i % across * (width + PADDING);
    }
    for (size_t y = 0; y < height; y++)
        memcpy(grid + ((top + y) * grid_width + left) * 3, rgb + y * width * 3, width * 3);
}
