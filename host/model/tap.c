/* SPDX-License-Identifier: MIT */
#include "model/tap.h"

#include <stdarg.h>
#include <stdio.h>

int ffcl_tap_see(const ffcl_tap *tap, ffcl_ctx *ctx, cl_mem mem, size_t outer, size_t inner,
                 size_t pixels, const char *format, ...)
{
    if (!tap || ctx->planning)
        return 0;
    char name[64];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return tap->see(tap->user, ctx, name, mem, outer, inner, pixels);
}
