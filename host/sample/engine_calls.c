/* SPDX-License-Identifier: MIT
 * What a model computes, for trials. */
#include <stdlib.h>

#include "cl/program.h"
#include "gemm.h"
#include "sample/engine_impl.h"
#include "selfcheck/trial.h"

/* A planning pass over B images, decoded one at a time, as half without a matrix unit, and with
 * activations as the unit wants them, not as ffcl's own GEMM does. */
static int plan(ffcl_engine *e, size_t B)
{
    e->batch = B;
    e->decode_batch = 1;
    return ffcl_engine_plan(e, B, NULL);
}

/* One image, and as many as fill a device; the programs that the passes name are none of the run's,
 * and nothing of the plan remains. */
int ffcl_engine_calls(void *user, ffcl_trial_calls *calls)
{
    enum { MANY = 4 };
    ffcl_engine *e = user;
    ffcl_ctx *ctx = e->ctx;
    ffcl_programs *programs = ctx->programs, *own = NULL;
    const ffcl_matrix_unit unit = ctx->matrix_unit;
    int rc = ffcl_programs_open(&own, ctx);
    if (rc)
        return rc;
    ctx->programs = own;
    ctx->matrix_unit = FFCL_UNIT_NONE;
    const int own_half = ffcl_gemm_let_own_half(ctx, 0);
    ctx->see = ffcl_trial_see;
    ctx->see_user = calls;
    e->dtype = FFCL_F16;
    rc = ffcl_sit_prepare(e->sit, ctx, FFCL_F16);
    if (rc == 0 && e->vae)
        rc = ffcl_vae_prepare(e->vae, ctx, FFCL_F16);
    if (rc == 0)
        rc = plan(e, 1);
    if (rc == 0)
        rc = plan(e, MANY);
    ffcl_arena_reset(ctx->arena);
    e->dtype = FFCL_F32;
    ctx->see = NULL;
    ctx->matrix_unit = unit;
    (void)ffcl_gemm_let_own_half(ctx, own_half);
    ctx->programs = programs;
    ffcl_programs_close(&own);
    return rc;
}
