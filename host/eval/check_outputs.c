/* SPDX-License-Identifier: MIT */
#include "eval/check_outputs.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files/arrays.h"
#include "files/atomic.h"
#include "util.h"

static int is_same(const char *a, const char *b)
{
    struct stat p, q;
    return stat(a, &p) == 0 && stat(b, &q) == 0 && p.st_dev == q.st_dev && p.st_ino == q.st_ino;
}

int ffcl_eval_keeps(const char *path, const char *const *files, size_t n, ffcl_error *err)
{
    for (size_t i = 0; i < n; i++)
        if (files[i] && is_same(path, files[i]))
            return ffcl_fail(err, FFCL_EOUTPUT, "%s is read here, and writing it would replace it: "
                             "choose another name", path);
    return 0;
}

/* A trial, or a look where nothing is to be written. */
static int probe(const ffcl_config *cfg, const char *path, ffcl_error *err)
{
    ffcl_atomic_file file = {0};
    const int rc = cfg->is_dry ? ffcl_atomic_look(path, err) : ffcl_atomic_open(&file, path, err);
    ffcl_atomic_discard(&file);
    return rc;
}

static int check_statistics(const char *path, ffcl_error *err)
{
    ffcl_arrays *arrays = NULL;
    ffcl_error ignored;
    if (ffcl_arrays_open(&arrays, path, &ignored))
        return 0;               /* not there, or nothing that this could be */
    const int holds_images = ffcl_arrays_find(arrays, "arr_0") != NULL;
    ffcl_arrays_close(&arrays);
    return holds_images ? ffcl_fail(err, FFCL_EOUTPUT, "%s holds images, which saving statistics "
                                    "there would replace: choose another name", path)
                        : 0;
}

static int check_sheet(const char *path, const char *const *folders, size_t n, ffcl_error *err)
{
    char *folder = ffcl_path_dir(path);
    int rc = folder ? 0 : ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (folders[i] && is_same(folder, folders[i]))
            rc = ffcl_fail(err, FFCL_EOUTPUT, "%s would lie among the images of %s and be one of "
                           "them the next time: choose another folder", path, folders[i]);
    free(folder);
    return rc;
}

int ffcl_eval_check_run(const ffcl_config *cfg, const char *reference, ffcl_error *err)
{
    const char *const outputs[] = {cfg->output.folder, cfg->output.npz};
    for (size_t i = 0; i < 2; i++)
        if (outputs[i] && is_same(outputs[i], reference))
            return ffcl_fail(err, FFCL_EOUTPUT, "[eval] reference %s is where this run puts its "
                             "images, which would be compared with themselves: choose another",
                             reference);
    return cfg->output.grid ? check_sheet(cfg->output.grid, &reference, 1, err) : 0;
}

int ffcl_eval_check_outputs(const ffcl_config *cfg, const char *samples, const char *reference,
                            const char *sheet, ffcl_error *err)
{
    const char *const reads[] = {samples, reference, cfg->eval.inception};
    const char *const writes[] = {cfg->eval.save_stats, sheet};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 2; i++)
        if (writes[i])
            rc = ffcl_eval_keeps(writes[i], reads, 3, err);
    if (rc == 0 && cfg->eval.save_stats)
        rc = check_statistics(cfg->eval.save_stats, err);
    if (rc == 0 && sheet)
        rc = check_sheet(sheet, reads, 2, err);
    for (size_t i = 0; rc == 0 && i < 2; i++)
        if (writes[i])
            rc = probe(cfg, writes[i], err);
    return rc;
}
