/* SPDX-License-Identifier: MIT */
#include "os/disk.h"

#include <math.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "util.h"

double ffcl_free_bytes(const char *path)
{
    struct statvfs s;
    char *dir = ffcl_path_dir(path);
    const int bad = !dir || statvfs(dir, &s) != 0;
    free(dir);
    return bad ? NAN : (double)s.f_bavail * (double)s.f_frsize;
}
