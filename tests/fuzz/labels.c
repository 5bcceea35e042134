/* SPDX-License-Identifier: MIT
 * A file of class labels, and one of the names of classes. */
#include <stdio.h>
#include <string.h>

#include "class_names.h"
#include "config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ffcl_config *cfg = NULL;
    ffcl_class_names *names = NULL;
    ffcl_error err = {0};
    char line[400], list[200];
    const char *path = ffcl_fuzz_file("labels", data, size);
    snprintf(line, sizeof line, "sampler.classes=file:%s", path);
    if (ffcl_config_open(&cfg, NULL, &err) == 0)
        (void)ffcl_config_set(cfg, line, &err);
    ffcl_config_close(&cfg);
    if (ffcl_class_names_open(&names, path, &err))
        return 0;
    for (size_t i = 0; i < ffcl_class_names_count(names); i++) {
        ffcl_class_names_first(names, i, list, sizeof list);
        (void)ffcl_class_names_match(names, i, "*n?", 3);
    }
    const char *last = ffcl_class_names_get(names, ffcl_class_names_count(names) - 1);
    ffcl_class_names_suggest(names, last, strlen(last), list, sizeof list);
    ffcl_class_names_close(&names);
    return 0;
}
