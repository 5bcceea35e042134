/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "cl/launch.h"
#include "gemm.h"
#include "ops/cost.h"
#include "ops/ops.h"
#include "util.h"

/* Columns of a NARROW product: what the matrix engine takes at least. */
enum { NARROW = 8 };

ffcl_conv_kind ffcl_conv_kind_of(size_t out, size_t side, int upsample, ffcl_store store)
{
    if (upsample)
        return FFCL_CONV_UPSAMPLE;
    if (out <= 4)
        return store == FFCL_STORE_HALF ? FFCL_CONV_NARROW : FFCL_CONV_DIRECT;
    return side == 1 ? FFCL_CONV_POINT : FFCL_CONV_COLUMNS;
}

/* The output parity of an upsampled pixel and a 3 x 3 tap meet one of two input pixels: parity 0
 * sees taps {0} and {1, 2}, parity 1 sees taps {0, 1} and {2}. */
static size_t parity_tap(size_t parity, size_t tap)
{
    return parity == 0 ? tap > 0 : tap > 1;
}

size_t ffcl_conv_floats(const ffcl_conv_weight *w, size_t *parts)
{
    if (ffcl_is_winograd(w->kind)) {
        *parts = 1;
        return ffcl_winograd_points(w->kind) * w->in * w->out;
    }
    *parts = w->kind == FFCL_CONV_UPSAMPLE ? 4 : 1;
    size_t out = w->kind == FFCL_CONV_NARROW ? NARROW : w->out;
    size_t K = (w->kind == FFCL_CONV_UPSAMPLE ? 4 : w->side * w->side) * w->in;
    return w->store == FFCL_STORE_HALF ? ffcl_tiled_halves(out, K) : K * out;
}

void ffcl_conv_layout(ffcl_conv_kind kind, ffcl_store store, size_t i, const float *w, size_t in,
                      size_t out, size_t side, float *laid_out)
{
    size_t taps = kind == FFCL_CONV_UPSAMPLE ? 4 : side * side;
    int tiled = store == FFCL_STORE_HALF;
    size_t columns = kind == FFCL_CONV_NARROW ? NARROW : out, K = taps * in;
    memset(laid_out, 0,
           (tiled ? ffcl_tiled_halves(columns, K) : K * columns) * sizeof *laid_out);
    for (size_t o = 0; o < out; o++)
        for (size_t c = 0; c < in; c++)
            for (size_t y = 0; y < side; y++)
                for (size_t x = 0; x < side; x++) {
                    size_t tap = y * side + x;
                    if (kind == FFCL_CONV_UPSAMPLE)
                        tap = parity_tap(i >> 1, y) * 2 + parity_tap(i & 1, x);
                    size_t k = tap * in + c;
                    size_t at = tiled                      ? ffcl_tiled_at(o, k, K)
                                : kind == FFCL_CONV_DIRECT ? o * K + k
                                                           : k * out + o;
                    laid_out[at] += w[((o * in + c) * side + y) * side + x];
                }
}

/* One product over pixels of x: kh x kw taps starting at (dy, dx). */
typedef struct taps {
    size_t kh, kw;
    int dy, dx;
} taps;

static int im2col(ffcl_ctx *ctx, cl_mem columns, cl_mem x, size_t Hh, size_t Ww, size_t C,
                  const taps *t, size_t first, size_t M)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "conv", "im2col_f32", "");
    if (rc)
        return rc;
    size_t local[2] = {32, 8};
    size_t global[2] = {ffcl_round_up(M, 32), ffcl_div_up(C, 32) * 8};
    ffcl_work(ctx, ffcl_each_cost(M * C, 0.0, 4.0 + 4.0 * (double)(t->kh * t->kw)));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(columns), FFCL_BUF(x), FFCL_I32(Hh),
                       FFCL_I32(Ww), FFCL_I32(C), FFCL_I32(t->kh), FFCL_I32(t->kw), FFCL_I32(t->dy),
                       FFCL_I32(t->dx), FFCL_I32(first), FFCL_I32(M), FFCL_I32(M));
}

size_t ffcl_conv_band(const ffcl_caps *caps, size_t K, size_t pixels)
{
    size_t most = (size_t)((caps->type & CL_DEVICE_TYPE_CPU) ? 32u << 20 : 256u << 20);
    most = ffcl_min(most, (size_t)(caps->global_bytes / 16));
    most = ffcl_min(most, (size_t)caps->max_alloc_bytes);
    size_t band = most / (K * sizeof(float)) / FFCL_GEMM_ROW_STEP * FFCL_GEMM_ROW_STEP;
    return ffcl_min(pixels, ffcl_max(band, FFCL_GEMM_ROW_STEP));
}

