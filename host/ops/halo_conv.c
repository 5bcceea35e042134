/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>

#include "cl/launch.h"
#include "ops/ops.h"
#include "util.h"

/* The tile of cl/halo_conv.cl, its widths, and its work-group. */
enum {
    TILE_X = 16, TILE_Y = 8, COLUMNS = 128, FEW_COLUMNS = 64, LEAST_COLUMNS = 8, ITEMS = 128
};
/* Channels of a share at least, shares of a tile at most; work-groups a unit that cutting wants. */
enum { SHARE = 64, MOST_SHARES = 8, FILL = 2 };
/* Work-groups of wide and of narrow tiles that fit a unit. */
enum { WIDE_FIT = 3, NARROW_FIT = 5 };

static size_t tiles(size_t Hh, size_t Ww)
{
    return ffcl_div_up(Hh, TILE_Y) * ffcl_div_up(Ww, TILE_X);
}

int ffcl_halo_conv_can(const ffcl_ctx *ctx, const ffcl_conv_weight *w)
{
    const int shape = w->kind == FFCL_CONV_UPSAMPLE || w->side == 3;
    return ctx->matrix_engine == FFCL_ENGINE_WGMMA && w->store == FFCL_STORE_HALF && shape &&
           w->in % 32 == 0 && (w->out % 8 == 0 || w->kind == FFCL_CONV_NARROW);
}

/* How a convolution is cut into work-groups: `count` tiles of so many columns, the channels of each
 * in n shares of `share` channels. */
typedef struct cut {
    size_t columns, count, n, share;
} cut;

/* How much of the device works when `count` work-groups, of which so many fit at once, go over it
 * in rounds of which the last is not full. */
static double fullness(size_t count, size_t fit)
{
    return (double)count / (double)(ffcl_div_up(count, fit) * fit);
}

/* Narrow tiles read the picture twice as often, which is more of it all where weights have fewer
 * taps.  They pay where wide ones leave half of the units idle, or make a last round of few. */
static int is_narrow(size_t wide, size_t narrow, size_t units, int up)
{
    if (wide <= WIDE_FIT * units)
        return 2 * wide <= units;
    return (up ? 0.79 : 0.88) * fullness(narrow, NARROW_FIT * units) >
           fullness(wide, WIDE_FIT * units);
}

/* Few tiles are cut narrower, and their channels shared out, so that units do not wait for memory
 * or for a last few work-groups.  Sums of shares are added in another order, so never where the
 * batch must not matter. */
static cut choose_cut(const ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t B, size_t Hh,
                      size_t Ww)
{
    const size_t units = ffcl_max(ctx->device.caps.units, 1);
    const size_t pixels = B * tiles(Hh, Ww) * (w->kind == FFCL_CONV_UPSAMPLE ? 4 : 1);
    const size_t narrow = pixels * ffcl_div_up(w->out, FEW_COLUMNS);
    cut c = {COLUMNS, pixels * ffcl_div_up(w->out, COLUMNS), 1, w->in};
    if (w->kind == FFCL_CONV_NARROW)
        c.columns = LEAST_COLUMNS;
    if (ctx->any_batch || w->kind == FFCL_CONV_NARROW)
        return c;
    if (is_narrow(c.count, narrow, units, w->kind == FFCL_CONV_UPSAMPLE)) {
        c.columns = FEW_COLUMNS;
        c.count = narrow;
    }
    size_t n = 1;
    while (2 * n * c.count <= FILL * units && w->in / (2 * n) >= SHARE && 2 * n <= MOST_SHARES)
        n *= 2;
    c.share = ffcl_round_up(ffcl_div_up(w->in, n), 32);
    c.n = ffcl_div_up(w->in, c.share);
    return c;
}

int ffcl_halo_conv_fits(const ffcl_ctx *ctx, const ffcl_conv_weight *w, size_t B, size_t Hh,
                        size_t Ww)
{
    /* With fewer work-groups units are idle, and mma.cl has smaller tiles; but it adds in another
     * order. */
    if (!ffcl_halo_conv_can(ctx, w) || w->out < COLUMNS / 2)
        return 0;
    const cut c = choose_cut(ctx, w, B, Hh, Ww);
    return ctx->any_batch || 4 * c.count * c.n >= 3 * ctx->device.caps.units;
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
    const cut c = choose_cut(ctx, w, B, Hh, Ww);
    const ffcl_kernel *k;
    char options[128];
    ffcl_buf parts = {0};
    cl_mem tickets = NULL;
    assert(ffcl_halo_conv_can(ctx, w));
    assert(!halo->has_add || (w->kind != FFCL_CONV_UPSAMPLE && w->kind != FFCL_CONV_NARROW));
    /* So many registers an item that three or five work-groups fit a compute unit; the compiler
     * would take some more otherwise, without need. */
    snprintf(options, sizeof options, "-DBN=%zu -DUP=%d -DSTATS=%d -DSPLIT=%d "
             "-cl-nv-maxrregcount=%d", c.columns, up, halo->groups != 0, c.n > 1,
             c.columns == COLUMNS ? 168 : 96);
    int rc = ffcl_kernel_get(ctx, &k, "halo_conv", "halo_conv_f16", options);
    if (rc == 0 && c.n > 1)
        rc = ffcl_take(ctx, &parts, c.count * c.n * c.columns * TILE_X * TILE_Y);
    if (rc == 0 && c.n > 1)
        rc = ffcl_tickets(ctx, &tickets);
    assert(c.n == 1 || c.count <= FFCL_TICKETS);
    size_t local[3] = {ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(w->out, c.columns) * ITEMS, B * tiles(Hh, Ww),
                        (up ? 4 : 1) * c.n};
    if (rc == 0)
        rc = ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(x),
                         FFCL_BUF(w->weight[0]), FFCL_BUF(w->bias),
                         FFCL_BUF(halo->has_add ? halo->add : x), FFCL_I32(halo->has_add),
                         FFCL_BUF(halo->groups ? halo->moments : out), FFCL_I32(halo->groups),
                         FFCL_I32(Hh), FFCL_I32(Ww), FFCL_I32(w->in), FFCL_I32(w->out),
                         FFCL_BUF(c.n > 1 ? parts.mem : out), FFCL_BUF(c.n > 1 ? tickets : out),
                         FFCL_I32(c.n), FFCL_I32(c.share));
    ffcl_give(ctx, &parts);
    return rc;
}
