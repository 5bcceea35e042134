/* SPDX-License-Identifier: MIT */
#include "sample/outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/atomic.h"
#include "files/npz.h"
#include "files/png.h"
#include "util.h"

struct ffcl_outputs {
    const ffcl_config *cfg;     /* borrowed */
    size_t count, height, width;
    uint8_t *grid;              /* (grid_height, grid_width, 3) or NULL */
    size_t grid_height, grid_width;
    ffcl_npz *npz;
};

/* Can a file be written at path?  Tried with a temporary one. */
static int probe(const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    int rc = ffcl_atomic_open(&file, path, err);
    ffcl_atomic_discard(&file);
    return rc;
}

static int open_grid(ffcl_outputs *o, ffcl_error *err)
{
    size_t bytes;
    ffcl_grid_size(o->count, o->cfg->output.columns, o->height, o->width, &o->grid_height,
                   &o->grid_width);
    if (ffcl_mul(&bytes, o->grid_height, o->grid_width) || ffcl_mul(&bytes, bytes, 3) ||
        o->grid_height > 65500 || o->grid_width > 65500)
        return ffcl_fail(err, FFCL_ECONFIG,
                         "a grid of %zu pictures would be %zu x %zu pixels: set [output] grid = "
                         "(empty) and use folder or npz", o->count, o->grid_width, o->grid_height);
    o->grid = calloc(1, bytes);
    if (!o->grid)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a grid of %zu x %zu pixels",
                         o->grid_width, o->grid_height);
    return 0;
}

static int probe_folder(const char *folder, ffcl_error *err)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return ffcl_fail(err, FFCL_EOUTPUT, "cannot make the folder %s: %s", folder,
                         strerror(errno));
    char *path = ffcl_path_join(folder, "000000.png");
    int rc = path ? probe(path, err) : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    free(path);
    return rc;
}

int ffcl_config_check_outputs(const ffcl_config *cfg, ffcl_error *err)
{
    int rc = 0;
    if (!cfg->output.grid && !cfg->output.folder && !cfg->output.npz)
        rc = ffcl_fail(err, FFCL_ECONFIG,
                       "[output] names neither grid nor folder nor npz, so nothing would be kept");
    if (rc == 0 && cfg->output.grid)
        rc = probe(cfg->output.grid, err);
    if (rc == 0 && cfg->output.npz)
        rc = probe(cfg->output.npz, err);
    if (rc == 0 && cfg->output.folder)
        rc = probe_folder(cfg->output.folder, err);
    return rc;
}

int ffcl_outputs_open(ffcl_outputs **out, const ffcl_config *cfg, size_t count, size_t height,
                      size_t width, ffcl_error *err)
{
    *out = NULL;
    ffcl_outputs *o = calloc(1, sizeof *o);
    if (!o)
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for the outputs");
    *o = (ffcl_outputs){.cfg = cfg, .count = count, .height = height, .width = width};
    int rc = ffcl_config_check_outputs(cfg, err);
    if (rc == 0 && cfg->output.grid)
        rc = open_grid(o, err);
    if (rc == 0 && cfg->output.npz)
        rc = ffcl_npz_open(&o->npz, cfg->output.npz, count, height, width, err);
    if (rc)
        ffcl_outputs_close(&o);
    *out = o;
    return rc;
}

static int put_file(const ffcl_outputs *o, size_t index, const uint8_t *rgb, ffcl_error *err)
{
    char *path = ffcl_format("%s/%06zu.png", o->cfg->output.folder, index);
    int rc = path ? ffcl_png_write(path, rgb, o->height, o->width, err)
                  : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    free(path);
    return rc;
}

int ffcl_outputs_put(ffcl_outputs *o, size_t first, size_t n, const uint8_t *rgb, ffcl_error *err)
{
    const size_t picture = o->height * o->width * 3;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const uint8_t *one = rgb + i * picture;
        if (o->grid)
            ffcl_grid_place(o->grid, o->count, o->cfg->output.columns, o->height, o->width,
                            first + i, one);
        if (o->cfg->output.folder)
            rc = put_file(o, first + i, one, err);
        if (rc == 0 && o->npz)
            rc = ffcl_npz_append(o->npz, one, picture, err);
    }
    return rc;
}

int ffcl_outputs_commit(ffcl_outputs *o, ffcl_error *err)
{
    int rc = 0;
    if (o->grid)
        rc = ffcl_png_write(o->cfg->output.grid, o->grid, o->grid_height, o->grid_width, err);
    if (rc == 0 && o->npz)
        rc = ffcl_npz_commit(o->npz, err);
    return rc;
}

void ffcl_outputs_close(ffcl_outputs **outputs)
{
    if (!*outputs)
        return;
    ffcl_npz_close(&(*outputs)->npz);
    free((*outputs)->grid);
    free(*outputs);
    *outputs = NULL;
}
