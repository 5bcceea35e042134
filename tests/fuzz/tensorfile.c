/* SPDX-License-Identifier: MIT
 * Weight files of either form: opened, described, read and mapped. */
#include "files/tensorfile.h"

#include "fuzz.h"
#include "util.h"

enum { MOST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_tensor_file *file = NULL;
    ffcl_error err = {0};
    float f32[MOST];
    int64_t i64[MOST];
    const float *mapped = NULL;
    if (ffcl_tensor_file_open(&file, ffcl_fuzz_file("weights", data, size), &err))
        return 0;
    for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
        const ffcl_tensor_info *info = ffcl_tensor_file_at(file, i);
        const size_t n = ffcl_min(info->count, MOST);
        (void)ffcl_tensor_file_read_f32(file, info, info->count - n, n, f32, &err);
        (void)ffcl_tensor_file_read_i64(file, info, 0, n, i64, &err);
        if (ffcl_tensor_file_map(&mapped, file, info, &err) == 0 && mapped && n) {
            f32[0] = mapped[0];
            f32[1] = mapped[info->count - 1];
        }
    }
    ffcl_tensor_file_close(&file);
    return 0;
}
