/* SPDX-License-Identifier: MIT
 * Which parameters CLBlast gets on a device: those of [blas] tuning, else those for its kind. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"

/* CLBlast's database has no entry for most CPU devices, and its defaults suit GPUs.  These were
 * found by ffcl tune on two cores with AVX-512 under PoCL 3.1 (docs/performance.md): large blocks
 * of results a work-item, no local memory, work-groups of 2. */
static const char cpu_parameters[] =
    "GEMMK=1 KREG=4 KWG=1 KWI=1 MDIMA=1 MDIMC=1 MWG=64 NDIMB=2 NDIMC=2 NWG=64 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=8 VWN=4";

void ffcl_tuning_usual(const ffcl_ctx *ctx, ffcl_tuning *t)
{
    ffcl_tuning_clear(t);
    if (ctx->device.caps.type & CL_DEVICE_TYPE_CPU)
        (void)ffcl_tuning_scan(t, cpu_parameters, NULL);
}

/* Checks all kernels that are set against the device's limits. */
static int check_all(const ffcl_ctx *ctx, const ffcl_tuning *t, const char *path, ffcl_error *err)
{
    for (size_t i = 0; i < FFCL_TUNING_ROWS; i = ffcl_tuning_end(i)) {
        ffcl_error why = {0, ""};
        if (t->value[i] != FFCL_TUNING_UNSET &&
            ffcl_tuning_check(t, i, &ctx->device.caps, &why))
            return ffcl_fail(err, FFCL_ECONFIG, "%s: %.600s", path, why.text);
    }
    return 0;
}

/* Reads and checks the file; differs: how its home differs from here, or "". */
static int read_for(const ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here,
                    const char *path, char *differs, size_t size, ffcl_error *err)
{
    ffcl_tuning_home home;
    int rc = ffcl_tuning_read(t, &home, path, err);
    if (rc == 0)
        ffcl_tuning_home_differs(&home, here, differs, size);
    return rc ? rc : check_all(ctx, t, path, err);
}

/* The user's own file for this device, if there is one; returns 1 where it is used.  What is wrong
 * with it is reported and ends nothing. */
static int choose_own(ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here)
{
    char differs[1200] = "", text[4600];
    ffcl_error why = {0, ""};
    char *path = ffcl_tuning_path(here, ".txt");
    ctx->blas->is_untuned = !path || access(path, F_OK) != 0;
    if (ctx->blas->is_untuned) {
        free(path);
        return 0;
    }
    int rc = read_for(ctx, t, here, path, differs, sizeof differs, &why);
    int used = rc == 0 && !*differs;
    if (rc)
        snprintf(text, sizeof text, "%.3000s; not used", why.text);
    else
        snprintf(text, sizeof text, used ? "CLBlast's parameters: %s"
                                         : "%s was not tuned here (%s); not used", path, differs);
    ffcl_report(ctx->obs, used ? FFCL_PHASE_NOTE : FFCL_PHASE_WARN, text, 0, 0);
    free(path);
    return used;
}

int ffcl_tuning_choose(ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here,
                       const char *tuning)
{
    char differs[1200] = "", text[2000];
    ffcl_tuning own;
    int used = 0;
    ffcl_tuning_usual(ctx, t);
    ctx->blas->is_untuned = 0;
    *ctx->blas->tuning = '\0';
    if (!tuning || strcmp(tuning, "off") == 0)
        return 0;
    if (strcmp(tuning, "auto") == 0) {
        used = choose_own(ctx, &own, here);
    } else {
        int rc = read_for(ctx, &own, here, tuning, differs, sizeof differs, ctx->err);
        if (rc)
            return rc;
        used = 1;
        snprintf(text, sizeof text, *differs ? "%s was tuned elsewhere (%s); used all the same"
                                             : "CLBlast's parameters: %s", tuning, differs);
        ffcl_report(ctx->obs, *differs ? FFCL_PHASE_WARN : FFCL_PHASE_NOTE, text, 0, 0);
    }
    if (used) {
        ffcl_tuning_id(&own, ctx->blas->tuning);
        ffcl_tuning_merge(t, &own);
    }
    return 0;
}
