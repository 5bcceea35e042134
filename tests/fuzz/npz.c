/* SPDX-License-Identifier: MIT
 * What an earlier run left of an npz: the part and its checksums, or the whole. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files/npz.h"
#include "fuzz.h"

enum { COUNT = 3, SIDE = 4, BYTES = SIDE * SIDE * 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_npz *npz = NULL;
    ffcl_error err = {0};
    uint8_t rgb[BYTES] = {1};
    char path[300];
    const size_t cut = size > 1 ? data[0] * size / 256 : 0;
    if (size && data[0] == 255) {
        ffcl_fuzz_file("a.npz", data + 1, size - 1);
    } else if (size) {
        ffcl_fuzz_file(".a.npz.part", data + 1, cut ? cut - 1 : 0);
        ffcl_fuzz_file(".a.npz.crc", data + cut, size - cut);
    }
    snprintf(path, sizeof path, "%s/a.npz", ffcl_fuzz_folder());
    if (ffcl_npz_open(&npz, path, COUNT, SIDE, SIDE, NULL, 1, &err) == 0) {
        for (size_t i = 0; i < COUNT; i++)
            if (!ffcl_npz_get(npz, i, rgb))
                (void)ffcl_npz_put(npz, i, rgb, &err);
        (void)ffcl_npz_commit(npz, &err);
    }
    ffcl_npz_close(&npz, 0);
    unlink(path);
    return 0;
}
