/* SPDX-License-Identifier: MIT
 * What PNGs say of themselves in text chunks ([output] metadata): what they were made with, and an
 * INI file that makes them again.  The same for the same image, whoever makes it, and where. */
#ifndef FFCL_RUN_METADATA_H
#define FFCL_RUN_METADATA_H

#include "files/png.h"
#include "run/hashes.h"
#include "sample/engine.h"
#include "sample/noise.h"

/* The keys of the chunks. */
#define FFCL_METADATA_INI "ffcl.ini"
#define FFCL_METADATA_PREFIX "ffcl."

typedef struct ffcl_metadata ffcl_metadata;

/* Waits for the hashes.  All but err is borrowed.  *out is NULL where no PNG of cfg is to have
 * texts. */
int ffcl_metadata_open(ffcl_metadata **out, const ffcl_config *cfg, const ffcl_engine *engine,
                       const ffcl_noise_spec *noise, ffcl_hashes *hashes, ffcl_error *err);
void ffcl_metadata_close(ffcl_metadata **m);

/* The texts of an image by its index, or of the grid; from any thread. */
enum { FFCL_METADATA_TEXTS = 10 };
typedef struct ffcl_metadata_texts {
    ffcl_png_text list[FFCL_METADATA_TEXTS];
    char *owned[FFCL_METADATA_TEXTS];
} ffcl_metadata_texts;
#define FFCL_METADATA_GRID SIZE_MAX
int ffcl_metadata_get(const ffcl_metadata *m, size_t index, ffcl_metadata_texts *out,
                      ffcl_error *err);

/* What the texts of all images but their indices depend on, as a setting of a sample set: names of
 * weights and classes, keys that were given.  Of up to 80 bytes.  FFCL_ENOMEM. */
int ffcl_metadata_id(const ffcl_metadata *m, char *text, size_t size, ffcl_error *err);

void ffcl_metadata_free(ffcl_metadata_texts *texts);

#endif
