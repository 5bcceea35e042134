/* SPDX-License-Identifier: MIT
 * The device of an engine or an extractor, with its GEMM back end and what may compute on it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "sample/engine_impl.h"
#include "selfcheck/choice.h"
#include "selfcheck/mapped.h"
#include "selfcheck/units.h"

/* Who computes GEMMs, as cfg wants it. */
static int choose_gemms(ffcl_ctx *ctx, const ffcl_config *cfg, const ffcl_engine_wants *wants,
                        ffcl_engine *e)
{
    static const ffcl_half_wish wishes[] = {[FFCL_PRECISION_AUTO] = FFCL_HALF_IF_FAST,
                                            [FFCL_PRECISION_FLOAT32] = FFCL_HALF_NEVER,
                                            [FFCL_PRECISION_HALF] = FFCL_HALF_ALWAYS};
    return ffcl_choose_gemms(ctx, &(ffcl_choice){
        .backend = cfg->blas.backend, .library = cfg->blas.library, .tuning = cfg->blas.tuning,
        .half = wishes[cfg->precision.compute], .unchecked = wants->is_plan,
        .head = e && e->sit ? ffcl_sit_dims_of(e->sit)->Dh : FFCL_NO_HEAD,
        .program = cfg->trial_program, .calls = e && e->sit ? ffcl_engine_calls : NULL, .user = e});
}

int ffcl_engine_open_device(ffcl_ctx **out, ffcl_dtype *dtype, const ffcl_config *cfg,
                            const ffcl_engine_wants *wants, ffcl_engine *engine,
                            const ffcl_observer *obs, ffcl_error *err)
{
    ffcl_device device;
    int rc = 0;
    if (wants->device)
        device = *wants->device;
    else
        rc = ffcl_device_select(&device, cfg->device.select, err);
    if (rc == 0)
        rc = ffcl_ctx_open(out, &device, obs, wants->profile, err);
    if (rc)
        return rc;
    ffcl_ctx *ctx = *out;
    ctx->err = err;
    ctx->batch_invariant = wants->batch_invariant;
    rc = choose_gemms(ctx, cfg, wants, engine);
    /* Half weights are converted, so that there is no use for it. */
    if (rc == 0 && !wants->is_plan && cfg->precision.compute != FFCL_PRECISION_HALF &&
        ctx->matrix_unit == FFCL_UNIT_NONE)
        ffcl_selfcheck_mapped(ctx);
    if (rc == 0)
        rc = ffcl_variants_force(ctx, getenv("FFCL_VARIANTS"));
    if (cfg->precision.compute == FFCL_PRECISION_HALF ||
        (cfg->precision.compute == FFCL_PRECISION_AUTO &&
         ctx->matrix_unit != FFCL_UNIT_NONE))
        *dtype = FFCL_F16;
    return rc;
}
