/* SPDX-License-Identifier: MIT */
#include "model/tap.h"

#include <stdarg.h>
#include <stdio.h>

void ffcl_tap_see(const ffcl_tap *tap, ffcl_ctx *ctx, const ffcl_tensor *t, const char *format,
                  ...)
{
    if (!tap || ctx->planning || ctx->status)
        return;
    char name[64];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    ffcl_ctx_keep(ctx, tap->see(tap->user, ctx, name, t));
}
