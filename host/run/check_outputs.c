/* SPDX-License-Identifier: MIT
 * Whether a run's outputs can be written, before anything is opened. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "class_names.h"
#include "files/atomic.h"
#include "files/lock.h"
#include "model/family.h"
#include "model/sit.h"
#include "model/vae.h"
#include "run/home.h"
#include "run/outputs.h"
#include "util.h"

/* A grid of so many images is never too large. */
enum { FEW = 15 };

/* Can a file be written at path?  Tried with a temporary one, unless nothing is to be written. */
static int probe(const ffcl_config *cfg, const char *path, ffcl_error *err)
{
    if (cfg->is_dry)
        return ffcl_atomic_look(path, err);
    ffcl_atomic_file file = {0};
    int rc = ffcl_atomic_open(&file, path, err);
    ffcl_atomic_discard(&file);
    return rc;
}

/* Tries whether the lock can be taken, and whether the manifest agrees with the settings that are
 * known from cfg. */
static int probe_home(const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_home h;
    int fd = -1, made = 0, rc = ffcl_home_open(&h, cfg, err);
    ffcl_manifest *m = NULL;
    ffcl_config *resolved = NULL;
    int is_there = 1;
    if (rc == 0 && cfg->output.folder)
        rc = cfg->is_dry ? ffcl_home_look_for_folder(cfg->output.folder, &is_there, err)
                         : ffcl_home_make_folder(cfg->output.folder, &made, err);
    if (rc == 0 && h.name)
        rc = cfg->is_dry ? ffcl_home_look(cfg, &h, err)
                         : ffcl_home_enter(cfg, &h, &made, &fd, err);
    if (rc == 0 && h.name && is_there)
        rc = probe(cfg, h.manifest, err);
    if (rc == 0 && h.name) {
        /* A checkpoint that cannot be read is reported when it is opened. */
        ffcl_error unread;
        rc = ffcl_config_copy(&resolved, cfg, err);
        const int is_known = rc == 0 && ffcl_family_resolve(resolved, 0, &unread) == 0;
        if (rc == 0)
            rc = ffcl_home_read_manifest(&m, &h, is_known ? resolved : cfg, err);
        if (rc == 0)
            ffcl_manifest_let_grow(m);      /* whether it may is known when the weights are open */
        if (rc == 0 && is_known && !cfg->output.overwrite)
            rc = ffcl_manifest_check(m, err);
        if (rc == 0)
            rc = ffcl_home_check_way(cfg, ffcl_manifest_is_old(m), err);
    }
    ffcl_config_close(&resolved);
    ffcl_manifest_close(&m);
    ffcl_lock_remove(&fd, h.lock);
    ffcl_home_close(&h);
    if (made)
        rmdir(cfg->output.folder);          /* it is made again when there is something for it */
    return rc;
}

/* The side of the images, by the shapes in the files of weights; 0 where they do not say, which is
 * reported when they are opened. */
static size_t find_side(const ffcl_config *cfg)
{
    const ffcl_sit_hints hints = {0};
    const ffcl_vae_options options = {.wrapper = cfg->vae.wrapper, .groups = cfg->vae.groups};
    ffcl_config *resolved = NULL;
    ffcl_sit *sit = NULL;
    ffcl_vae *vae = NULL;
    ffcl_error ignored;
    size_t side = 0;
    if (ffcl_config_copy(&resolved, cfg, &ignored) == 0 &&
        ffcl_family_resolve(resolved, 0, &ignored) == 0 &&
        ffcl_sit_open(&sit, resolved, &hints, &ignored) == 0)
        side = ffcl_sit_dims_of(sit)->R;
    if (side && strcmp(resolved->vae.weights, "none") != 0)
        side = ffcl_vae_open(&vae, resolved->vae.weights, &options, &ignored)
                   ? 0 : side * ffcl_vae_dims_of(vae)->upscale;
    ffcl_vae_close(&vae);
    ffcl_sit_close(&sit);
    ffcl_config_close(&resolved);
    return side;
}

/* Names that no label needs have not been read yet. */
static int check_names(const ffcl_config *cfg, ffcl_error *err)
{
    ffcl_class_names *names = NULL;
    int rc = strcmp(cfg->sampler.class_names, "imagenet")
                 ? ffcl_class_names_open(&names, cfg->sampler.class_names, err) : 0;
    ffcl_class_names_close(&names);
    return rc;
}

int ffcl_config_check_outputs(const ffcl_config *cfg, ffcl_error *err)
{
    int rc = ffcl_config_check(cfg, err);
    if (rc == 0)
        rc = check_names(cfg, err);
    if (rc == 0 && !cfg->output.grid && !cfg->output.folder && !cfg->output.npz &&
        !ffcl_config_evaluates(cfg))
        rc = ffcl_fail(err, FFCL_ECONFIG, "[output] names neither grid nor folder nor npz, and "
                       "nothing is evaluated ([eval] reference), so nothing would be left");
    if (rc == 0 && cfg->output.grid && ffcl_config_count(cfg) > FEW)
        rc = ffcl_outputs_check_grid(cfg, find_side(cfg), err);
    if (rc == 0)
        rc = ffcl_outputs_check_own(cfg, err);
    if (rc == 0 && cfg->output.grid)
        rc = probe(cfg, cfg->output.grid, err);
    if (rc == 0 && cfg->output.npz)
        rc = probe(cfg, cfg->output.npz, err);
    return rc ? rc : probe_home(cfg, err);
}