static int columns_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                        size_t Hh, size_t Ww, int has_add, cl_mem add)
{
    const taps t = {w->side, w->side, -(int)(w->side / 2), -(int)(w->side / 2)};
    const size_t P = B * Hh * Ww, together = ctx->any_batch || ctx->cblas ? Hh * Ww : P;
    size_t K = w->side * w->side * w->in, M = 0;
    size_t band = ffcl_conv_band(&ctx->device.caps, K, together);
    ffcl_buf columns = {0};
    int rc = ffcl_take(ctx, &columns, K * band);
    /* Bands that end with a picture are the same in any batch. */
    for (size_t first = 0; rc == 0 && first < P; first += M) {
        M = ffcl_min(band, together - first % together);
        rc = im2col(ctx, columns.mem, x, Hh, Ww, w->in, &t, first, M);
        ffcl_product p = {
            .m = M, .n = w->out, .k = K, .a = columns.mem, .a_ld = M, .a_kmajor = 1,
            .w = w->weight[0], .w_ld = w->out,
            .out = out, .out_at = first * w->out, .out_ld = w->out,
            .epilogue = {.has_bias = 1, .bias = w->bias, .has_add = has_add, .add = add,
                         .add_at = first * w->out, .add_ld = w->out, .add_rows = M},
            .each = M};
        if (rc == 0)
            rc = ffcl_gemm(ctx, &p);
    }
    ffcl_give(ctx, &columns);
    return rc;
}

static int scatter(ffcl_ctx *ctx, cl_mem out, cl_mem acc, cl_mem bias, size_t N, size_t Ww,
                   size_t first, size_t M, size_t parity)
{
    const ffcl_kernel *k;
    int rc = ffcl_kernel_get(ctx, &k, "epilogue", "epilogue_parity_f32", "");
    if (rc)
        return rc;
    size_t total = ffcl_local_size(ctx, k, 256);
    size_t local[2] = {ffcl_min(64, total), ffcl_max(total / 64, 1)};
    size_t global[2] = {ffcl_round_up(N, local[0]), ffcl_round_up(ffcl_div_up(M, 8), local[1])};
    ffcl_work(ctx, ffcl_each_cost(M * N, 1.0, 8.0));
    return ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(out), FFCL_BUF(acc), FFCL_I32(N),
                       FFCL_BUF(bias), FFCL_I32(Ww), FFCL_I32(first), FFCL_I32(parity >> 1),
                       FFCL_I32(parity & 1), FFCL_I32(M), FFCL_I32(N));
}

static int upsample_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                         size_t Hh, size_t Ww)
{
    size_t K = 4 * w->in, P = B * Hh * Ww;
    size_t band = ffcl_conv_band(&ctx->device.caps, K, P);
    ffcl_buf columns = {0}, acc = {0};
    int rc = ffcl_take(ctx, &columns, K * band);
    if (rc == 0)
        rc = ffcl_take(ctx, &acc, w->out * band);
    for (size_t first = 0; rc == 0 && first < P; first += band)
        for (size_t parity = 0; rc == 0 && parity < 4; parity++) {
            const taps t = {2, 2, (int)(parity >> 1) - 1, (int)(parity & 1) - 1};
            size_t M = ffcl_min(band, P - first);
            rc = im2col(ctx, columns.mem, x, Hh, Ww, w->in, &t, first, M);
            ffcl_product p = {.m = M, .n = w->out, .k = K, .a = columns.mem, .a_ld = M,
                              .a_kmajor = 1, .w = w->weight[parity], .w_ld = w->out,
                              .out = acc.mem, .out_ld = w->out};
            if (rc == 0)
                rc = ffcl_gemm(ctx, &p);
            if (rc == 0)
                rc = scatter(ctx, out, acc.mem, w->bias, w->out, Ww, first, M, parity);
        }
    ffcl_give(ctx, &acc);
    ffcl_give(ctx, &columns);
    return rc;
}

static int direct_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                       size_t Hh, size_t Ww)
{
    const ffcl_kernel *k;
    const int vectors = (ctx->device.caps.type & CL_DEVICE_TYPE_CPU) && w->in % 16 == 0;
    int rc = ffcl_kernel_get(ctx, &k, "conv_direct", "conv_direct_f32", vectors ? "-DVW=16" : "");
    if (rc)
        return rc;
    size_t n = B * Hh * Ww;
    int shift = -(int)(w->side / 2);
    ffcl_work_shape(ctx, ffcl_conv_cost(w, B, Hh, Ww, 0), "%zux%zux%zux%zu>%zu", B, Hh, Ww, w->in,
                    w->out);
    return ffcl_launch_items(ctx, k, n, FFCL_BUF(out), FFCL_BUF(x), FFCL_BUF(w->weight[0]),
                             FFCL_BUF(w->bias), FFCL_I32(Hh), FFCL_I32(Ww), FFCL_I32(w->in),
                             FFCL_I32(w->out), FFCL_I32(w->side), FFCL_I32(w->side),
                             FFCL_I32(shift), FFCL_I32(shift), FFCL_I32(n));
}

