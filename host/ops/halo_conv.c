/* SPDX-License-Identifier: MIT */
#include "ops/halo_conv.h"

#include <assert.h>
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "util.h"

/* The tile of cl/halo_conv.cl in pixels, its possible widths in columns, and its work-group. */
enum {
    TILE_X = 16, TILE_Y = 8, COLUMNS = 128, FEW_COLUMNS = 64, LEAST_COLUMNS = 8, ITEMS = 128
};
/* Split-K: the fewest channels of a share, the most shares of a tile, and the work-groups a compute
 * unit up to which tiles are split. */
enum { SHARE = 64, MOST_SHARES = 8, FILL = 2 };
/* Work-groups of wide and of narrow tiles that fit a compute unit. */
enum { WIDE_FIT = 3, NARROW_FIT = 5 };

static size_t tiles(const ffcl_tensor *x)
{
    return ffcl_div_up(ffcl_height(x), TILE_Y) * ffcl_div_up(x->width, TILE_X);
}

static int is_narrow_weight(const ffcl_conv_weight *w)
{
    return w->layout == FFCL_CONV_NARROW;
}

int ffcl_halo_conv_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_weight *w = ((const ffcl_conv_desc *)desc)->w;
    return ctx->matrix_unit == FFCL_UNIT_WGMMA && w->dtype == FFCL_F16 && w->side == 3 &&
           !ffcl_conv_is_special(w) && w->act == FFCL_ACT_NONE &&
           w->in % 32 == 0 && (w->out % 8 == 0 || is_narrow_weight(w));
}

/* How a convolution is cut into work-groups: into `count` tiles of `columns` columns, and the
 * channels of each into n shares of `share` channels. */
typedef struct cut {
    size_t columns, count, n, share;
} cut;

/* The share of the device that is busy on average while `count` work-groups run in rounds of `fit`,
 * the last of which may not be full. */
static double fullness(size_t count, size_t fit)
{
    return (double)count / (double)(ffcl_div_up(count, fit) * fit);
}

/* Narrow tiles read the image twice as often, which costs more where there are fewer taps.  They
 * are faster where wide ones leave half of the units idle, or have few work-groups in their last
 * round. 0.79 and 0.88: their speed relative to wide ones on a full device. */
static int is_narrow(size_t wide, size_t narrow, size_t units, int up)
{
    if (wide <= WIDE_FIT * units)
        return 2 * wide <= units;
    return (up ? 0.79 : 0.88) * fullness(narrow, NARROW_FIT * units) >
           fullness(wide, WIDE_FIT * units);
}

/* With few tiles these are made narrower and their channels split, so that no unit is idle.  Sums
 * then have another order, hence never with batch_invariant. */
static cut choose_cut(const ffcl_ctx *ctx, const ffcl_conv_desc *d)
{
    const ffcl_conv_weight *w = d->w;
    const size_t units = ffcl_max(ctx->device.caps.units, 1);
    const size_t pixels = d->x.batch * tiles(&d->x) * (w->upsample ? 4 : 1);
    const size_t narrow = pixels * ffcl_div_up(w->out, FEW_COLUMNS);
    cut c = {COLUMNS, pixels * ffcl_div_up(w->out, COLUMNS), 1, w->in};
    if (is_narrow_weight(w))
        c.columns = LEAST_COLUMNS;
    if (ctx->batch_invariant || is_narrow_weight(w))
        return c;
    if (is_narrow(c.count, narrow, units, w->upsample)) {
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

int ffcl_halo_conv_pays(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    if (is_narrow_weight(d->w))
        return 1;
    /* With fewer work-groups units are idle, and gemm_mma.cl has smaller tiles; but it adds in
     * another order. */
    if (d->w->out < COLUMNS / 2)
        return 0;
    const cut c = choose_cut(ctx, d);
    return ctx->batch_invariant || 4 * c.count * c.n >= 3 * ctx->device.caps.units;
}

/* Chunks of an image in the moments; 0 where none are wanted or the sizes do not allow them. */
static size_t chunks_of(const ffcl_conv_desc *d)
{
    const size_t groups = d->moments ? d->moments->rows : 0;
    const size_t width = groups && d->w->out % groups == 0 ? d->w->out / groups : 0;
    if ((width != 4 && width != 8 && width != 16) || ffcl_height(&d->x) % TILE_Y ||
        d->x.width % TILE_X)
        return 0;
    return tiles(&d->x) * (d->w->upsample ? 4 : 1);
}

void ffcl_halo_conv(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const cut c = choose_cut(ctx, d);
    const size_t chunks = chunks_of(d), groups = chunks ? d->moments->rows : 0;
    const ffcl_tensor *out = &d->out;
    ffcl_tensor partial = *out, tickets = *out;
    char options[128];
    partial.slot = 0;
    assert(!d->add || (!w->upsample && !is_narrow_weight(w)));
    if (chunks)
        *d->moments = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, d->x.batch, groups, 2 * chunks));
    /* The registers of a work-item with which three or five work-groups fit a compute unit; without
     * the limit the compiler takes a few more, needlessly. */
    snprintf(options, sizeof options, "-DBN=%zu -DUP=%d -DSTATS=%d -DSPLIT=%d "
             "-cl-nv-maxrregcount=%d", c.columns, w->upsample, groups != 0, c.n > 1,
             c.columns == COLUMNS ? 168 : 96);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "halo_conv", "halo_conv_f16", options);
    if (c.n > 1) {
        partial = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, c.count, c.n,
                                                c.columns * TILE_X * TILE_Y));
        tickets = ffcl_tickets(ctx);
    }
    assert(c.n == 1 || c.count <= FFCL_TICKETS);
    size_t local[3] = {ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(w->out, c.columns) * ITEMS, d->x.batch * tiles(&d->x),
                        (w->upsample ? 4 : 1) * c.n};
    ffcl_work_shape(ctx, ffcl_conv_cost(d), "%zux%zux%zux%zu>%zu", d->x.batch, ffcl_height(&d->x),
                    d->x.width, w->in, w->out);
    ffcl_launch(ctx, k, 3, global, local, FFCL_DENSE(out), FFCL_DENSE(&d->x),
                FFCL_BUF(&w->weight[0]), FFCL_BUF(&w->bias), FFCL_BUF(d->add ? d->add : &d->x),
                FFCL_INT(d->add != NULL), FFCL_BUF(chunks ? d->moments : out), FFCL_INT(groups),
                FFCL_INT(ffcl_height(&d->x)), FFCL_INT(d->x.width), FFCL_INT(w->in),
                FFCL_INT(w->out), FFCL_BUF(&partial), FFCL_BUF(&tickets), FFCL_INT(c.n),
                FFCL_INT(c.share));
    ffcl_give(ctx, &partial);
}
