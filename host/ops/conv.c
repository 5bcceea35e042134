/* SPDX-License-Identifier: MIT
 * The variants of convolution. */
#include "cl/choices.h"
#include "cl/launch.h"
#include "ops/cost.h"
#include "ops/halo_conv.h"
#include "ops/winograd.h"
#include "util.h"

static int has(const void *desc, ffcl_conv_layout layout)
{
    return ((const ffcl_conv_desc *)desc)->w->layout == layout;
}

/* ---- im2col --------------------------------------------------------------------------------- */

/* kh x kw taps, the first at (stride y + dy, stride x + dx) for pixel (y, x) of oh x ow. */
typedef struct taps {
    size_t kh, kw, oh, ow, stride;
    int dy, dx;
} taps;

static taps taps_of(const ffcl_conv_desc *d)
{
    const ffcl_conv_weight *w = d->w;
    const size_t tall = ffcl_conv_tall(w);
    return (taps){tall, w->side, ffcl_height(&d->out), d->out.width, w->stride ? w->stride : 1,
                  w->valid ? 0 : -(int)(tall / 2), w->valid ? 0 : -(int)(w->side / 2)};
}

/* columns (M, taps*C), as COLUMNS: those of output pixels first .. first+M-1 of all images. */
static void im2col(ffcl_ctx *ctx, const ffcl_tensor *columns, const ffcl_tensor *x, const taps *t,
                   size_t first)
{
    const size_t M = columns->rows, C = x->cols;
    char option[16];
    size_t local[2] = {32, ffcl_tile_lines(ctx, option)};
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "conv", "im2col_f32", option);
    size_t global[2] = {ffcl_round_up(M, 32), ffcl_div_up(C, 32) * local[1]};
    ffcl_work(ctx, ffcl_each_cost(M * C, 0.0, 4.0 + 4.0 * (double)(t->kh * t->kw)));
    ffcl_launch(ctx, k, 2, global, local, FFCL_BUF(columns), FFCL_DENSE(x),
                FFCL_INT(ffcl_height(x)), FFCL_INT(x->width), FFCL_INT(C), FFCL_INT(t->oh),
                FFCL_INT(t->ow), FFCL_INT(t->kh), FFCL_INT(t->kw), FFCL_INT(t->stride),
                FFCL_INT(t->dy), FFCL_INT(t->dx), FFCL_INT(first), FFCL_INT(M), FFCL_INT(M));
}

/* columns (M, taps*C) as rows: the same. */
static void im2col_rows(ffcl_ctx *ctx, const ffcl_tensor *columns, const ffcl_tensor *x,
                        const taps *t, size_t first)
{
    const size_t M = columns->rows, C = x->cols;
    char option[16];
    snprintf(option, sizeof option, "-DVW=%zu", ffcl_vector(C));
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "conv_copy", "im2col_copy_f32", option);
    ffcl_work(ctx, ffcl_each_cost(M * C, 0.0, 4.0 + 4.0 * (double)(t->kh * t->kw)));
    ffcl_launch_items(ctx, k, M, FFCL_BUF(columns), FFCL_DENSE(x),
                      FFCL_INT(ffcl_height(x)), FFCL_INT(x->width), FFCL_INT(C), FFCL_INT(t->oh),
                      FFCL_INT(t->ow), FFCL_INT(t->kh), FFCL_INT(t->kw), FFCL_INT(t->stride),
                      FFCL_INT(t->dy), FFCL_INT(t->dx), FFCL_INT(first), FFCL_INT(M));
}

size_t ffcl_conv_band(const ffcl_caps *caps, size_t K, size_t pixels)
{
    size_t most = (size_t)((caps->type & CL_DEVICE_TYPE_CPU) ? 32u << 20 : 256u << 20);
    most = ffcl_min(most, (size_t)(caps->global_bytes / 16));
    most = ffcl_min(most, (size_t)caps->max_alloc_bytes);
    if (caps->scratch_bytes)
        most = ffcl_min(most, caps->scratch_bytes);
    size_t band = most / (K * sizeof(float)) / FFCL_GEMM_ROW_STEP * FFCL_GEMM_ROW_STEP;
    return ffcl_min(pixels, ffcl_max(band, FFCL_GEMM_ROW_STEP));
}

/* The columns of M pixels, K a pixel, in scratch memory. */
static ffcl_tensor columns_of(const ffcl_tensor *scratch, size_t M, size_t K)
{
    return ffcl_transposed(ffcl_tensor_in(scratch->mem, ffcl_tensor_of(FFCL_F32, 1, K, M)));
}

