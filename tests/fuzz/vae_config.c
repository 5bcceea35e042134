/* SPDX-License-Identifier: MIT
 * The config.json of a VAE, beside sound weights. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/input.h"
#include "fuzz.h"
#include "model/vae.h"

/* The smallest VAE: no tensor is missing that config.json is compared with. */
static void put_weights(void)
{
    static const struct {
        const char *name, *shape;
        size_t floats;
    } rows[] = {
        {"decoder.conv_in.weight", "8,4,1,1", 32},
        {"decoder.conv_out.weight", "3,8,1,1", 24},
        {"decoder.up_blocks.0.resnets.0.conv1.weight", "8,8,1,1", 64},
    };
    char file[2000] = "";
    size_t used = 8, at = 0;
    for (size_t i = 0; i < 3; i++) {
        used += (size_t)snprintf(file + used, sizeof file - used,
                                 "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],"
                                 "\"data_offsets\":[%zu,%zu]}", i ? "," : "{", rows[i].name,
                                 rows[i].shape, at, at + 4 * rows[i].floats);
        at += 4 * rows[i].floats;
    }
    file[used++] = '}';
    const uint64_t header = used - 8;
    memcpy(file, &header, sizeof header);
    ffcl_fuzz_file("vae.safetensors", file, used + at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int is_put;
    ffcl_vae *vae = NULL;
    ffcl_error err = {0};
    char path[300];
    if (!is_put)
        put_weights();
    is_put = 1;
    ffcl_fuzz_file("vae.config.json", data, size);
    snprintf(path, sizeof path, "%s/vae.safetensors", ffcl_fuzz_folder());
    if (ffcl_vae_open(&vae, path, &(ffcl_vae_options){.wrapper = "auto"}, &err) == 0)
        ffcl_vae_close(&vae);
    return 0;
}
