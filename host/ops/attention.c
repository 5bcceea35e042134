/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "cl/choices.h"
#include "cl/launch.h"
#include "cl/registers.h"
#include "ops/cost.h"
#include "ops/gemm_attention.h"
#include "util.h"

#define LOG2_E 1.4426950408889634

/* NARROW: heads of up to this many columns are fastest with scores in registers.  MANY_COLUMNS,
 * FEW_COLUMNS: of a wide head's results in the registers of Intel's GPUs with matrix instructions
 * and without. */
enum { TILE_ITEMS = 128, QUADS_ITEMS = 64, ROW_QUERIES = 4, NARROW = 96, MANY_COLUMNS = 256,
       FEW_COLUMNS = 80 };

/* Columns of q and k staged at a time: Dh in equal parts of at most 24, of whole quads where Dh
 * is. */
static size_t qk_columns(size_t Dh)
{
    const size_t each = ffcl_div_up(Dh, ffcl_div_up(Dh, 24));
    return Dh % 4 ? each : ffcl_round_up(each, 4);
}

/* Columns of v staged at a time: the multiple of 16 up to 80 that wastes fewest columns, the
 * largest of several such. */
static size_t v_columns(size_t Dh)
{
    size_t best = 16, waste = (size_t)-1;
    for (size_t n = 16; n <= 80; n += 16) {
        size_t w = ffcl_round_up(Dh, n) - Dh;
        if (w <= waste) {
            waste = w;
            best = n;
        }
    }
    return best;
}

static size_t head_size(const ffcl_attention_desc *d)
{
    return d->out.cols / d->heads;
}

/* All kernels take the same arguments: scale is 1 / sqrt(Dh), times log2(e) where they use exp2.
 * shares: work-groups that a head's columns are shared among. */
static void launch(ffcl_ctx *ctx, const ffcl_kernel *k, const ffcl_attention_desc *d,
                   size_t global_x, size_t local_x, size_t shares, double scale)
{
    size_t local[3] = {local_x, 1, 1}, global[3] = {global_x, d->heads * shares, d->qkv.batch};
    ffcl_cost work = ffcl_attention_cost(d);
    work.flops *= (double)(shares + 1) / 2.0;
    ffcl_work_shape(ctx, work, "%zux%zux%zux%zu", d->qkv.batch, d->qkv.rows,
                    d->heads, head_size(d));
    ffcl_launch(ctx, k, 3, global, local, FFCL_DENSE(&d->out), FFCL_DENSE(&d->qkv),
                FFCL_INT(d->qkv.rows), FFCL_INT(d->heads),
                FFCL_FLOAT(scale / sqrt((double)head_size(d))));
}

static int tiled_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_caps *caps = &ctx->device.caps;
    (void)desc;
    return caps->local_bytes >= 32768 && caps->max_work_group >= TILE_ITEMS;
}

/* Intel's GPUs keep the results in registers only without rounds over the columns of v: the
 * work-groups that share a head's; 0 elsewhere. */
static size_t tile_shares(const ffcl_ctx *ctx, size_t Dh)
{
    if (!ctx->device.caps.few_lanes)
        return 0;
    return ffcl_div_up(Dh, ffcl_has_few_registers(ctx) ? FEW_COLUMNS : MANY_COLUMNS);
}

static void tiled_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t Dh = head_size(d), shares = tile_shares(ctx, Dh);
    const size_t vd = shares ? ffcl_round_up(ffcl_div_up(Dh, shares), 16) : v_columns(Dh);
    char options[128];
    snprintf(options, sizeof options,
             "-DDH=%zu -DQD=%zu -DVD=%zu -DVC=%zu -DQUADS=%d -DSHARES=%zu %s", Dh,
             qk_columns(Dh), vd, shares ? 1 : ffcl_div_up(Dh, vd), Dh % 4 == 0,
             ffcl_max(shares, 1), ffcl_dtype_option(d->qkv.dtype));
    launch(ctx, ffcl_kernel_get(ctx, "attention", "attn_tiled", options), d,
           ffcl_div_up(d->qkv.rows, 32) * TILE_ITEMS, TILE_ITEMS, ffcl_max(shares, 1), 1.0);
}

static int quads_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_caps *caps = &ctx->device.caps;
    const size_t Dh = head_size(desc);
    return Dh % 4 == 0 && Dh <= NARROW && caps->local_bytes >= 32768 &&
           caps->max_work_group >= QUADS_ITEMS;
}

/* More queries a work-group read keys and values less often, where enough work-groups are left for
 * every compute unit; Intel's GPUs lack the registers. */
static int quads_pay(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t groups = ffcl_div_up(d->qkv.rows, 64) * d->heads * d->qkv.batch;
    return !ffcl_is_cpu(ctx) && !ctx->device.caps.few_lanes &&
           groups >= 2 * (size_t)ctx->device.caps.units;
}

static void quads_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t Dh = head_size(d);
    char options[96];
    snprintf(options, sizeof options, "-DDH=%zu -DQD=24 -DVD=%zu %s", Dh, ffcl_round_up(Dh, 8),
             ffcl_dtype_option(d->qkv.dtype));
    launch(ctx, ffcl_kernel_get(ctx, "attention_quads", "attn_quads", options), d,
           ffcl_div_up(d->qkv.rows, 64) * QUADS_ITEMS, QUADS_ITEMS, 1, 1.0);
}