static void im2col_conv(ffcl_ctx *ctx, const ffcl_conv_desc *d, int by_rows)
{
    const ffcl_conv_weight *w = d->w;
    const taps t = taps_of(d);
    const size_t P = d->out.batch * d->out.rows, K = w->weight[0].rows;
    /* Bands that end with an image are the same in any batch. */
    const size_t together = ffcl_gemm_rounds_by_image(ctx) ? d->out.rows : P;
    const size_t band = ffcl_conv_band(&ctx->device.caps, K, together);
    ffcl_tensor scratch = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, K, band));
    size_t M = 0;
    for (size_t first = 0; first < P; first += M) {
        M = ffcl_min(band, together - first % together);
        ffcl_tensor columns = columns_of(&scratch, M, K);
        if (by_rows)
            columns = ffcl_tensor_in(scratch.mem, ffcl_tensor_of(FFCL_F32, 1, M, K));
        (by_rows ? im2col_rows : im2col)(ctx, &columns, &d->x, &t, first);
        ffcl_tensor add = {0};
        if (d->add)
            add = ffcl_rows(ffcl_flat(*d->add), first, M);
        ffcl_gemm(ctx, &(ffcl_matmul){.out = ffcl_rows(ffcl_flat(d->out), first, M),
                                      .a = columns, .w = w->weight[0], .bias = &w->bias,
                                      .add = d->add ? &add : NULL, .act = w->act});
    }
    ffcl_give(ctx, &scratch);
}

/* Writes the sums of one parity, for pixels first .. of the small image, to their places, +
 * bias. */
static void scatter(ffcl_ctx *ctx, const ffcl_conv_desc *d, const ffcl_tensor *sums, size_t first,
                    size_t parity)
{
    const size_t M = sums->rows, N = sums->cols;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "epilogue", "epilogue_parity_f32", "");
    size_t total = ffcl_local_size(ctx, k, 256);
    size_t local[2] = {ffcl_min(64, total), ffcl_max(total / 64, 1)};
    size_t global[2] = {ffcl_round_up(N, local[0]), ffcl_round_up(ffcl_div_up(M, 8), local[1])};
    ffcl_work(ctx, ffcl_each_cost(M * N, 1.0, 8.0));
    ffcl_launch(ctx, k, 2, global, local, FFCL_DENSE(&d->out), FFCL_BUF(sums), FFCL_INT(N),
                FFCL_BUF(&d->w->bias), FFCL_INT(d->x.width), FFCL_INT(first),
                FFCL_INT(parity >> 1), FFCL_INT(parity & 1), FFCL_INT(M), FFCL_INT(N));
}

static void im2col_upsample(ffcl_ctx *ctx, const ffcl_conv_desc *d)
{
    const ffcl_conv_weight *w = d->w;
    const size_t K = 4 * w->in, P = d->x.batch * d->x.rows;
    const size_t band = ffcl_conv_band(&ctx->device.caps, K, P);
    ffcl_tensor scratch = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, K, band));
    ffcl_tensor sums = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, 1, band, w->out));
    for (size_t first = 0; first < P; first += band)
        for (size_t parity = 0; parity < 4; parity++) {
            const taps t = {2, 2, ffcl_height(&d->x), d->x.width, 1, (int)(parity >> 1) - 1,
                            (int)(parity & 1) - 1};
            const size_t M = ffcl_min(band, P - first);
            const ffcl_tensor columns = columns_of(&scratch, M, K), out = ffcl_rows(sums, 0, M);
            im2col(ctx, &columns, &d->x, &t, first);
            ffcl_gemm(ctx, &(ffcl_matmul){.out = out, .a = columns, .w = w->weight[parity],
                                          .rows_per_image = ffcl_min(d->x.rows, M)});
            scatter(ctx, d, &out, first, parity);
        }
    ffcl_give(ctx, &sums);
    ffcl_give(ctx, &scratch);
}

static int im2col_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return has(desc, FFCL_CONV_IM2COL);
}

static void im2col_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    if (d->w->upsample)
        im2col_upsample(ctx, d);
    else
        im2col_conv(ctx, d, 0);
}

static int rows_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return has(desc, FFCL_CONV_IM2COL) && !((const ffcl_conv_desc *)desc)->w->upsample;
}

static void rows_run(ffcl_ctx *ctx, const void *desc)
{
    im2col_conv(ctx, desc, 1);
}

