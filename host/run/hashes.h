/* SPDX-License-Identifier: MIT
 * CRCs of the weight files for the manifest, read in threads while the device opens. */
#ifndef FFCL_RUN_HASHES_H
#define FFCL_RUN_HASHES_H

#include "config.h"
#include "files/tensorfile.h"

typedef struct ffcl_hashes ffcl_hashes;

int ffcl_hashes_start(ffcl_hashes **out, const ffcl_config *cfg, ffcl_error *err);

/* Waits; "crc32 1234abcd, 567 bytes" of the checkpoint and of the VAE's weights.  FFCL_EFILE. */
int ffcl_hashes_get(ffcl_hashes *h, const char **checkpoint, const char **vae, ffcl_error *err);

/* Waits; have the checkpoint and the VAE's weights been the files that the models were opened from,
 * and nobody written into them?  FFCL_EFILE. */
int ffcl_hashes_check(ffcl_hashes *h, const ffcl_tensor_file *const files[2], ffcl_error *err);

void ffcl_hashes_close(ffcl_hashes **h);

#endif
