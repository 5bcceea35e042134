/* SPDX-License-Identifier: MIT
 * TensorFlow's graphs: their constants, and the Inception network that they may be. */
#include "files/tensorfile.h"
#include "fuzz.h"
#include "model/inception.h"
#include "util.h"

enum { MOST = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = ffcl_fuzz_file("graph.pb", data, size);
    ffcl_tensor_file *file = NULL;
    ffcl_inception *inception = NULL;
    ffcl_error err = {0};
    float f32[MOST];
    if (ffcl_tensor_file_open(&file, path, &err) == 0) {
        for (size_t i = 0; i < ffcl_tensor_file_count(file); i++) {
            const ffcl_tensor_info *info = ffcl_tensor_file_at(file, i);
            const size_t n = ffcl_min(info->count, MOST);
            (void)ffcl_tensor_file_read_f32(file, info, info->count - n, n, f32, &err);
        }
        (void)ffcl_tensor_file_metadata(file, FFCL_GRAPH_EPSILON);
        ffcl_tensor_file_close(&file);
    }
    if (ffcl_inception_open(&inception, path, &err) == 0)
        ffcl_inception_close(&inception);
    return 0;
}