/* Half pictures: one product that gathers its operand from the picture. */
static int gathered_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                         size_t Hh, size_t Ww, int has_add, cl_mem add)
{
    const int up = w->kind == FFCL_CONV_UPSAMPLE, shift = -(int)(w->side / 2);
    const size_t M = B * Hh * Ww, kw = up ? 2 : w->side;
    const ffcl_gather gather = {Hh, Ww, w->in, kw, shift, shift, up};
    ffcl_product p = {.m = M, .n = w->out, .k = kw * kw * w->in, .a = x, .a_ld = w->in,
                      .w = w->weight[0], .out = out, .out_ld = w->out,
                      .epilogue = {.has_bias = 1, .bias = w->bias, .has_add = has_add, .add = add,
                                   .add_ld = w->out, .add_rows = M},
                      .half = 1, .out_half = 1,
                      .gather = w->kind == FFCL_CONV_POINT ? NULL : &gather};
    return ffcl_gemm(ctx, &p);
}

/* Eight columns in scratch memory, of which the first Cout are kept. */
static int narrow_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B,
                       size_t Hh, size_t Ww)
{
    const int shift = -(int)(w->side / 2);
    const size_t M = B * Hh * Ww;
    const ffcl_gather gather = {Hh, Ww, w->in, w->side, shift, shift, 0};
    ffcl_buf wide = {0};
    const ffcl_kernel *k = NULL;
    int rc = ffcl_take(ctx, &wide, M * NARROW);
    ffcl_product p = {.m = M, .n = NARROW, .k = w->side * w->side * w->in, .a = x, .a_ld = w->in,
                      .w = w->weight[0], .out = wide.mem, .out_ld = NARROW,
                      .epilogue = {.has_bias = 1, .bias = w->bias}, .half = 1, .gather = &gather};
    if (rc == 0)
        rc = ffcl_gemm(ctx, &p);
    if (rc == 0)
        rc = ffcl_kernel_get(ctx, &k, "conv", "conv_narrow_f32", "");
    ffcl_work(ctx, ffcl_each_cost(M * w->out, 0.0, 8.0));
    if (rc == 0)
        rc = ffcl_launch_items(ctx, k, M * w->out, FFCL_BUF(out), FFCL_BUF(wide.mem),
                               FFCL_I32(NARROW), FFCL_I32(w->out), FFCL_I32(M * w->out));
    ffcl_give(ctx, &wide);
    return rc;
}

int ffcl_conv(ffcl_ctx *ctx, cl_mem out, cl_mem x, const ffcl_conv_weight *w, size_t B, size_t Hh,
              size_t Ww, int has_add, cl_mem add)
{
    if (w->kind == FFCL_CONV_NARROW && ffcl_halo_conv_can(ctx, w))
        return ffcl_halo_conv(ctx, out, x, w, B, Hh, Ww, &(ffcl_halo){0});
    if (w->kind == FFCL_CONV_NARROW)
        return narrow_conv(ctx, out, x, w, B, Hh, Ww);
    if (w->store == FFCL_STORE_HALF)
        return gathered_conv(ctx, out, x, w, B, Hh, Ww, has_add, add);
    switch (w->kind) {
    case FFCL_CONV_WINOGRAD:
    case FFCL_CONV_WINOGRAD_UPSAMPLE:
        return ffcl_winograd_conv(ctx, out, x, w, B, Hh, Ww, has_add, add);
    case FFCL_CONV_UPSAMPLE:
        return upsample_conv(ctx, out, x, w, B, Hh, Ww);
    case FFCL_CONV_DIRECT:
        return direct_conv(ctx, out, x, w, B, Hh, Ww);
    case FFCL_CONV_POINT: {
        size_t P = B * Hh * Ww;
        ffcl_product p = {.m = P, .n = w->out, .k = w->in, .a = x, .a_ld = w->in,
                          .w = w->weight[0], .w_ld = w->out, .out = out, .out_ld = w->out,
                          .epilogue = {.has_bias = 1, .bias = w->bias, .has_add = has_add,
                                       .add = add, .add_ld = w->out, .add_rows = P}};
        return ffcl_gemm(ctx, &p);
    }
    default:
        return columns_conv(ctx, out, x, w, B, Hh, Ww, has_add, add);
    }
}