static int row_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx, (void)desc;
    return 1;
}

static void row_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t Dh = head_size(d);
    char options[64];
    snprintf(options, sizeof options, "-DDH=%zu -DVW=%zu %s", Dh, ffcl_vector(Dh),
             ffcl_dtype_option(d->qkv.dtype));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "attention_row", "attn_row", options);
    const size_t local = ffcl_local_size(ctx, k, 4);
    launch(ctx, k, d, ffcl_round_up(ffcl_div_up(d->qkv.rows, ROW_QUERIES), local), local, 1, 1.0);
}

static int mma_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t Dh = head_size(d);
    return d->qkv.dtype == FFCL_F16 && ffcl_has_tensor_cores(ctx) && Dh % 8 == 0 &&
           (Dh <= 96 || (Dh % 64 == 0 && Dh <= 512));
}

/* Tiles that stay within 48 KB of local memory: 64 queries and 64 keys for heads up to 128
 * columns; wide heads have 16 queries, whose result four warps share by columns. */
static void mma_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t Dh = head_size(d);
    char options[96];
    int wide = Dh > 96;
    size_t queries = wide ? 16 : 64, keys = wide ? 16 : 64, columns = wide ? 4 : 1;
    snprintf(options, sizeof options, "-DDH=%zu -DBQ=%zu -DBK=%zu -DCOLS=%zu -DSHARED=%d", Dh,
             queries, keys, columns, wide);
    size_t items = 32 * (queries / 16) * columns;
    launch(ctx, ffcl_kernel_get(ctx, "mma_attention", "mma_attention_f16", options), d,
           ffcl_div_up(d->qkv.rows, queries) * items, items, 1, LOG2_E);
}

static int wgmma_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t Dh = head_size(d);
    return d->qkv.dtype == FFCL_F16 && ctx->matrix_unit == FFCL_UNIT_WGMMA &&
           (Dh == 64 || Dh == 72) && (!ctx->checked_head || Dh == ctx->checked_head);
}

/* Four warps for each 64 queries; K and V are fetched half as often for 128 and a quarter as often
 * for 256, where that leaves enough work-groups. */
static void wgmma_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    const size_t T = d->qkv.rows, heads = d->heads * d->qkv.batch;
    char options[96];
    size_t groups = 4;
    while (groups > 1 && 2 * ffcl_div_up(T, 64 * groups) * heads < 3 * ctx->device.caps.units)
        groups /= 2;
    snprintf(options, sizeof options, "-DDH=%zu -DGROUPS=%zu -cl-nv-maxrregcount=128",
             head_size(d), groups);
    launch(ctx, ffcl_kernel_get(ctx, "wgmma_attention", "wgmma_attention_f16", options), d,
           ffcl_div_up(T, 64 * groups) * 128 * groups, 128 * groups, 1, LOG2_E);
}

static int is_head_wide(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return head_size(desc) > NARROW;
}

/* On a GPU a kernel that keeps a wide head's result in registers is slower than the GEMMs. */
static int gemms_pay(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_dtype dtype = ((const ffcl_attention_desc *)desc)->qkv.dtype;
    if (ffcl_is_cpu(ctx))
        return dtype == FFCL_F32;
    return is_head_wide(ctx, desc) && ffcl_gemm_takes_batches(ctx, dtype);
}

static ffcl_cost cost(const void *desc)
{
    return ffcl_attention_cost(desc);
}

static const ffcl_variant variants[] = {
    {"row", "on any device: a work-item has four queries, no local memory", row_can, NULL, cost,
     row_run},
    {"tiled", "on GPUs: online softmax over tiles of K and V in local memory", tiled_can,
     ffcl_on_gpu, cost, tiled_run},
    {"quads", "the same with work-groups enough: twice as many scores of a work-item, in registers",
     quads_can, quads_pay, cost, quads_run},
    {"gemms", "with batches of GEMMs: float32 on CPUs, and on GPUs heads of more than 96 columns",
     ffcl_attention_gemms_can, gemms_pay, cost, ffcl_attention_gemms},
    {"gemms-copied", "half on CPUs: the same, of float32 copies of an image at a time",
     ffcl_attention_copied_can, NULL, cost, ffcl_attention_copied},
    {"mma", "half on NVIDIA's tensor cores: heads of 8, 16, .. 96 columns, or 128, 192, .. 512",
     mma_can, NULL, cost, mma_run},
    {"wgmma", "half on tensor cores of compute capability 9.0, heads of 64 or 72", wgmma_can, NULL,
     cost, wgmma_run},
    {"gemms-half", "one half head of more than 96 columns on tensor cores: the VAE's",
     ffcl_attention_gemms_half_can, is_head_wide, cost, ffcl_attention_gemms_half},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_attention_desc *d = desc;
    ffcl_sizes_tensor(s, &d->out);
    ffcl_sizes_tensor(s, &d->qkv);
    ffcl_sizes_add(s, d->heads);
}

const ffcl_operation ffcl_attention_operation = {FFCL_OP_ATTENTION, "attention", variants,
                                                 sizeof variants / sizeof *variants, sizes};

void ffcl_attention(ffcl_ctx *ctx, const ffcl_tensor *out, const ffcl_tensor *qkv, size_t heads)
{
    ffcl_dispatch(ctx, &ffcl_attention_operation, &(ffcl_attention_desc){*out, *qkv, heads});
}
