/* SPDX-License-Identifier: MIT
 * An old result that ffcl bench compares with. */
#include <cjson/cJSON.h>

#include "../../bench/bench.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *old = NULL;
    ffcl_error err = {0};
    if (ffcl_bench_read_json(&old, "ffcl-bench", ffcl_fuzz_file("old.json", data, size), &err) == 0)
        cJSON_Delete(old);
    return 0;
}
