/* SPDX-License-Identifier: MIT
 * Any table of tensors as a checkpoint and as a VAE: the models that follow from it. */
#include <stdio.h>

#include "config.h"
#include "fuzz.h"
#include "model/family.h"
#include "model/sit.h"
#include "model/vae.h"

static int open_config(ffcl_config **cfg, const char *path)
{
    ffcl_error err = {0};
    char line[400];
    int rc = ffcl_config_open(cfg, NULL, &err);
    snprintf(line, sizeof line, "model.checkpoint=%s", path);
    if (!rc)
        rc = ffcl_config_set(*cfg, line, &err);
    if (!rc)
        rc = ffcl_config_set(*cfg, "model.latent_size=8", &err);
    /* Whatever the tensors are, they are read as a model. */
    if (!rc)
        rc = ffcl_config_set(*cfg, "model.preset=freeflow", &err);
    if (!rc)
        rc = ffcl_config_set(*cfg, "model.preset_check=no", &err);
    return rc ? rc : ffcl_config_set(*cfg, "model.heads=2", &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = ffcl_fuzz_file("weights.safetensors", data, size);
    ffcl_config *cfg = NULL;
    ffcl_sit *sit = NULL;
    ffcl_vae *vae = NULL;
    ffcl_error err = {0};
    const ffcl_sit_hints none = {0};
    if (open_config(&cfg, path) == 0 && ffcl_family_resolve(cfg, 1, &err) == 0 &&
        ffcl_sit_open(&sit, cfg, &none, &err) == 0)
        ffcl_sit_close(&sit);
    if (ffcl_vae_open(&vae, path, &(ffcl_vae_options){.wrapper = "auto"}, &err) == 0)
        ffcl_vae_close(&vae);
    ffcl_config_close(&cfg);
    return 0;
}
