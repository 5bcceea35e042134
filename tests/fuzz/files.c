/* SPDX-License-Identifier: MIT
 * Files of the fuzz targets. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[200];        /* under TMPDIR, which may lie in memory */
static int is_made;

static void remove_folder(void)
{
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
            unlinkat(dirfd(dir), e->d_name, 0);
    if (dir)
        closedir(dir);
    rmdir(folder);
}

const char *ffcl_fuzz_folder(void)
{
    if (is_made)
        return folder;
    const char *parent = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/ffcl-fuzz-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(folder))
        abort();
    atexit(remove_folder);
    is_made = 1;
    return folder;
}

const char *ffcl_fuzz_file(const char *name, const void *data, size_t size)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", ffcl_fuzz_folder(), name);
    FILE *f = fopen(path, "wb");
    if (!f || (size && fwrite(data, size, 1, f) != 1) || fclose(f))
        abort();
    return path;
}
