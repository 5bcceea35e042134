/* SPDX-License-Identifier: MIT
 * An .npz that ffcl eval reads: its arrays as they are, as doubles, as images, as statistics. */
#include "files/arrays.h"

#include <stdlib.h>

#include "eval/images.h"
#include "eval/statistics.h"
#include "fuzz.h"
#include "util.h"

enum { MOST = 4096 };

static void read_images(ffcl_arrays *file)
{
    static uint8_t rgb[MOST];
    ffcl_images_in *images = NULL;
    ffcl_error err = {0};
    size_t height, width, bytes;
    if (ffcl_images_of(&images, file, &err))
        return;
    ffcl_images_size(images, &height, &width);
    if (ffcl_mul(&bytes, height, width) == 0 && bytes <= MOST / 3) {
        (void)ffcl_images_next(images, rgb, 1, &err);
        (void)ffcl_images_get(images, ffcl_min(ffcl_images_count(images), MOST) - 1, rgb, &err);
    }
    ffcl_images_close(&images);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_arrays *file = NULL;
    ffcl_statistics statistics;
    ffcl_error err = {0};
    uint64_t piece[MOST / 8];
    const ffcl_array *a;
    if (ffcl_arrays_open(&file, ffcl_fuzz_file("a.npz", data, size), &err))
        return 0;
    for (size_t i = 0; (a = ffcl_arrays_at(file, i)); i++) {
        double *doubles = NULL;
        if (ffcl_arrays_rewind(file, a, &err) == 0)
            (void)ffcl_arrays_read(file, piece, ffcl_min(a->count, sizeof piece / a->item), &err);
        if (ffcl_arrays_doubles(file, a, &doubles, &err) == 0)
            free(doubles);
    }
    read_images(file);
    if (ffcl_statistics_load(&statistics, file, &err) == 0)
        ffcl_statistics_close(&statistics);
    ffcl_arrays_close(&file);
    return 0;
}
