/* SPDX-License-Identifier: MIT
 * Parameters of CLBlast, as a file and as a line. */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"
#include "tuning.h"
#include "util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_tuning tuning;
    ffcl_tuning_home home;
    ffcl_error err = {0};
    char line[1000];
    if (ffcl_tuning_read(&tuning, &home, ffcl_fuzz_file("tuned.txt", data, size), &err) == 0)
        free(ffcl_tuning_line(&tuning));
    snprintf(line, sizeof line, "%.*s", (int)ffcl_min(size, sizeof line - 1), (const char *)data);
    (void)ffcl_tuning_scan(&tuning, line, &err);
    return 0;
}