/* ---- the others ----------------------------------------------------------------------------- */

static int point_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_weight *w = ((const ffcl_conv_desc *)desc)->w;
    (void)ctx;
    return w->side == 1 && !ffcl_conv_is_special(w) &&
           (w->layout == FFCL_CONV_IM2COL || w->layout == FFCL_CONV_TILES);
}

static void point_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    ffcl_gemm(ctx, &(ffcl_matmul){.out = d->out, .a = d->x, .w = d->w->weight[0],
                                  .bias = &d->w->bias, .add = d->add, .act = d->w->act});
}

static int direct_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return has(desc, FFCL_CONV_DIRECT);
}

static void direct_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const int vectors = ffcl_is_cpu(ctx) && w->in % 16 == 0, shift = -(int)(w->side / 2);
    const size_t n = d->x.batch * d->x.rows;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "conv_direct", "conv_direct_f32",
                                           vectors ? "-DVW=16" : "-DVW=1");
    ffcl_work_shape(ctx, ffcl_conv_cost(d), "%zux%zux%zux%zu>%zu", d->x.batch, ffcl_height(&d->x),
                    d->x.width, w->in, w->out);
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(&d->out), FFCL_DENSE(&d->x), FFCL_BUF(&w->weight[0]),
                      FFCL_BUF(&w->bias), FFCL_INT(ffcl_height(&d->x)), FFCL_INT(d->x.width),
                      FFCL_INT(w->in), FFCL_INT(w->out), FFCL_INT(w->side), FFCL_INT(w->side),
                      FFCL_INT(shift), FFCL_INT(shift), FFCL_INT(n));
}

static int taps_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return has(desc, FFCL_CONV_TAPS);
}

/* What every tap makes of every pixel, in images enough for a device; then each pixel's outputs are
 * sums of what its neighbours have for it. */
static void taps_run(ffcl_ctx *ctx, const void *desc)
{
    enum { BYTES = 64 << 20 };
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const size_t P = d->x.rows, columns = w->weight[0].cols, shift = w->side / 2;
    const size_t most = ffcl_max(BYTES / (P * columns * sizeof(float)), 1);
    const size_t images = ffcl_min(most, d->x.batch);
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "conv", "conv_taps_f32", "");
    ffcl_tensor all = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, images, P, columns));
    for (size_t first = 0, n; first < d->x.batch; first += n) {
        n = ffcl_min(images, d->x.batch - first);
        ffcl_gemm(ctx, &(ffcl_matmul){.out = ffcl_images(all, 0, n),
                                      .a = ffcl_images(d->x, first, n), .w = w->weight[0]});
        ffcl_work(ctx, ffcl_each_cost(n * P * columns, 1.0, 4.0));
        ffcl_launch_items(ctx, k, n * P, FFCL_DENSE(&d->out), FFCL_BUF(&all), FFCL_BUF(&w->bias),
                          FFCL_INT(ffcl_height(&d->x)), FFCL_INT(d->x.width), FFCL_INT(w->out),
                          FFCL_INT(w->side), FFCL_INT(shift), FFCL_INT(columns),
                          FFCL_INT(first * P), FFCL_INT(n * P));
    }
    ffcl_give(ctx, &all);
}

static int winograd_can(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    return has(desc, FFCL_CONV_WINOGRAD) && ffcl_winograd_can(ctx, d->w->dtype);
}

static int winograd_copied_can(const ffcl_ctx *ctx, const void *desc)
{
    return ffcl_winograd_copied_can(ctx, ((const ffcl_conv_desc *)desc)->w);
}

static int winograd_copied_pays(const ffcl_ctx *ctx, const void *desc)
{
    return ffcl_winograd_copied_pays(ctx, ((const ffcl_conv_desc *)desc)->w);
}

static int winograd_gpu_can(const ffcl_ctx *ctx, const void *desc)
{
    return (winograd_can(ctx, desc) || winograd_copied_can(ctx, desc)) &&
           ffcl_winograd_gpu_can(ctx, ((const ffcl_conv_desc *)desc)->w);
}

/* Intel's GPUs keep to the kernels whose registers were counted (docs/portability.md). */
static int winograd_gpu_pays(const ffcl_ctx *ctx, const void *desc)
{
    return ffcl_on_gpu(ctx, desc) && !ctx->device.caps.few_lanes &&
           (has(desc, FFCL_CONV_WINOGRAD) || winograd_copied_pays(ctx, desc));
}

