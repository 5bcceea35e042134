/* SPDX-License-Identifier: MIT
 * Convolutions with a window of their own: taps that are no square, a stride, no padding, with
 * ReLU, into columns of a wider tensor, as an Inception network has them. */
#include <math.h>
#include <string.h>

#include "../ref/ref.h"
#include "conv.h"
#include "registry.h"
#include "util.h"

enum { OUT, X, BIAS, PLAIN, WEIGHT };
/* WINDOW: of `windows`, counted from 1; GAP: columns of the wider tensor before and after out's, a
 * multiple of 8. */
enum { B, HH, WW, C, COUT, WINDOW, GAP, UNITS };

static const struct {
    size_t tall, side, stride;
    int valid;
} windows[] = {
    {1, 1, 1, 0}, {3, 3, 1, 0}, {3, 3, 1, 1}, {3, 3, 2, 1}, {5, 5, 1, 0}, {1, 7, 1, 0},
    {7, 1, 1, 0}, {1, 3, 1, 0}, {3, 1, 1, 0}, {3, 3, 2, 0},
};
enum { POINT1 = 1, PADDED, BARE, HALVES, FIVE, WIDE7, TALL7, WIDE3, TALL3, HALVES_PADDED };

static const ffcl_shape model[] = {
    {{1, 75, 75, 3, 32, HALVES, 0, 0}, 0},      /* Conv2d_1a of a quarter of the image */
    {{1, 37, 37, 80, 192, BARE, 0, 0}, 0},
    {{1, 17, 17, 160, 192, WIDE7, 64, 0}, 0},
    {{1, 17, 17, 192, 192, TALL7, 192, 0}, 0},
    {{1, 35, 35, 48, 64, FIVE, 64, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape awkward[] = {
    {{2, 7, 5, 6, 7, HALVES, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 3, 4, 5, 6, BARE, 8, 0}, FFCL_SHAPE_FILLS},
    {{1, 3, 3, 12, 5, HALVES, 8, 0}, 0},
    {{3, 11, 7, 33, 12, WIDE7, 0, 0}, 0},
    {{2, 9, 13, 32, 40, TALL7, 16, 0}, FFCL_SHAPE_FILLS},
    {{2, 5, 6, 48, 8, FIVE, 8, 0}, 0},
    {{1, 1, 1, 20, 8, WIDE3, 0, 0}, 0},
    {{2, 4, 3, 17, 16, TALL3, 24, 0}, 0},
    {{2, 10, 9, 24, 24, HALVES_PADDED, 8, 0}, 0},
    {{1, 12, 11, 64, 136, BARE, 0, 1}, 0},
    {{2, 12, 11, 40, 136, HALVES, 8, 3}, 0},
    {{0}, 0},
};
static const ffcl_shape gathered_model[] = {
    {{1, 75, 75, 32, 32, BARE, 0, 0}, 0},       /* Conv2d_2a of a quarter of the image */
    {{1, 17, 17, 192, 320, HALVES, 64, 0}, 0},
    {{1, 35, 35, 64, 96, PADDED, 96, 0}, 0},
    {{1, 17, 17, 160, 192, WIDE7, 64, 0}, 0},
    {{1, 17, 17, 192, 192, TALL7, 192, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape winograd_model[] = {
    {{1, 35, 35, 64, 96, PADDED, 96, 0}, 0},
    {{1, 37, 37, 80, 192, BARE, 0, 0}, 0},
    {{1, 35, 35, 48, 64, FIVE, 64, 0}, 0},
    {{1, 17, 17, 160, 192, WIDE7, 64, 0}, 0},
    {{1, 17, 17, 192, 192, TALL7, 192, 0}, 0},
    {{1, 8, 8, 384, 384, WIDE3, 320, 0}, 0},
    {{0}, 0},
};
/* Channels of different vectors, images smaller than a tile, tiles that reach over each border. */
static const ffcl_shape winograd_awkward[] = {
    {{2, 3, 5, 17, 8, PADDED, 8, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 11, 7, 32, 24, PADDED, 16, 0}, 0},
    {{2, 13, 11, 64, 136, PADDED, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 3, 4, 17, 8, BARE, 8, 0}, FFCL_SHAPE_FILLS},
    {{3, 9, 12, 24, 40, BARE, 0, 0}, 0},
    {{1, 1, 2, 20, 8, FIVE, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 10, 7, 48, 24, FIVE, 16, 0}, 0},
    {{2, 3, 1, 33, 12, WIDE7, 0, 0}, FFCL_SHAPE_FILLS},
    {{3, 11, 13, 32, 24, WIDE7, 8, 0}, 0},
    {{2, 1, 3, 17, 8, TALL7, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 14, 9, 32, 40, TALL7, 16, 0}, 0},
    {{2, 5, 6, 20, 8, WIDE3, 8, 0}, FFCL_SHAPE_FILLS},
    {{2, 6, 3, 48, 16, TALL3, 24, 0}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};
static const ffcl_shape gathered_awkward[] = {
    {{2, 3, 5, 17, 8, PADDED, 8, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 11, 7, 32, 24, PADDED, 16, 0}, 0},
    {{2, 13, 11, 64, 136, PADDED, 0, 0}, FFCL_SHAPE_FILLS},
    {{3, 11, 7, 32, 24, WIDE7, 16, 0}, FFCL_SHAPE_FILLS},
    {{2, 5, 13, 64, 136, TALL7, 0, 0}, 0},
    {{1, 1, 2, 96, 8, FIVE, 8, 0}, 0},
    {{2, 5, 6, 20, 8, WIDE3, 8, 0}, 0},
    {{2, 6, 3, 32, 16, TALL3, 24, 0}, 0},
    {{2, 7, 6, 32, 8, HALVES, 8, 0}, FFCL_SHAPE_FILLS},
    {{3, 3, 3, 64, 24, HALVES, 0, 0}, 0},
    {{2, 12, 9, 96, 136, HALVES, 16, 3}, 0},
    {{3, 5, 4, 64, 40, BARE, 8, 0}, FFCL_SHAPE_FILLS},
    {{1, 12, 11, 32, 136, BARE, 0, 1}, 0},
    {{2, 10, 9, 32, 24, HALVES_PADDED, 8, 0}, 0},
    {{2, 6, 5, 20, 8, HALVES_PADDED, 8, 0}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};
static const ffcl_shape point_model[] = {
    {{1, 17, 17, 768, 192, POINT1, 192, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape point_awkward[] = {
    {{2, 3, 5, 17, 8, POINT1, 8, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 11, 7, 32, 24, POINT1, 16, 0}, 0},
    {{2, 13, 11, 64, 136, POINT1, 0, 0}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};
static const ffcl_shape none[] = {{{0}, 0}};

/* The weight without buffers. */
static ffcl_conv_weight shaped(const ffcl_case *c)
{
    const size_t *d = c->shape.d, v = d[WINDOW] - 1;
    ffcl_conv_weight w = {.in = d[C], .out = d[COUT], .side = windows[v].side,
                          .tall = windows[v].tall, .stride = windows[v].stride,
                          .valid = windows[v].valid, .dtype = c->row->dtype,
                          .act = FFCL_ACT_RELU};
    ffcl_conv_lay_out(c->ctx, &w);
    return w;
}

static void operands(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = shaped(c);
    const size_t H = ffcl_conv_extent(&w, d[HH], ffcl_conv_tall(&w));
    const size_t W = ffcl_conv_extent(&w, d[WW], w.side), rows = d[B] * H * W;
    const size_t plain = ffcl_conv_taps(&w) * d[C] * d[COUT], ld = d[COUT] + 2 * d[GAP];
    const int on_device = w.layout == FFCL_CONV_WINOGRAD;
    FFCL_OPERANDS(c, {.role = FFCL_OUT, .dtype = c->row->dtype, .n = rows * ld, .at = d[GAP],
                      .rows = rows, .cols = d[COUT], .ld = ld, .flat = 1},
                  {.role = FFCL_IN, .dtype = c->row->dtype, .n = d[B] * d[HH] * d[WW] * d[C]},
                  {.role = FFCL_IN, .n = ffcl_round_up(d[COUT], 8)},
                  {.role = FFCL_HOST, .dtype = c->row->dtype, .n = plain},
                  {.role = FFCL_IN, .dtype = c->row->dtype,
                   .n = on_device ? plain : ffcl_conv_part_count(&w)});
    ffcl_case_axes(c, "b y x o", d[B], H, W, d[COUT]);
}

static void fill(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = shaped(c);
    const double terms = (double)(ffcl_conv_taps(&w) * d[C]);
    ffcl_case_fill(c, X, d[B] * d[HH] * d[WW]);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    for (size_t o = d[COUT]; o < c->operand[BIAS].n; o++)
        ffcl_f32(c, BIAS)[o] = 0.0f;
    ffcl_case_noise(c, PLAIN, 0.0, 1.0 / sqrt(terms));
    if (w.layout == FFCL_CONV_WINOGRAD)
        memcpy(ffcl_f32(c, WEIGHT), ffcl_f32(c, PLAIN), c->operand[PLAIN].n * sizeof(float));
    else
        ffcl_conv_fill(&w, 0, ffcl_f32(c, PLAIN), ffcl_f32(c, WEIGHT));
    c->scale = (1.0 + ffcl_case_magnitude(c)) * sqrt(terms);
}

static void ref(ffcl_case *c)
{
    const size_t *d = c->shape.d;
    const ffcl_conv_weight w = shaped(c);
    const ffcl_ref_window v = {
        .kh = ffcl_conv_tall(&w), .kw = w.side, .stride = w.stride,
        .pad_y = w.valid ? 0 : ffcl_conv_tall(&w) / 2, .pad_x = w.valid ? 0 : w.side / 2,
        .OH = c->extent[1], .OW = c->extent[2], .act = 3};
    ffcl_ref_window_conv(c->want, ffcl_f32(c, X), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS), &v, d[B],
                         d[HH], d[WW], d[C], d[COUT]);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const size_t *d = c->shape.d;
    const ffcl_tensor wide = ffcl_case_image(c, OUT, d[B], c->extent[1], c->extent[2],
                                             d[COUT] + 2 * d[GAP]);
    call->weight = shaped(c);
    call->weight.weight[0].mem = c->operand[WEIGHT].mem;
    call->weight.bias.mem = c->operand[BIAS].mem;
    call->conv = (ffcl_conv_desc){.out = ffcl_cols(wide, d[GAP], d[COUT]),
                                  .x = ffcl_case_image(c, X, d[B], d[HH], d[WW], d[C]),
                                  .w = &call->weight};
}

static void winograd_run(ffcl_case *c)
{
    ffcl_conv_case_winograd(c, WEIGHT);
}

static const char *winograd_skip(const ffcl_case *c)
{
    return ffcl_gemm_takes_batches(c->ctx, FFCL_F32) ? NULL
                                                     : "no back end with batches of float32 GEMMs";
}

/* A GEMM that the unit cannot take runs by the plain kernel, on every device. */
static const char *unit_skip(const ffcl_case *c)
{
    return c->shape.d[COUT] % 8 ? NULL : ffcl_case_needs_unit(c);
}

#define WINDOW_ROW(row_name, type, shapes, ragged, by, may_use, lanes, relative, absolute,     \
                   why_not, how)                                                              \
    {.name = row_name, .letters = "B Hh Ww C Cout window gap units", .dtype = type,              \
     .fills = FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT, .model = shapes,             \
     .awkward = ragged, .operands = operands, .fill = fill, .ref = ref, .describe = describe,    \
     .op = FFCL_OP_CONVOLUTION, .variant = by, .unit = may_use, .few_lanes = lanes,              \
     .rtol = relative, .atol = absolute, .skip = why_not, .run = how}
#define FLOAT(name, shapes, ragged, by, why_not, how) \
    WINDOW_ROW(name, FFCL_F32, shapes, ragged, by, FFCL_UNIT_NONE, 0, 1e-5f, 6e-7f, why_not, how)
#define HALF(name, shapes, ragged, by, unit) \
    WINDOW_ROW(name, FFCL_F16, shapes, ragged, by, unit, 0, 5e-4f, 1.8e-6f, unit_skip, NULL)
/* A GPU of Intel without matrix instructions, which has a tile for such rows. */
#define FEW_LANES(name, shapes, ragged, by)                                                     \
    WINDOW_ROW(name, FFCL_F16, shapes, ragged, by, FFCL_UNIT_NONE, 8, 5e-4f, 1.8e-6f, unit_skip, \
               NULL)

const ffcl_row ffcl_rows_of_window[] = {
    FLOAT("window_columns", model, awkward, "im2col", ffcl_conv_case_skip_im2col, NULL),
    FLOAT("window_rows", model, awkward, "rows", NULL, NULL),
    FLOAT("window_winograd", winograd_model, winograd_awkward, "winograd", winograd_skip,
          winograd_run),
    FLOAT("window_point", point_model, point_awkward, "point", NULL, NULL),
    HALF("window_half_columns", model, awkward, "columns", FFCL_UNIT_NONE),
    HALF("window_half_gathered", gathered_model, gathered_awkward, "implicit", FFCL_UNIT_NONE),
    FEW_LANES("window_half_gathered_few_lanes", gathered_model, gathered_awkward, "implicit"),
    HALF("window_half_point", point_model, point_awkward, "point", FFCL_UNIT_NONE),
    HALF("wmma_window_columns", none, awkward, "columns", FFCL_UNIT_WMMA),
    HALF("wmma_window_gathered", none, gathered_awkward, "implicit", FFCL_UNIT_WMMA),
    HALF("dpas_eight_window_point", none, point_awkward, "point", FFCL_UNIT_DPAS8),
    HALF("mfma_window_columns", none, awkward, "columns", FFCL_UNIT_MFMA),
    HALF("mma_window_columns", model, awkward, "columns", FFCL_UNIT_MMA),
    HALF("mma_window_gathered", gathered_model, gathered_awkward, "implicit", FFCL_UNIT_MMA),
    HALF("mma_window_point", point_model, point_awkward, "point", FFCL_UNIT_MMA),
    HALF("wgmma_window_columns", model, awkward, "columns", FFCL_UNIT_WGMMA),
    HALF("wgmma_window_gathered", gathered_model, gathered_awkward, "implicit", FFCL_UNIT_WGMMA),
    HALF("wgmma_window_point", point_model, point_awkward, "point", FFCL_UNIT_WGMMA),
    {.name = NULL},
};
