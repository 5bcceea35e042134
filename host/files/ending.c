/* SPDX-License-Identifier: MIT */
#include "files/ending.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "error.h"
#include "util.h"

int ffcl_check_ending(const char *option, const char *path, const char *ending, const char *format,
                      int code, ffcl_error *err)
{
    const char *name = path ? ffcl_base_name(path) : "", *dot = strrchr(name, '.');
    if (path && !strcmp(path, "-"))
        return ffcl_fail(err, code, "%s -: it is written to a file, never to stdout: name the "
                         "file, or ./- where it is to be called so", option);
    const int promises = dot && dot != name && isalpha((unsigned char)dot[1]);
    if (!ending || !promises || !strcasecmp(dot, ending))
        return 0;
    return ffcl_fail(err, code, "%s %s: what is written is %s, so name it %.*s%s", option, path,
                     format, (int)(dot - path), path, ending);
}
