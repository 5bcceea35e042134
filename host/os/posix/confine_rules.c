/* SPDX-License-Identifier: MIT
 * What a confined process is left: the rules, and the files that every process needs. */
#include <glob.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/confine.h"
#include "util.h"

void ffcl_confine_allow(ffcl_confine_rules *r, const char *path, int allows)
{
    char *copy = path && *path && r->n < FFCL_CONFINE_RULES ? ffcl_format("%s", path) : NULL;
    r->is_short |= path && *path && !copy;
    if (copy)
        r->rule[r->n++] = (ffcl_confine_rule){copy, allows};
}

void ffcl_confine_allow_folder_of(ffcl_confine_rules *r, const char *path, int allows)
{
    char *folder = path && *path ? ffcl_path_dir(path) : NULL;
    char *real = folder ? realpath(path, NULL) : NULL;
    char *other = real ? ffcl_path_dir(real) : NULL;
    ffcl_confine_allow(r, folder, allows);
    ffcl_confine_allow(r, other, allows);
    free(folder);
    free(real);
    free(other);
}

void ffcl_confine_close(ffcl_confine_rules *rules)
{
    for (size_t i = 0; i < rules->n; i++)
        free(rules->rule[i].path);
    rules->n = 0;
}

/* Each path of a list with colons between; folder_of: the folder that it lies in. */
static void allow_list(ffcl_confine_rules *r, const char *list, int folder_of)
{
    char *copy = list ? ffcl_format("%s", list) : NULL, *rest = NULL;
    for (char *one = copy ? strtok_r(copy, ":", &rest) : NULL; one;
         one = strtok_r(NULL, ":", &rest)) {
        if (folder_of)
            ffcl_confine_allow_folder_of(r, one, FFCL_CONFINE_RUNS);
        else
            ffcl_confine_allow(r, one, FFCL_CONFINE_RUNS);
    }
    free(copy);
}

static int allow_library(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    if (strchr(info->dlpi_name, '/'))
        ffcl_confine_allow_folder_of(user, info->dlpi_name, FFCL_CONFINE_RUNS);
    return 0;
}

/* The folders of the drivers that files *.icd name. */
static void allow_drivers(ffcl_confine_rules *r)
{
    const char *own = getenv("OCL_ICD_VENDORS");
    char *pattern = ffcl_format("%s/*.icd", own && *own ? own : "/etc/OpenCL/vendors");
    glob_t found = {0};
    ffcl_confine_allow(r, own, FFCL_CONFINE_RUNS);
    if (pattern && glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            char line[PATH_MAX] = "";
            FILE *f = fopen(found.gl_pathv[i], "r");
            if (f && fgets(line, sizeof line, f) && line[0] == '/') {
                line[strcspn(line, "\r\n")] = '\0';
                ffcl_confine_allow_folder_of(r, line, FFCL_CONFINE_RUNS);
            }
            if (f)
                fclose(f);
        }
    globfree(&found);
    free(pattern);
}

static void allow_devices(ffcl_confine_rules *r)
{
    static const char *const patterns[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/tty",
                                           "/dev/random", "/dev/urandom", "/dev/dri", "/dev/kfd",
                                           "/dev/accel", "/dev/nvidia*", "/dev/mali*",
                                           "/dev/dma_heap"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        glob_t found = {0};
        if (glob(patterns[i], 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                ffcl_confine_allow(r, found.gl_pathv[k], FFCL_CONFINE_WRITES);
        globfree(&found);
    }
}

void ffcl_confine_allow_system(ffcl_confine_rules *r)
{
    static const char *const folders[] = {"/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin",
                                          "/etc", "/opt", "/nix/store", "/gnu/store", "/proc",
                                          "/sys", "/run/opengl-driver"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        ffcl_confine_allow(r, folders[i], FFCL_CONFINE_RUNS);
    char own[PATH_MAX];
    const ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = '\0';
    ffcl_confine_allow(r, own, FFCL_CONFINE_RUNS);
    dl_iterate_phdr(allow_library, r);
    allow_devices(r);
    allow_drivers(r);
    allow_list(r, getenv("LD_LIBRARY_PATH"), 0);
    allow_list(r, getenv("OCL_ICD_FILENAMES"), 1);
    ffcl_confine_allow(r, getenv("FFCL_CL_DIR"), FFCL_CONFINE_RUNS);
    /* What ffcl tune found. */
    const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    char *own_folder = xdg && *xdg == '/' ? ffcl_format("%s/ffcl", xdg)
                       : home && *home ? ffcl_format("%s/.config/ffcl", home) : NULL;
    ffcl_confine_allow(r, own_folder, FFCL_CONFINE_RUNS);
    free(own_folder);
}
