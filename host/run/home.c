/* SPDX-License-Identifier: MIT */
#include "run/home.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/atomic.h"
#include "files/lock.h"
#include "os/disk.h"
#include "util.h"

int ffcl_is_share(const ffcl_config *cfg)
{
    return cfg->sampler.rank != FFCL_ALL_RANKS && cfg->sampler.world > 1;
}

void ffcl_home_close(ffcl_home *h)
{
    free(h->lock);
    free(h->manifest);
    free(h->labels);
    *h = (ffcl_home){0};
}

int ffcl_home_open(ffcl_home *h, const ffcl_config *cfg, ffcl_error *err)
{
    *h = (ffcl_home){0};
    if (cfg->output.folder) {
        h->name = cfg->output.folder;
        h->lock = ffcl_format("%s/.ffcl.lock", h->name);
        h->manifest = ffcl_format("%s/manifest.json", h->name);
        h->labels = ffcl_format("%s/labels.txt", h->name);
    } else if (cfg->output.npz) {
        char *dir = ffcl_path_dir(cfg->output.npz);
        h->name = cfg->output.npz;
        h->lock = dir ? ffcl_format("%s/.%s.lock", dir, ffcl_base_name(h->name)) : NULL;
        h->manifest = ffcl_format("%s.manifest.json", h->name);
        h->labels = ffcl_format("%s.labels.txt", h->name);
        free(dir);
    }
    if (h->name && (!h->lock || !h->manifest || !h->labels)) {
        ffcl_home_close(h);
        return ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    }
    return 0;
}

int ffcl_home_make_folder(const char *folder, int *made, ffcl_error *err)
{
    *made = mkdir(folder, 0777) == 0;
    struct stat st;
    const int number = *made ? 0 : errno;
    if (number == 0 || (number == EEXIST && stat(folder, &st) == 0 && S_ISDIR(st.st_mode)))
        return 0;
    return ffcl_folder_error(folder, number, err);
}

int ffcl_home_look_for_folder(const char *folder, int *is_there, ffcl_error *err)
{
    struct stat st;
    char *path = ffcl_format("%s", folder), *dir;
    for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/'; n--)
        path[n - 1] = '\0';
    dir = path ? ffcl_path_dir(path) : NULL;
    int number = !dir ? ENOMEM : lstat(path, &st) ? errno : 0;
    *is_there = number == 0;
    if (*is_there)              /* a link that leads nowhere is in the way, too */
        number = stat(path, &st) || !S_ISDIR(st.st_mode) ? EEXIST : 0;
    else if (number == ENOENT && stat(dir, &st) == 0)
        number = ffcl_folder_refuses(dir);
    free(path);
    free(dir);
    return number ? ffcl_folder_error(folder, number, err) : 0;
}

/* This process's bytes of the lock; fd NULL: whether they could be had. */
static int take_lock(int *fd, const ffcl_home *h, const ffcl_config *cfg, ffcl_error *err)
{
    const int share = ffcl_is_share(cfg);
    const uint64_t first = share ? cfg->sampler.rank : 0, n = share ? 1 : FFCL_LOCK_RANKS;
    const int rc = fd ? ffcl_lock_open(fd, h->lock, first, n, err)
                      : ffcl_lock_look(h->lock, first, n, err);
    if (rc <= 0)
        return rc;
    return ffcl_fail(err, FFCL_EBUSY, "another run is writing to %s: wait for it, or choose "
                     "another place", h->name);
}

/* Another run that only looks may remove the empty folder that it has made, just then. */
int ffcl_home_enter(const ffcl_config *cfg, const ffcl_home *h, int *made, int *fd,
                    ffcl_error *err)
{
    const char *folder = cfg->output.folder;
    int rc = take_lock(fd, h, cfg, err);
    for (int tries = 25; rc == FFCL_EOUTPUT && folder && tries > 0; tries--) {
        if (access(folder, F_OK) == 0 || errno != ENOENT)
            return rc;
        rc = ffcl_home_make_folder(folder, made, err);
        if (rc == 0)
            rc = take_lock(fd, h, cfg, err);
    }
    return rc;
}

int ffcl_home_look(const ffcl_config *cfg, const ffcl_home *h, ffcl_error *err)
{
    return take_lock(NULL, h, cfg, err);
}

ffcl_folder_query ffcl_home_query(const ffcl_config *cfg, size_t from)
{
    const int share = ffcl_is_share(cfg);
    return (ffcl_folder_query){.folder = cfg->output.folder, .from = from,
                               .world = share ? cfg->sampler.world : 1,
                               .rank = share ? cfg->sampler.rank : 0, .grid = cfg->output.grid};
}

int ffcl_home_check_way(const ffcl_config *cfg, int is_old, ffcl_error *err)
{
    const size_t count = ffcl_config_count(cfg);
    const char *npz = cfg->output.npz;
    ffcl_folder_images found = {0};
    if (cfg->output.overwrite)
        return 0;
    if (cfg->output.folder) {
        const ffcl_folder_query query = ffcl_home_query(cfg, is_old ? count : 0);
        const int rc = ffcl_folder_look(&query, &found, err);
        if (rc)
            return rc;
    }
    const char *plural = ffcl_plural(found.n);
    if (found.n && is_old)
        return ffcl_fail(err, FFCL_ESETTINGS, "%s holds %zu image%s more than the %zu that "
                         "%s asked for (%06zu.png is the first): choose another folder, or "
                         "--overwrite deletes %s", cfg->output.folder, found.n, plural, count,
                         count == 1 ? "is" : "are", found.first, *plural ? "them" : "it");
    if (found.n)
        return ffcl_fail(err, FFCL_ESETTINGS, "%s holds %zu image%s that %s not of this run "
                         "(%06zu.png is the first): choose another folder, or --overwrite "
                         "deletes %s", cfg->output.folder, found.n, plural,
                         *plural ? "are" : "is", found.first, *plural ? "them" : "it");
    if (npz && !is_old && access(npz, F_OK) == 0)
        return ffcl_fail(err, FFCL_ESETTINGS, "%s is there and not of this run: choose another "
                         "name, or --overwrite replaces it", npz);
    return 0;
}

int ffcl_home_read_manifest(ffcl_manifest **m, const ffcl_home *h, const ffcl_config *cfg,
                            ffcl_error *err)
{
    ffcl_error why = {0};
    int rc = ffcl_manifest_open(m, h->manifest, cfg->output.resume, &why);
    if (rc == FFCL_ESETTINGS && cfg->output.overwrite)
        rc = ffcl_manifest_open(m, h->manifest, 0, &why);
    if (rc == 0)
        rc = ffcl_manifest_set_config(*m, cfg, &why);
    return rc ? ffcl_fail(err, rc, "%s", why.text) : 0;
}
