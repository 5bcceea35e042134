/* SPDX-License-Identifier: MIT
 * Decoder output to bytes, and the grid of torchvision.utils.make_grid / save_image. */
#ifndef FFCL_SAMPLE_IMAGE_H
#define FFCL_SAMPLE_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "config_choices.h"

/* Float x (nominally -1..1) to byte, in float32, truncating:
 * SIT:  clamp(127.5 x + 128, 0, 255)      (SiT and DiT sample_ddp.py)
 * REPA: clamp(255 (x + 1) / 2, 0, 255)    (REPA generate.py)
 * ROUND: as REPA, but rounded, half to even (iMF, pMF, diffusers) */
uint8_t ffcl_to_byte(float x, ffcl_byte_rule rule);

/* The size of the grid of n images, columns in a row, 2 pixels of padding around each.
 * One image alone has no padding. */
void ffcl_grid_size(size_t n, size_t columns, size_t height, size_t width, size_t *grid_height,
                    size_t *grid_width);

/* Copies image i of n, rgb (height, width, 3), into its cell of grid.  The grid must have been
 * zeroed: padding and empty cells are black. */
void ffcl_grid_place(uint8_t *grid, size_t n, size_t columns, size_t height, size_t width,
                     size_t i, const uint8_t *rgb);

#endif
