/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>

#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

#define LOG2_E 1.4426950408889634

/* NARROW: up to so many columns the kernel that keeps scores in registers is the fastest. */
enum { TILE_QUERIES = 32, TILE_ITEMS = 128, ROW_QUERIES = 4, NARROW = 96 };

/* Columns of q and k staged at a time: Dh in equal parts of at most 32. */
static size_t qk_columns(size_t Dh)
{
    return ffcl_div_up(Dh, ffcl_div_up(Dh, 32));
}

/* Columns of v staged at a time: the multiple of 16 up to 80 that wastes least, the largest of
 * those. */
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

static int tiled(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H, size_t Dh)
{
    char options[96];
    size_t vd = v_columns(Dh);
    snprintf(options, sizeof options, "-DDH=%zu -DQD=%zu -DVD=%zu -DVC=%zu", Dh, qk_columns(Dh), vd,
             ffcl_div_up(Dh, vd));
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "attention", "attn_f32_tiled", options);
    if (rc)
        return rc;
    size_t local[3] = {TILE_ITEMS, 1, 1};
    size_t global[3] = {ffcl_div_up(T, TILE_QUERIES) * TILE_ITEMS, H, B};
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(qkv), FFCL_I32(T),
                       FFCL_I32(H), FFCL_F32(1.0 / sqrt((double)Dh)));
}

static int row(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H, size_t Dh,
               ffcl_store store)
{
    char options[64];
    snprintf(options, sizeof options, "-DDH=%zu -DVW=%zu %s", Dh, ffcl_vector(Dh),
             ffcl_store_option(store));
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "attention_row", "attn_row", options);
    if (rc)
        return rc;
    size_t items = ffcl_div_up(T, ROW_QUERIES);
    size_t local[3] = {ffcl_local_size(ctx, k, 4), 1, 1};
    size_t global[3] = {ffcl_round_up(items, local[0]), H, B};
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(qkv), FFCL_I32(T),
                       FFCL_I32(H), FFCL_F32(1.0 / sqrt((double)Dh)));
}

/* Tiles that stay within 48 KB of local memory: 64 queries and 64 keys for heads up to 128
 * columns; wide heads have 16 queries, whose result four warps share by columns. */
static int mma(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H, size_t Dh)
{
    char options[96];
    int wide = Dh > 96;
    size_t queries = wide ? 16 : 64, keys = wide ? 16 : 64, columns = wide ? 4 : 1;
    snprintf(options, sizeof options, "-DDH=%zu -DBQ=%zu -DBK=%zu -DCOLS=%zu -DSHARED=%d", Dh,
             queries, keys, columns, wide);
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "mma_attention", "mma_attention_f16", options);
    if (rc)
        return rc;
    size_t items = 32 * (queries / 16) * columns;
    size_t local[3] = {items, 1, 1};
    size_t global[3] = {ffcl_div_up(T, queries) * items, H, B};
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(qkv), FFCL_I32(T),
                       FFCL_I32(H), FFCL_F32(LOG2_E / sqrt((double)Dh)));
}

/* Four warps for each 64 queries; K and V are fetched half as often for 128 and a quarter as often
 * for 256, where that leaves enough work-groups. */
static int wgmma(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H, size_t Dh)
{
    char options[96];
    const ffcl_kernel *k;
    size_t groups = 4;
    while (groups > 1 && 2 * ffcl_div_up(T, 64 * groups) * H * B < 3 * ctx->device.caps.units)
        groups /= 2;
    snprintf(options, sizeof options, "-DDH=%zu -DGROUPS=%zu -cl-nv-maxrregcount=128", Dh, groups);
    int rc = ffcl_kernel_get(ctx, &k, "wgmma_attention", "wgmma_attention_f16", options);
    if (rc)
        return rc;
    size_t local[3] = {128 * groups, 1, 1};
    size_t global[3] = {ffcl_div_up(T, 64 * groups) * local[0], H, B};
    return ffcl_launch(ctx, k, 3, global, local, FFCL_BUF(out), FFCL_BUF(qkv), FFCL_I32(T),
                       FFCL_I32(H), FFCL_F32(LOG2_E / sqrt((double)Dh)));
}

int ffcl_attention_wgmma_fits(const ffcl_ctx *ctx, size_t Dh)
{
    return ctx->matrix_engine == FFCL_ENGINE_WGMMA && (Dh == 64 || Dh == 72);
}

int ffcl_attention_mma_fits(const ffcl_ctx *ctx, size_t Dh)
{
    return ffcl_engine_is_nvidia(ctx->matrix_engine) && Dh % 8 == 0 &&
           (Dh <= 96 || (Dh % 64 == 0 && Dh <= 512));
}

int ffcl_attention(ffcl_ctx *ctx, cl_mem out, cl_mem qkv, size_t B, size_t T, size_t H, size_t Dh,
                   ffcl_store store, ffcl_attention_variant variant)
{
    const ffcl_caps *caps = &ctx->device.caps;
    if (variant == FFCL_ATTENTION_AUTO) {
        int fits = caps->local_bytes >= 32768 && caps->max_work_group >= TILE_ITEMS;
        variant = FFCL_ATTENTION_ROW;
        if (store == FFCL_STORE_HALF && Dh > NARROW && ffcl_attention_products_fit(ctx, T, H, Dh))
            variant = FFCL_ATTENTION_PRODUCTS;
        else if (store == FFCL_STORE_HALF && ffcl_attention_wgmma_fits(ctx, Dh))
            variant = FFCL_ATTENTION_WGMMA;
        else if (store == FFCL_STORE_HALF && ffcl_attention_mma_fits(ctx, Dh))
            variant = FFCL_ATTENTION_MMA;
        else if (store == FFCL_STORE_FLOAT && ffcl_attention_batched_fits(ctx))
            variant = FFCL_ATTENTION_BATCHED;
        else if (store == FFCL_STORE_FLOAT && !(caps->type & CL_DEVICE_TYPE_CPU) && fits)
            variant = FFCL_ATTENTION_TILED;
    }
    if (variant == FFCL_ATTENTION_PRODUCTS)
        return ffcl_attention_products(ctx, out, qkv, B, T, Dh);
    ffcl_work_shape(ctx, ffcl_attention_cost(B, T, H, Dh, store), "%zux%zux%zux%zu", B, T, H, Dh);
    switch (variant) {
    case FFCL_ATTENTION_WGMMA:
        return wgmma(ctx, out, qkv, B, T, H, Dh);
    case FFCL_ATTENTION_MMA:
        return mma(ctx, out, qkv, B, T, H, Dh);
    case FFCL_ATTENTION_BATCHED:
        return ffcl_attention_batched(ctx, out, qkv, B, T, H, Dh);
    case FFCL_ATTENTION_TILED:
        return tiled(ctx, out, qkv, B, T, H, Dh);
    default:
        return row(ctx, out, qkv, B, T, H, Dh, store);
    }
}
