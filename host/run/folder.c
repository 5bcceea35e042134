/* SPDX-License-Identifier: MIT */
#include "run/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "files/atomic.h"
#include "util.h"

/* The index of "000012.png", written as ffcl writes it; SIZE_MAX for any other name. */
static size_t index_of(const char *name)
{
    char again[32];
    const size_t digits = strspn(name, "0123456789");
    if (digits < 6 || digits > 12 || strcmp(name + digits, ".png"))
        return SIZE_MAX;
    const size_t index = (size_t)strtoull(name, NULL, 10);
    snprintf(again, sizeof again, "%06zu.png", index);
    return strcmp(again, name) ? SIZE_MAX : index;
}

static int is_wanted(const ffcl_folder_query *q, size_t index)
{
    return index != SIZE_MAX && index >= q->from && index % q->world == q->rank;
}

/* Whether those who compute an FID of a folder would take the file for an image. */
static int is_image(const char *name)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff",
                                       ".ppm", ".pgm"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && dot != name && i < sizeof ends / sizeof *ends; i++)
        if (!strcasecmp(dot, ends[i]))
            return 1;
    return 0;
}

static int is_grid(const ffcl_folder_query *q, const char *name)
{
    const char *slash = q->grid ? strrchr(q->grid, '/') : NULL;
    return q->grid && !strcmp(slash ? slash + 1 : q->grid, name);
}

/* The folder, which is not there where *dir is NULL. */
static int open_folder(DIR **dir, const char *folder, ffcl_error *err)
{
    *dir = opendir(folder);
    return *dir || errno == ENOENT
               ? 0 : ffcl_fail(err, FFCL_EOUTPUT, "the folder %s cannot be read, and may hold "
                               "other images: %s", folder, strerror(errno));
}

/* The next entry in *e; NULL: there is none. */
static int next_entry(const struct dirent **e, DIR *dir, const char *folder, ffcl_error *err)
{
    errno = 0;
    *e = readdir(dir);
    return *e || !errno
               ? 0 : ffcl_fail(err, FFCL_EOUTPUT, "the folder %s cannot be read, and may hold "
                               "other images: %s", folder, strerror(errno));
}

int ffcl_folder_look(const ffcl_folder_query *q, ffcl_folder_images *images, ffcl_error *err)
{
    DIR *dir;
    const struct dirent *e;
    *images = (ffcl_folder_images){.first = SIZE_MAX};
    int rc = open_folder(&dir, q->folder, err);
    while (rc == 0 && dir && (rc = next_entry(&e, dir, q->folder, err)) == 0 && e) {
        const size_t index = index_of(e->d_name);
        if (is_wanted(q, index)) {
            images->n++;
            images->first = ffcl_min(images->first, index);
        } else if (index == SIZE_MAX && e->d_name[0] != '.' && is_image(e->d_name) &&
                   !is_grid(q, e->d_name)) {
            images->strangers++;
            snprintf(images->stranger, sizeof images->stranger, "%.60s", e->d_name);
        }
    }
    if (dir)
        closedir(dir);
    return rc;
}

int ffcl_folder_holds(const ffcl_folder_query *q)
{
    ffcl_folder_images found = {0};
    ffcl_error ignored;
    return q->folder && (ffcl_folder_look(q, &found, &ignored) || found.n > 0);
}

int ffcl_folder_clear(const ffcl_folder_query *q, ffcl_error *err)
{
    DIR *dir;
    const struct dirent *e;
    int rc = open_folder(&dir, q->folder, err);
    while (rc == 0 && dir && (rc = next_entry(&e, dir, q->folder, err)) == 0 && e) {
        if (!is_wanted(q, index_of(e->d_name)))
            continue;
        char *path = ffcl_path_join(q->folder, e->d_name);
        if (!path)
            rc = ffcl_fail(err, FFCL_ENOMEM, "out of memory for a path");
        else if (unlink(path) && errno != ENOENT)
            rc = ffcl_write_error(path, errno, err);
        free(path);
    }
    if (dir)
        closedir(dir);
    return rc;
}
