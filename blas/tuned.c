/* SPDX-License-Identifier: MIT
 * Which parameters CLBlast shall have on a device: [blas] tuning, else what the device needs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"

/* CLBlast's database has no entry for most CPU devices, and its defaults are those of GPUs.  These
 * were found by ffcl tune on two cores with AVX-512 under PoCL 3.1 (docs/performance.md): large
 * blocks of results an item, no local memory, work-groups of 2. */
static const char cpu_parameters[] =
    "GEMMK=1 KREG=4 KWG=1 KWI=1 MDIMA=1 MDIMC=1 MWG=64 NDIMB=2 NDIMC=2 NWG=64 SA=0 SB=0 STRM=0 "
    "STRN=0 VWM=8 VWN=4";

void ffcl_tuning_usual(const ffcl_ctx *ctx, ffcl_tuning *t)
{
    ffcl_tuning_clear(t);
    if (ctx->device.caps.type & CL_DEVICE_TYPE_CPU)
        (void)ffcl_tuning_scan(t, cpu_parameters, NULL);
}

/* All kernels that are set suit the device. */
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

/* Reads the file for this device; *differs says what it was made for, where that is another. */
static int read_for(const ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here,
                    const char *path, char *differs, size_t size, ffcl_error *err)
{
    ffcl_tuning_home home;
    int rc = ffcl_tuning_read(t, &home, path, err);
    if (rc == 0)
        ffcl_tuning_home_differs(&home, here, differs, size);
    return rc ? rc : check_all(ctx, t, path, err);
}

/* The user's own file for this device, if there is one.  Whatever is wrong with it is told, and no
 * reason not to run. */
static int choose_own(ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here)
{
    char differs[1200] = "", text[4600];
    ffcl_error why = {0, ""};
    char *path = ffcl_tuning_path(here, ".txt");
    ctx->untuned = !path || access(path, F_OK) != 0;
    if (ctx->untuned) {
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

int ffcl_tuning_choose(ffcl_ctx *ctx, ffcl_tuning *t, const ffcl_tuning_home *here)
{
    char differs[1200] = "", text[2000];
    ffcl_tuning own;
    int used = 0;
    ffcl_tuning_usual(ctx, t);
    ctx->untuned = 0;
    *ctx->tuning_id = '\0';
    if (!ctx->tuning || strcmp(ctx->tuning, "off") == 0)
        return 0;
    if (strcmp(ctx->tuning, "auto") == 0) {
        used = choose_own(ctx, &own, here);
    } else {
        int rc = read_for(ctx, &own, here, ctx->tuning, differs, sizeof differs, ctx->err);
        if (rc)
            return rc;
        used = 1;
        snprintf(text, sizeof text, *differs ? "%s was tuned elsewhere (%s); used all the same"
                                             : "CLBlast's parameters: %s", ctx->tuning, differs);
        ffcl_report(ctx->obs, *differs ? FFCL_PHASE_WARN : FFCL_PHASE_NOTE, text, 0, 0);
    }
    if (used) {
        ffcl_tuning_id(&own, ctx->tuning_id);
        ffcl_tuning_merge(t, &own);
    }
    return 0;
}
