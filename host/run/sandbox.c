/* SPDX-License-Identifier: MIT
 * Which files a command needs while it reads what may be hostile; os/confine.h holds it to
 * them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cl/binary_cache.h"
#include "config_table.h"
#include "files/atomic.h"
#include "os/confine.h"
#include "util.h"

/* What is read: a folder, or a file and its neighbours, such as a VAE's config.json. */
static void allow_input(ffcl_confine_rules *r, const char *path)
{
    struct stat st;
    if (path && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        ffcl_confine_allow(r, path, FFCL_CONFINE_RUNS);
    else
        ffcl_confine_allow_folder_of(r, path, FFCL_CONFINE_RUNS);
}

/* A folder of its own for what drivers and ffcl keep between runs: a program that a hostile file
 * had them keep must not be run by those outside. */
static int move_caches(ffcl_confine_rules *r, ffcl_error *err)
{
    static const char *const of_drivers[] = {"XDG_CACHE_HOME", "POCL_CACHE_DIR", "CUDA_CACHE_PATH",
                                             "NEO_CACHE_DIR", "MESA_SHADER_CACHE_DIR",
                                             "AMD_COMGR_CACHE_DIR", "TMPDIR"};
    char *usual = ffcl_binary_folder();
    char *folder = usual ? ffcl_format("%s/sandbox", usual) : NULL;
    char *drivers = folder ? ffcl_format("%s/drivers", folder) : NULL;
    int rc = 0;
    if (!drivers)
        rc = ffcl_fail(err, FFCL_EUSAGE, "the sandbox needs a cache folder: set FFCL_CACHE_DIR or "
                       "HOME");
    if (rc == 0) {
        ffcl_make_folders(drivers);
        if (mkdir(drivers, 0700) && errno != EEXIST)
            rc = ffcl_fail(err, FFCL_EUSAGE, "the sandbox needs its cache folder, %s, which cannot "
                           "be made: %s", drivers, strerror(errno));
    }
    if (rc == 0) {
        setenv("FFCL_CACHE_DIR", folder, 1);
        for (size_t i = 0; i < sizeof of_drivers / sizeof *of_drivers; i++)
            setenv(of_drivers[i], drivers, 1);
        ffcl_confine_allow(r, folder, FFCL_CONFINE_WRITES);
    }
    free(usual);
    free(folder);
    free(drivers);
    return rc;
}

/* The files that keys name, and where the outputs go: their folders, in which files are made anew
 * and renamed. */
static int allow_config(ffcl_confine_rules *r, const ffcl_config *cfg, int outputs, ffcl_error *err)
{
    int rc = 0;
    allow_input(r, cfg->path);
    for (size_t i = 0; i < ffcl_config_n_rows; i++) {
        const ffcl_config_row *row = &ffcl_config_rows[i];
        const char *path = row->type == FFCL_TYPE_INPUT
                               ? *(char *const *)((const char *)cfg + row->offset) : NULL;
        if (path && strchr(path, '/'))
            allow_input(r, path);
        else if (path && access(path, F_OK) == 0)
            ffcl_confine_allow(r, path, FFCL_CONFINE_RUNS);
    }
    ffcl_confine_allow_folder_of(r, strchr(cfg->blas.library, '/') ? cfg->blas.library : NULL,
                    FFCL_CONFINE_RUNS);
    if (!outputs)
        return 0;
    if (cfg->output.folder && mkdir(cfg->output.folder, 0777) && errno != EEXIST)
        rc = ffcl_write_error(cfg->output.folder, errno, err);
    ffcl_confine_allow(r, cfg->output.folder, FFCL_CONFINE_WRITES);
    ffcl_confine_allow_folder_of(r, cfg->output.npz, FFCL_CONFINE_WRITES);
    ffcl_confine_allow_folder_of(r, cfg->output.grid, FFCL_CONFINE_WRITES);
    return rc;
}

int ffcl_sandbox(const ffcl_sandbox_request *request, ffcl_error *err)
{
    static const char *const launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
    ffcl_confine_rules *r = calloc(1, sizeof *r);
    int rc = r ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sandbox");
    for (size_t i = 0; rc == 0 && i < sizeof launchers / sizeof *launchers; i++)
        if (getenv(launchers[i]))
            rc = ffcl_fail(err, FFCL_EUSAGE, "there is no sandbox under mpirun: its processes talk "
                           "by files and connections that the sandbox does not know");
    if (rc == 0) {
        ffcl_confine_allow_system(r);
        for (size_t i = 0; i < FFCL_SANDBOX_FILES; i++) {
            allow_input(r, request->reads[i]);
            ffcl_confine_allow_folder_of(r, request->writes[i], FFCL_CONFINE_WRITES);
        }
        if (request->cfg)
            rc = allow_config(r, request->cfg, request->outputs, err);
        if (request->cfg)
            ffcl_confine_allow_folder_of(r, request->cfg->eval.save_stats, FFCL_CONFINE_WRITES);
    }
    if (rc == 0)
        rc = move_caches(r, err);
    if (rc == 0)
        rc = ffcl_confine_enter(r, err);
    if (r)
        ffcl_confine_close(r);
    free(r);
    return rc;
}