/* An implicit GEMM: its rows are gathered from the image as they are read, one a pixel. */
static int implicit_can(const ffcl_ctx *ctx, const void *desc)
{
    return has(desc, FFCL_CONV_TILES) && !point_can(ctx, desc);
}

static void implicit_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const taps t = taps_of(d);
    const int up = d->w->upsample;
    const ffcl_gather gather = {.kw = up ? 2 : t.kw, .dy = t.dy, .dx = t.dx, .upsample = up,
                                .height = up ? ffcl_height(&d->x) : t.oh,
                                .width = up ? d->x.width : t.ow, .stride = t.stride};
    ffcl_gemm(ctx, &(ffcl_matmul){.out = d->out, .a = d->x, .w = d->w->weight[0],
                                  .bias = &d->w->bias, .add = d->add, .act = d->w->act,
                                  .gather = &gather});
}

/* Columns of half images in memory, rows of whole 32s, then a GEMM. */
static int columns_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    const ffcl_conv_weight *w = ((const ffcl_conv_desc *)desc)->w;
    return has(desc, FFCL_CONV_TILES) && !w->upsample;
}

/* Where a fast GEMM cannot gather its rows itself. */
static int columns_pays(const ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_weight *w = ((const ffcl_conv_desc *)desc)->w;
    if (point_can(ctx, desc))
        return 0;
    if (ctx->matrix_unit != FFCL_UNIT_NONE)
        return w->in % 32 != 0 && w->out % 8 == 0;
    return ffcl_gemm_copies_half(ctx) || w->stride > 1 || w->valid;
}

static void columns_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const taps t = taps_of(d);
    const size_t C = w->in, K = w->weight[0].rows, ld = ffcl_round_up(K, FFCL_TILE_K);
    const size_t P = d->out.batch * d->out.rows, most = ffcl_conv_band(&ctx->device.caps, ld, P);
    /* Whole images, so that no band of another batch is cut elsewhere. */
    const size_t images = ffcl_max(most / d->out.rows, 1);
    ffcl_tensor columns = ffcl_take(ctx, ffcl_tensor_of(FFCL_F16, 1, ffcl_min(images * d->out.rows,
                                                                              P), ld));
    ffcl_tensor weight = w->weight[0];
    weight.rows = ld;           /* its tiles have zeros there */
    weight.stride = ld * weight.cols;
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "conv_rows", "im2col_rows", "-DHALF");
    for (size_t b = 0; b < d->x.batch; b += images) {
        const ffcl_tensor x = ffcl_images(d->x, b, ffcl_min(images, d->x.batch - b));
        const ffcl_tensor out = ffcl_images(d->out, b, x.batch);
        const size_t M = x.batch * d->out.rows;
        ffcl_tensor add = {0};
        if (d->add)
            add = ffcl_images(*d->add, b, x.batch);
        ffcl_work(ctx, ffcl_each_cost(M * ld, 0.0, 4.0));
        ffcl_launch_items(ctx, k, M * ld / 8, FFCL_BUF(&columns), FFCL_BUF(&x), FFCL_INT(x.at),
                          FFCL_INT(ffcl_height(&x)), FFCL_INT(x.width), FFCL_INT(C),
                          FFCL_INT(t.oh), FFCL_INT(t.ow), FFCL_INT(t.kw), FFCL_INT(t.stride),
                          FFCL_INT(t.dy), FFCL_INT(t.dx), FFCL_INT(K), FFCL_INT(ld),
                          FFCL_INT(M * ld / 8));
        ffcl_gemm(ctx, &(ffcl_matmul){.out = ffcl_flat(out), .a = ffcl_rows(columns, 0, M),
                                      .w = weight, .bias = &w->bias, .act = w->act,
                                      .add = d->add ? &add : NULL,
                                      .rows_per_image = d->out.rows});
    }
    ffcl_give(ctx, &columns);
}

static int narrow_can(const ffcl_ctx *ctx, const void *desc)
{
    (void)ctx;
    return has(desc, FFCL_CONV_NARROW);
}

