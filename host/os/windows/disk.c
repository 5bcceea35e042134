/* SPDX-License-Identifier: MIT */
#include "os/disk.h"

#include <math.h>
#include <stdlib.h>

#include "os/windows/native.h"
#include "util.h"

double ffcl_free_bytes(const char *path)
{
    ULARGE_INTEGER bytes;
    char *dir = ffcl_path_dir(path);
    wchar_t *wide = dir ? ffcl_wide_path(dir) : NULL;
    const int bad = !wide || !GetDiskFreeSpaceExW(wide, &bytes, NULL, NULL);
    free(wide);
    free(dir);
    return bad ? NAN : (double)bytes.QuadPart;
}
