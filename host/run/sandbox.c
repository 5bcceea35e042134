/* SPDX-License-Identifier: MIT
 * Which files a command needs while it reads what may be hostile; files/confine.c holds it to
 * them. */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cl/binary_cache.h"
#include "config_table.h"
#include "files/atomic.h"
#include "files/confine.h"
#include "util.h"

enum { MOST_RULES = 1024 };

typedef struct rules {
    ffcl_confine_rule rule[MOST_RULES];     /* paths are ours */
    size_t n;
    int is_short;                           /* of memory, or of room */
} rules;

static void allow(rules *r, const char *path, int allows)
{
    char *copy = path && *path && r->n < MOST_RULES ? ffcl_format("%s", path) : NULL;
    r->is_short |= path && *path && !copy;
    if (copy)
        r->rule[r->n++] = (ffcl_confine_rule){copy, allows};
}

/* The folder of a file, and of what it leads to where it is a link. */
static void allow_folder_of(rules *r, const char *path, int allows)
{
    char *folder = path && *path ? ffcl_path_dir(path) : NULL;
    char *real = folder ? realpath(path, NULL) : NULL;
    char *other = real ? ffcl_path_dir(real) : NULL;
    allow(r, folder, allows);
    allow(r, other, allows);
    free(folder);
    free(real);
    free(other);
}

/* What is read: a folder, or a file and its neighbours, such as a VAE's config.json. */
static void allow_input(rules *r, const char *path)
{
    struct stat st;
    if (path && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        allow(r, path, FFCL_CONFINE_RUNS);
    else
        allow_folder_of(r, path, FFCL_CONFINE_RUNS);
}

/* Each path of a list with colons between; folder_of: the folder that it lies in. */
static void allow_list(rules *r, const char *list, int folder_of)
{
    char *copy = list ? ffcl_format("%s", list) : NULL, *rest = NULL;
    for (char *one = copy ? strtok_r(copy, ":", &rest) : NULL; one;
         one = strtok_r(NULL, ":", &rest)) {
        if (folder_of)
            allow_folder_of(r, one, FFCL_CONFINE_RUNS);
        else
            allow(r, one, FFCL_CONFINE_RUNS);
    }
    free(copy);
}

static int allow_library(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    if (strchr(info->dlpi_name, '/'))
        allow_folder_of(user, info->dlpi_name, FFCL_CONFINE_RUNS);
    return 0;
}

/* The folders of the drivers that files *.icd name. */
static void allow_drivers(rules *r)
{
    const char *own = getenv("OCL_ICD_VENDORS");
    char *pattern = ffcl_format("%s/*.icd", own && *own ? own : "/etc/OpenCL/vendors");
    glob_t found = {0};
    allow_input(r, own);
    if (pattern && glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char line[PATH_MAX] = "";
            FILE *f = fopen(found.gl_pathv[i], "r");
            if (f && fgets(line, sizeof line, f) && line[0] == '/') {
                line[strcspn(line, "\r\n")] = '\0';
                allow_folder_of(r, line, FFCL_CONFINE_RUNS);
            }
            if (f)
                fclose(f);
        }
    globfree(&found);
    free(pattern);
}

static void allow_devices(rules *r)
{
    static const char *const patterns[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/tty",
                                           "/dev/random", "/dev/urandom", "/dev/dri", "/dev/kfd",
                                           "/dev/accel", "/dev/nvidia*", "/dev/mali*",
                                           "/dev/dma_heap"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        glob_t found = {0};
        if (glob(patterns[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                allow(r, found.gl_pathv[k], FFCL_CONFINE_WRITES);
        globfree(&found);
    }
}

static void allow_system(rules *r)
{
    static const char *const folders[] = {"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin",
                                          "/etc", "/opt", "/nix/store", "/gnu/store", "/proc",
                                          "/sys", "/run/opengl-driver"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        allow(r, folders[i], FFCL_CONFINE_RUNS);
    char own[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    allow(r, own, FFCL_CONFINE_RUNS);
    dl_iterate_phdr(allow_library, r);
    allow_devices(r);
    allow_drivers(r);
    allow_list(r, getenv("LD_LIBRARY_PATH"), 0);
    allow_list(r, getenv("OCL_ICD_FILENAMES"), 1);
    allow(r, getenv("FFCL_CL_DIR"), FFCL_CONFINE_RUNS);
    /* What ffcl tune found. */
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *own_folder = xdg && *xdg == '/' ? ffcl_format("%s/ffcl", xdg)
                       : home && *home ? ffcl_format("%s/.config/ffcl", home) : NULL;
    allow(r, own_folder, FFCL_CONFINE_RUNS);
    free(own_folder);
}

/* A folder of its own for what drivers and ffcl keep between runs: a program that a hostile file
 * had them keep must not be run by those outside. */
static int move_caches(rules *r, ffcl_error *err)
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
        allow(r, folder, FFCL_CONFINE_WRITES);
    }
    free(usual);
    free(folder);
    free(drivers);
    return rc;
}

/* The files that keys name, and where the outputs go: their folders, in which files are made anew
 * and renamed. */
static int allow_config(rules *r, const ffcl_config *cfg, int outputs, ffcl_error *err)
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
            allow(r, path, FFCL_CONFINE_RUNS);
    }
    allow_folder_of(r, strchr(cfg->blas.library, '/') ? cfg->blas.library : NULL,
                    FFCL_CONFINE_RUNS);
    if (!outputs)
        return 0;
    if (cfg->output.folder && mkdir(cfg->output.folder, 0777) && errno != EEXIST)
        rc = ffcl_write_error(cfg->output.folder, errno, err);
    allow(r, cfg->output.folder, FFCL_CONFINE_WRITES);
    allow_folder_of(r, cfg->output.npz, FFCL_CONFINE_WRITES);
    allow_folder_of(r, cfg->output.grid, FFCL_CONFINE_WRITES);
    return rc;
}

int ffcl_sandbox(const ffcl_sandbox_request *request, ffcl_error *err)
{
    static const char *const launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
    rules *r = calloc(1, sizeof *r);
    int rc = r ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sandbox");
    for (size_t i = 0; rc == 0 && i < sizeof launchers / sizeof *launchers; i++)
        if (getenv(launchers[i]))
            rc = ffcl_fail(err, FFCL_EUSAGE, "there is no sandbox under mpirun: its processes talk "
                           "by files and connections that the sandbox does not know");
    if (rc == 0) {
        allow_system(r);
        for (size_t i = 0; i < FFCL_SANDBOX_FILES; i++) {
            allow_input(r, request->reads[i]);
            allow_folder_of(r, request->writes[i], FFCL_CONFINE_WRITES);
        }
        if (request->cfg)
            rc = allow_config(r, request->cfg, request->outputs, err);
        if (request->cfg)
            allow_folder_of(r, request->cfg->eval.save_stats, FFCL_CONFINE_WRITES);
    }
    if (rc == 0)
        rc = move_caches(r, err);
    if (rc == 0 && r->is_short)
        rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for the sandbox");
    if (rc == 0)
        rc = ffcl_confine(r->rule, r->n, err);
    for (size_t i = 0; r && i < r->n; i++)
        free((char *)(uintptr_t)r->rule[i].path);
    free(r);
    return rc;
}