/* A GEMM of all 8 columns into scratch memory, of which the first Cout are copied to out. */
static void narrow_run(ffcl_ctx *ctx, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const int shift = -(int)(d->w->side / 2);
    const size_t columns = d->w->weight[0].cols, n = d->x.batch * d->x.rows * d->w->out;
    const ffcl_gather gather = {.kw = d->w->side, .dy = shift, .dx = shift, .stride = 1,
                                .height = ffcl_height(&d->x), .width = d->x.width};
    ffcl_tensor all = ffcl_take(ctx, ffcl_tensor_of(FFCL_F32, d->x.batch, d->x.rows, columns));
    ffcl_gemm(ctx, &(ffcl_matmul){.out = all, .a = d->x, .w = d->w->weight[0],
                                  .bias = &d->w->bias, .gather = &gather});
    const ffcl_kernel *k = ffcl_kernel_get(ctx, "conv", "conv_narrow_f32", "");
    ffcl_work(ctx, ffcl_each_cost(n, 0.0, 8.0));
    ffcl_launch_items(ctx, k, n, FFCL_DENSE(&d->out), FFCL_BUF(&all), FFCL_INT(columns),
                      FFCL_INT(d->w->out), FFCL_INT(n));
    ffcl_give(ctx, &all);
}

static ffcl_cost cost(const void *desc)
{
    return ffcl_conv_cost(desc);
}

static const ffcl_variant variants[] = {
    {"im2col", "float32 where the back end has no batches: columns in memory, then a GEMM",
     im2col_can, NULL, cost, im2col_run},
    {"rows", "the same on CPUs, which copy many channels of a pixel at a time", rows_can,
     ffcl_on_cpu, cost, rows_run},
    {"point", "1 x 1: the GEMM alone", point_can, NULL, cost, point_run},
    {"direct", "float32 with at most 4 outputs: a GEMM's tile would be empty", direct_can, NULL,
     cost, direct_run},
    {"taps", "the same on GPUs, half without a matrix unit, too: a GEMM with a column for each tap "
     "and output, then their sums",
     taps_can, NULL, cost, taps_run},
    {"winograd", "few taps, stride 1, where there are fast batches of GEMMs: fewer multiplications",
     winograd_can, NULL, cost, ffcl_winograd_conv},
    {"implicit", "half: a GEMM that gathers its rows from the image", implicit_can, NULL, cost,
     implicit_run},
    {"columns", "half on CPUs, on matrix units with channels in no whole 32s, elsewhere with a "
     "stride or without padding: columns in memory, then a GEMM", columns_can, columns_pays,
     cost, columns_run},
    {"winograd-copied", "half without a matrix unit, 3 x 3: weights are transformed each time, in "
     "float32", winograd_copied_can, winograd_copied_pays, cost, ffcl_winograd_conv},
    {"winograd-gpu", "both on GPUs, 3 x 3: a work-item has few channels, and a group norm before "
     "and the moments for the next are computed on the way",
     winograd_gpu_can, winograd_gpu_pays, cost, ffcl_winograd_gpu_conv},
    {"narrow", "half with at most 4 outputs: a GEMM of 8 columns", narrow_can, NULL, cost,
     narrow_run},
    {"halo", "half, 3 x 3, on tensor cores of compute capability 9.0, with images large enough",
     ffcl_halo_conv_can, ffcl_halo_conv_pays, cost, ffcl_halo_conv},
};

static void sizes(ffcl_sizes *s, const void *desc)
{
    const ffcl_conv_desc *d = desc;
    const ffcl_conv_weight *w = d->w;
    const size_t list[] = {w->in,    w->out,          w->side,     w->tall,
                           w->stride, (size_t)w->valid, w->act,      (size_t)w->upsample,
                           w->dtype, w->layout,       (size_t)w->is_final};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        ffcl_sizes_add(s, list[i]);
    ffcl_sizes_tensor(s, &d->out);
    ffcl_sizes_tensor(s, &d->x);
    ffcl_sizes_tensor(s, d->add);
    ffcl_sizes_add(s, d->moments ? d->moments->rows + 1 : 0);
}

const ffcl_operation ffcl_conv_operation = {FFCL_OP_CONVOLUTION, "convolution", variants,
                                            sizeof variants / sizeof *variants, sizes};

int ffcl_conv_takes_norm(const ffcl_ctx *ctx, const ffcl_conv_desc *desc)
{
    return ffcl_choose(ctx, &ffcl_conv_operation, desc)->run == ffcl_winograd_gpu_conv;
}

void ffcl_conv(ffcl_ctx *ctx, const ffcl_conv_desc *desc)
{
    /* Other variants would leave the norm out. */
    if (desc->norm && !ffcl_conv_takes_norm(ctx, desc))
        ffcl_ctx_fail(ctx, FFCL_EBUILD, "no variant computes this group norm in its convolution: "
                      "a fault of ffcl");
    else
        ffcl_dispatch(ctx, &ffcl_conv_operation, desc);
}
