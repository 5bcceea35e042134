/* SPDX-License-Identifier: MIT
 * Where finished images go, by index: the grid, a folder of PNGs, an npz. */
#ifndef FFCL_RUN_OUTPUTS_H
#define FFCL_RUN_OUTPUTS_H

#include "config.h"
#include "run/metadata.h"

typedef struct ffcl_outputs ffcl_outputs;

/* Which outputs of cfg are wanted. */
enum { FFCL_OUT_FOLDER = 1, FFCL_OUT_NPZ = 2, FFCL_OUT_GRID = 4 };

typedef struct ffcl_outputs_spec {
    const ffcl_config *cfg;     /* borrowed */
    int which;                  /* of cfg's outputs */
    size_t count, height, width;
    const int64_t *labels;      /* (count) for the npz, or NULL */
    int resume;                 /* what an earlier run left is kept; else begun anew */
    size_t older;               /* images of that run, where they were others; else 0 */
    const ffcl_metadata *metadata;      /* NULL: none */
    int is_client;              /* of another process's run, which has opened them already */
} ffcl_outputs_spec;

/* An image where cfg's grid is to be that ffcl did not make is replaced only where cfg has
 * `overwrite`.  With `metadata = none` grids do not say who made them: there any PNG may be one.
 * FFCL_ESETTINGS. */
int ffcl_outputs_check_own(const ffcl_config *cfg, ffcl_error *err);

/* Can there be a grid of cfg's images, if it asks for one?  side: pixels of an image.
 * FFCL_ECONFIG. */
int ffcl_outputs_check_grid(const ffcl_config *cfg, size_t side, ffcl_error *err);

/* Opens the outputs.  FFCL_EOUTPUT, FFCL_EBUSY, FFCL_ESETTINGS, FFCL_ENOMEM. */
int ffcl_outputs_open(ffcl_outputs **out, const ffcl_outputs_spec *spec, ffcl_error *err);

/* Image index, rgb (height, width, 3), from any thread. */
int ffcl_outputs_put(ffcl_outputs *outputs, size_t index, const uint8_t *rgb, ffcl_error *err);

/* The same in two parts, for processes that do not share a disk with each other's npz and grid. */
int ffcl_outputs_put_file(ffcl_outputs *outputs, size_t index, const uint8_t *rgb,
                          ffcl_error *err);
int ffcl_outputs_put_whole(ffcl_outputs *outputs, size_t index, const uint8_t *rgb,
                           ffcl_error *err);

/* Image index is bad and left out: no file, black elsewhere. */
int ffcl_outputs_skip(ffcl_outputs *outputs, size_t index, ffcl_error *err);

/* Is image index there from an earlier run?  It is read and checked; what is in the folder and
 * not in npz or grid is put there.  1 kept, 0 to be generated, or an error: FFCL_ESETTINGS where
 * it is sound and not the one that ffcl wrote, unless it may be overwritten.  rgb: room for one. */
int ffcl_outputs_keep(ffcl_outputs *outputs, size_t index, uint8_t *rgb, ffcl_error *err);

/* How many images of the folder have been kept without a checksum of their own. */
size_t ffcl_outputs_adopted(const ffcl_outputs *outputs);

/* Is the file of image index there, whatever is in it?  FFCL_ENOMEM. */
int ffcl_outputs_has_file(const ffcl_outputs *outputs, size_t index, ffcl_error *err);

/* Writes what needs all images, and returns when it is on disk. */
int ffcl_outputs_commit(ffcl_outputs *outputs, ffcl_error *err);

/* keep: what is finished of an npz stays for the next run. */
void ffcl_outputs_close(ffcl_outputs **outputs, int keep);

#endif
