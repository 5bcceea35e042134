/* SPDX-License-Identifier: MIT */
#include "eval/sheet.h"

#include <stdlib.h>
#include <string.h>

#include "files/png.h"
#include "sample/image.h"
#include "util.h"

/* Columns; rows are nearest, their neighbours, farthest, their neighbours. */
enum { COLUMNS = 8, ROWS = 4 };

/* A cell of the sheet: which image goes there. */
typedef struct cell {
    size_t index, at;
    int is_reference;
} cell;

typedef struct ranked {
    float distance;
    size_t index;
} ranked;

static int by_distance(const void *a, const void *b)
{
    const ranked *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static int by_index(const void *a, const void *b)
{
    const cell *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* The pixels of an image that is rgb (height, width, 3), as one of side x side: the nearest. */
static void scale(uint8_t *to, size_t side_y, size_t side_x, const uint8_t *rgb, size_t height,
                  size_t width)
{
    for (size_t y = 0; y < side_y; y++)
        for (size_t x = 0; x < side_x; x++)
            memcpy(to + (y * side_x + x) * 3,
                   rgb + (y * height / side_y * width + x * width / side_x) * 3, 3);
}

/* Reads the cells of one subject in the order of its images, as an .npz is read from front to
 * back. */
static int place(uint8_t *grid, cell *cells, size_t n, const ffcl_subject *from, int is_reference,
                 size_t height, size_t width, ffcl_error *err)
{
    size_t h, w;
    ffcl_images_size(from->images, &h, &w);
    uint8_t *rgb = malloc(h * w * 3), *scaled = malloc(height * width * 3);
    int rc = rgb && scaled ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sheet");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (cells[i].is_reference != is_reference)
            continue;
        rc = ffcl_images_get(from->images, cells[i].index, rgb, err);
        if (rc)
            break;
        scale(scaled, height, width, rgb, h, w);
        ffcl_grid_place(grid, COLUMNS * ROWS, COLUMNS, height, width, cells[i].at, scaled);
    }
    free(rgb);
    free(scaled);
    return rc;
}

int ffcl_sheet_write(const char *path, const ffcl_subject *samples, const ffcl_subject *reference,
                     const ffcl_neighbours *neighbours, ffcl_error *err)
{
    cell cells[COLUMNS * ROWS];
    size_t n = 0, height, width, grid_height, grid_width;
    if (!neighbours->distance)
        return ffcl_fail(err, FFCL_EUSAGE, "a sheet of the nearest and farthest samples needs the "
                         "images of samples and reference, at least four of each");
    const size_t count = ffcl_images_count(samples->images);
    ffcl_images_size(samples->images, &height, &width);
    ranked *order = malloc(count * sizeof *order);
    ffcl_grid_size(COLUMNS * ROWS, COLUMNS, height, width, &grid_height, &grid_width);
    uint8_t *grid = calloc(grid_height * grid_width, 3);
    int rc = order && grid ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sheet");
    for (size_t i = 0; rc == 0 && i < count; i++)
        order[i] = (ranked){neighbours->distance[i], i};
    if (rc == 0)
        qsort(order, count, sizeof *order, by_distance);
    for (size_t k = 0; rc == 0 && k < 2 * COLUMNS; k++) {
        const int is_far = k >= COLUMNS;
        const size_t column = k % COLUMNS, row = is_far ? 2 : 0;
        if (column >= count)
            continue;
        const size_t index = order[is_far ? count - 1 - column : column].index;
        cells[n++] = (cell){index, row * COLUMNS + column, 0};
        cells[n++] = (cell){(size_t)neighbours->nearest[index], (row + 1) * COLUMNS + column, 1};
    }
    if (rc == 0) {
        qsort(cells, n, sizeof *cells, by_index);
        rc = place(grid, cells, n, samples, 0, height, width, err);
    }
    if (rc == 0)
        rc = place(grid, cells, n, reference, 1, height, width, err);
    if (rc == 0)
        rc = ffcl_png_write(path, grid, grid_height, grid_width, err);
    free(order);
    free(grid);
    return rc;
}
