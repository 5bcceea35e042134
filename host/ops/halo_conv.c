/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* The tile of cl/halo_conv.cl, and its work-group. */
enum { TILE_X = 16, TILE_Y = 8, COLUMNS = 128, ITEMS = 128 };

static size_t tiles(size_t Hh, size_t Ww)
{
    return ffcl_div_up(Hh, TILE_Y) * ffcl_div_up(Ww, TILE_X);
}

int ffcl_halo_conv_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    const int shape = w->kind == FFCL_CONV_UPSAMPLE || (w->kind == FFCL_CONV_COLUMNS &&
                                                        w->side == 3);
    return ctx->matrix_engine == FFCL_ENGINE_WGMMA && w->store == FFCL_STORE_HALF && shape &&
           w->in % 32 == 0 && w->out % 8 == 0;
}

int ffcl_halo_conv_fits(const ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t B, size_t Hh,
                        size_t Ww)
{
    size_t groups = B * tiles(Hh, Ww) * ffcl_div_up(w->out, COLUMNS);
    if (w->kind == FFCL_CONV_UPSAMPLE)
        groups *= 4;
    /* Fewer work-groups leave units idle, where mma.cl has smaller tiles and cuts K; but it adds in
     * another order. */
    return ffcl_halo_conv_can(ctx, w) && w->out >= COLUMNS / 2 &&
           (ctx->any_batch || 4 * groups >= 3 * ctx->device.caps.units);
}

size_t ffcl_halo_conv_chunks(const ffcl_conv_weight *w, size_t Hh, size_t Ww, size_t groups)
{
    const size_t width = groups && w->out % groups == 0 ? w->out / groups : 0;
    if ((width != 4 && width != 8 && width != 16) || Hh % TILE_Y || Ww % TILE_X)
        return 0;
    return tiles(Hh, Ww) * (w->kind == FFCL_CONV_UPSAMPLE ? 4 : 1);
}

int ffcl_halo_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                   size_t Hh, size_t Ww, const ffcl_halo *halo)
{
    const int up = w->kind == FFCL_CONV_UPSAMPLE;
    const ffcl_kernel *k;
    char options[96];
    assert(ffcl_halo_conv_can(ctx, w) && !(up && halo->has_add));
    /* Three work-groups fit a compute unit with up to 168 registers an item; the compiler would
     * take some more otherwise, without need. */
    snprintf(options, sizeof options, "-DUP=%d -DSTATS=%d -cl-nv-maxrregcount=168", up,
             halo->groups != 0);
    int rc = ffcl_kernel_get(ctx, &k, "halo_conv", "halo_conv_f16", options);
    if (rc)
        return rc;
    size_t local[3] = {ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(w->out, COLUMNS) * ITEMS, B * tiles(Hh, Ww), up ? 4 : 1};
    ffcl_work_shape(ctx, ffcl_conv_cost(w, B, Hh, Ww, halo->has_add), "%zux%zux%zux%zu>%zu", B, Hh,
                    Ww, w->in, w->out);
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(x),
                       FFCL_BUF(w->weight[0]), FFCL_BUF(w->bias),
                       FFCL_BUF(halo->has_add ? halo->add : x), FFCL_I32(halo->has_add),
                       FFCL_BUF(halo->groups ? halo->moments : out), FFCL_I32(halo->groups),
                       FFCL_I32(Hh), FFCL_I32(Ww), FFCL_I32(w->in), FFCL_I32(w->out));
}
