/* SPDX-License-Identifier: MIT
 * A file of class labels. */
#include <stdio.h>

#include "config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_config *cfg = NULL;
    ffcl_error err = {0};
    char line[400];
    snprintf(line, sizeof line, "sampler.classes=file:%s", ffcl_fuzz_file("labels", data, size));
    if (ffcl_config_open(&cfg, NULL, &err) == 0)
        (void)ffcl_config_set(cfg, line, &err);
    ffcl_config_close(&cfg);
    return 0;
}
