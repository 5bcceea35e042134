/* SPDX-License-Identifier: MIT
 * The manifest of a sample set: read, compared, written again. */
#include <stdio.h>

#include "fuzz.h"
#include "run/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ffcl_manifest_run run = {.end = "complete"};
    const char *path = ffcl_fuzz_file("manifest.json", data, size);
    ffcl_manifest *m = NULL;
    ffcl_config *cfg = NULL;
    ffcl_error err = {0};
    char text[300];
    int rc = ffcl_config_open(&cfg, NULL, &err);
    if (!rc)
        rc = ffcl_config_set(cfg, "sampler.world=3", &err);
    if (!rc)
        rc = ffcl_config_set(cfg, "sampler.rank=1", &err);
    if (!rc)
        rc = ffcl_manifest_open(&m, path, 1, &err);
    if (!rc)
        rc = ffcl_manifest_set_config(m, cfg, &err);
    if (!rc) {
        const ffcl_manifest_member x = {.name = "X", .products = "clblast", .unit = "mma"};
        ffcl_manifest_kind kind;
        (void)ffcl_manifest_set_kernels(m, &x, &err);
        (void)ffcl_manifest_check(m, &err);
        (void)ffcl_manifest_assumes(m, text, sizeof text);
        (void)ffcl_manifest_kind_of(m, &x);
        (void)ffcl_manifest_join(m, &x, &kind, &err);
        (void)ffcl_manifest_write(m, &run, &err);
    }
    ffcl_manifest_close(&m);
    ffcl_config_close(&cfg);
    return 0;
}
