/* SPDX-License-Identifier: MIT
 * Where the config.json of a VAE's weights lies. */
#include <stdlib.h>
#include <string.h>

#include "files/input.h"
#include "model/vae.h"
#include "util.h"

int ffcl_vae_find_config(const char *path, char **config, char **text, ffcl_error *err)
{
    enum { MOST = 1 << 20 };
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    size_t stem = dot && (!slash || dot > slash) ? (size_t)(dot - path) : strlen(path), n = 0;
    *text = NULL;
    *config = ffcl_format("%.*s.config.json", (int)stem, path);
    if (*config && ffcl_input_is_absent(*config)) {
        char *dir = ffcl_path_dir(path);
        free(*config);
        *config = dir ? ffcl_path_join(dir, "config.json") : NULL;
        free(dir);
    }
    if (!*config)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the VAE");
    return ffcl_input_is_absent(*config) ? 0 : ffcl_input_read(text, &n, *config, MOST, err);
}
