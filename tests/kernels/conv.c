/* SPDX-License-Identifier: MIT
 * Convolutions: of float32 images; of half ones on any device (conv_half_*) and by the GEMMs of
 * matrix units, which leave other channel counts to the plain kernel; and those on wgmma that keep
 * a patch with its halo in local memory, alone and with the moments that they leave for the group
 * norm that follows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../ref/ref.h"
#include "backend.h"
#include "half.h"
#include "conv.h"
#include "ops/winograd.h"
#include "registry.h"
#include "util.h"

/* PLAIN: the weight as torch stores it.  WEIGHT: as many as the layout has; with MOMENTS or NORM
 * then gamma and beta of the norm. */
enum { OUT, X, BIAS, ADD, PLAIN, WEIGHT, GAMMA, BETA };
/* BAND: of float32, pixels in one band, in steps of 128; 0 leaves it to the device's memory.
 * UNITS: of half, compute units by which a matrix unit's tile is chosen; 0: the device's. */
enum { B, HH, WW, C, COUT, SIDE, WITH_ADD, BAND, UNITS = BAND };
enum { HALO_ADD = 5, HALO_GROUPS };
/* A row's uses.  MOMENTS: the result is the norm of the convolution, by the moments that this
 * leaves; NORM: x goes through a norm with SiLU first; HALO: its shapes have the letters above;
 * POINT: 1 x 1; FEW: at most 4 outputs; NOT_USED: the models have the same by another row. */
enum { UPSAMPLE = 1, MOMENTS = 2, HALO = 4, POINT = 8, FEW = 16, NOT_USED = 32, NORM = 64 };

static const double eps = 1e-6;

/* ---- shapes of float32 ---------------------------------------------------------------------- */

static const ffcl_shape columns_model[] = {
    {{1, 16, 16, 4, 512, 3, 0, 0}, 0},
    {{1, 16, 16, 512, 512, 3, 1, 0}, 0},
    {{1, 16, 16, 256, 256, 3, 0, 0}, 0},
    {{1, 32, 32, 128, 128, 3, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape columns_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 33, 12, 3, 1, 128}, FFCL_SHAPE_FILLS},     /* bands across images */
    {{1, 31, 17, 4, 33, 3, 0, 256}, 0},
    {{2, 9, 8, 5, 6, 5, 1, 0}, 0},
    {{2, 9, 8, 8, 4, 3, 1, 0}, 0},          /* few outputs, and not the last convolution */
    {{2, 9, 8, 4, 3, 3, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape point_model[] = {
    {{1, 8, 8, 512, 512, 1, 1, 0}, 0},
    {{1, 16, 16, 512, 256, 1, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape point_awkward[] = {
    {{2, 3, 5, 6, 7, 1, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 7, 5, 33, 12, 1, 0, 0}, 0},
    {{1, 1, 1, 4, 5, 1, 0, 0}, 0},
    {{2, 3, 5, 8, 4, 1, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape direct_model[] = {
    {{1, 64, 64, 128, 3, 3, 0, 0}, 0},          /* conv_out of a quarter by a quarter */
    {{2, 32, 32, 4, 4, 1, 0, 0}, 0},            /* post_quant_conv */
    {{0}, 0},
};
static const ffcl_shape direct_awkward[] = {
    {{2, 3, 5, 6, 3, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 1, 3, 0, 0}, 0},
    {{3, 11, 17, 33, 2, 3, 0, 0}, 0},
    {{2, 9, 8, 5, 4, 5, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape upsample_model[] = {
    {{1, 8, 8, 512, 512, 3, 0, 0}, 0},
    {{1, 8, 8, 256, 256, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape upsample_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 33, 12, 3, 0, 128}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

static const ffcl_shape winograd_model[] = {
    {{1, 16, 16, 512, 512, 3, 1, 0}, 0},
    {{1, 32, 32, 128, 128, 3, 1, 0}, 0},
    {{1, 32, 32, 256, 128, 3, 0, 0}, 0},
    {{0}, 0},
};
/* C and Cout of different vectors, tiles that reach over the border, bands that end within an
 * image. */
static const ffcl_shape winograd_awkward[] = {
    {{2, 3, 5, 17, 7, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 20, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 24, 16, 3, 1, 0}, FFCL_SHAPE_FILLS},
    {{5, 30, 31, 200, 70, 3, 1, 0}, 0},
    {{2, 9, 8, 8, 4, 3, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape winograd_upsample_model[] = {
    {{1, 8, 8, 512, 512, 3, 0, 0}, 0},
    {{1, 16, 16, 256, 256, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape winograd_upsample_awkward[] = {
    {{2, 3, 5, 17, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 20, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 13, 11, 24, 16, 3, 0, 0}, FFCL_SHAPE_FILLS},
    {{3, 26, 27, 200, 70, 3, 0, 0}, 0},
    {{0}, 0},
};

/* With moments: whole work-groups of 64 or 128 channels, groups of 1 channel to 64, and bands of
 * many images. */
static const ffcl_shape winograd_moments_model[] = {
    {{1, 16, 16, 256, 512, 1, 32}, 0},
    {{1, 32, 32, 64, 128, 1, 32}, 0},
    {{0}, 0},
};
static const ffcl_shape winograd_moments_awkward[] = {
    {{2, 8, 8, 17, 128, 1, 16}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 4, 16, 24, 256, 0, 4}, FFCL_SHAPE_FILLS},
    {{1, 32, 4, 20, 384, 1, 192}, 0},
    {{5, 16, 24, 16, 128, 1, 2}, 0},
    {{0}, 0},
};
/* With a norm: groups of whole vectors of 2 channels and of an odd number of them. */
static const ffcl_shape winograd_norm_awkward[] = {
    {{2, 3, 5, 24, 7, 1, 3}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 9, 20, 5, 0, 4}, 0},
    {{3, 11, 7, 33, 12, 0, 11}, FFCL_SHAPE_FILLS},
    {{2, 13, 11, 200, 70, 1, 2}, 0},
    {{5, 16, 16, 32, 16, 1, 32}, 0},
    {{0}, 0},
};

/* ---- shapes of half ------------------------------------------------------------------------- */

/* Shapes with units make a matrix unit's GEMM choose different tiles, as in gemm.c; it may split K,
 * whose parts then begin within a tap. */
static const ffcl_shape half_columns_model[] = {
    {{1, 8, 8, 512, 512, 3, 1, 0}, 0},
    {{1, 16, 16, 128, 128, 3, 0, 0}, 0},
    {{1, 16, 8, 4, 512, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape half_banded_awkward[] = {
    {{3, 12, 11, 24, 16, 3, 1, 256}, FFCL_SHAPE_FILLS},
    {{2, 9, 15, 40, 136, 3, 1, 256}, 0},
    {{2, 13, 11, 33, 8, 5, 0, 256}, 0},
    {{0}, 0},
};
static const ffcl_shape half_columns_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 9, 8, 5, 6, 5, 1, 0}, 0},
    {{2, 5, 3, 32, 8, 3, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 8, 3, 0, 0}, 0},
    {{1, 1, 40, 32, 8, 3, 1, 0}, 0},
    {{2, 40, 1, 32, 16, 3, 0, 0}, 0},
    {{1, 7, 9, 64, 24, 3, 0, 0}, FFCL_SHAPE_FILLS},
    {{2, 9, 8, 32, 40, 5, 1, 0}, 0},
    {{3, 5, 7, 96, 72, 3, 1, 0}, 0},
    {{1, 5, 5, 256, 40, 3, 0, 0}, 0},
    {{1, 4, 4, 512, 16, 3, 1, 0}, 0},
    {{2, 10, 10, 64, 136, 3, 1, 1}, 0},
    {{2, 10, 10, 64, 136, 3, 1, 4}, 0},
    {{2, 10, 10, 32, 72, 3, 0, 1}, 0},
    {{1, 12, 11, 128, 136, 3, 1, 1}, 0},
    {{1, 12, 11, 128, 136, 3, 1, 3}, 0},
    {{1, 12, 11, 128, 40, 3, 0, 16}, 0},
    {{2, 20, 10, 32, 24, 3, 1, 1}, 0},
    {{2, 9, 8, 8, 4, 3, 1, 0}, 0},
    {{2, 9, 8, 4, 3, 3, 1, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape half_point_model[] = {
    {{1, 8, 8, 512, 512, 1, 1, 0}, 0},
    {{1, 16, 16, 512, 256, 1, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape half_point_awkward[] = {
    {{2, 3, 5, 6, 7, 1, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{3, 7, 5, 33, 12, 1, 0, 0}, 0},
    {{1, 1, 1, 4, 5, 1, 0, 0}, 0},
    {{2, 5, 3, 32, 8, 1, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 5, 7, 40, 24, 1, 1, 0}, 0},
    {{1, 1, 1, 96, 8, 1, 0, 0}, 0},
    {{2, 10, 10, 64, 136, 1, 1, 1}, 0},
    {{1, 12, 11, 96, 136, 1, 0, 1}, 0},
    {{1, 12, 11, 96, 136, 1, 0, 4}, 0},
    {{2, 20, 10, 128, 24, 1, 1, 1}, 0},
    {{0}, 0},
};
static const ffcl_shape half_none_model[] = {{{0}, 0}};
static const ffcl_shape half_narrow_model[] = {
    {{1, 32, 32, 128, 3, 3, 0, 0}, 0},          /* conv_out of an eighth by an eighth */
    {{2, 32, 32, 4, 4, 1, 0, 0}, 0},            /* post_quant_conv */
    {{0}, 0},
};
#define NARROW_HALO                                                     \
    {{2, 5, 3, 32, 3, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},   \
    {{1, 1, 1, 32, 1, 3, 0, 0}, 0},                                     \
    {{3, 9, 7, 96, 1, 3, 0, 0}, 0},                                     \
    {{1, 4, 4, 512, 3, 3, 0, 0}, 0},                                    \
    {{2, 10, 10, 64, 3, 3, 0, 1}, 0},                                   \
    {{2, 20, 10, 64, 3, 3, 0, 1}, FFCL_SHAPE_FILLS}
static const ffcl_shape half_narrow_awkward[] = {
    NARROW_HALO,
    {{2, 3, 5, 6, 3, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 1, 3, 0, 0}, 0},
    {{3, 11, 17, 33, 2, 3, 0, 0}, 0},
    {{2, 9, 8, 5, 4, 5, 0, 0}, 0},
    {{1, 6, 7, 256, 4, 1, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape halo_narrow_model[] = {{{1, 32, 32, 128, 3, 3, 0, 0}, 0}, {{0}, 0}};
static const ffcl_shape halo_narrow_awkward[] = {NARROW_HALO, {{0}, 0}};
static const ffcl_shape half_upsample_model[] = {
    {{1, 4, 4, 512, 512, 3, 0, 0}, 0},
    {{1, 8, 8, 256, 256, 3, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape half_upsample_awkward[] = {
    {{2, 3, 5, 6, 7, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 12, 5, 3, 0, 0}, 0},
    {{3, 11, 7, 33, 12, 3, 0, 0}, 0},
    {{2, 5, 3, 32, 8, 3, 0, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 8, 3, 0, 0}, 0},
    {{1, 1, 20, 32, 16, 3, 0, 0}, 0},
    {{1, 7, 9, 64, 24, 3, 0, 0}, 0},
    {{1, 4, 4, 512, 16, 3, 0, 0}, 0},
    {{1, 10, 10, 96, 40, 3, 0, 1}, 0},
    {{2, 10, 5, 32, 72, 3, 0, 1}, 0},
    {{2, 15, 5, 64, 136, 3, 0, 2}, 0},
    {{2, 15, 5, 64, 136, 3, 0, 16}, 0},
    {{3, 10, 5, 128, 24, 3, 0, 1}, FFCL_SHAPE_FILLS},
    {{0}, 0},
};

static const ffcl_shape halo_model[] = {
    {{1, 16, 32, 128, 128, 1, 0}, 0},
    {{2, 8, 16, 512, 256, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape halo_awkward[] = {
    {{2, 9, 17, 32, 8, 1, 0}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{1, 1, 1, 32, 8, 1, 0}, 0},
    {{3, 7, 5, 64, 136, 1, 0}, FFCL_SHAPE_FILLS},
    {{1, 8, 16, 96, 72, 0, 0}, 0},
    {{2, 20, 40, 32, 24, 1, 0}, 0},
    {{1, 40, 3, 64, 264, 1, 0}, 0},
    {{1, 2, 50, 160, 40, 0, 0}, 0},
    {{0}, 0},
};
static const ffcl_shape halo_moments_model[] = {
    {{1, 16, 32, 128, 128, 1, 32}, 0},
    {{1, 8, 16, 512, 256, 0, 32}, 0},
    {{1, 16, 16, 64, 512, 1, 32}, 0},
    {{0}, 0},
};
static const ffcl_shape halo_moments_awkward[] = {
    {{2, 8, 16, 32, 8, 1, 2}, FFCL_SHAPE_FILLS | FFCL_SHAPE_SMALL},
    {{2, 24, 16, 32, 24, 1, 6}, FFCL_SHAPE_FILLS},
    {{3, 8, 48, 64, 136, 1, 17}, 0},
    {{1, 40, 32, 32, 208, 0, 13}, 0},
    {{0}, 0},
};

/* ---- cases ---------------------------------------------------------------------------------- */

static int uses(const ffcl_case *c, int what)
{
    return c->row->uses & what;
}

static int is_half(const ffcl_case *c)
{
    return c->row->dtype == FFCL_F16;
}

/* A shape by its row's letters; scale: of the result to x. */
typedef struct sizes {
    size_t B, height, width, in, out, side, scale, groups;
    int add;
} sizes;

static sizes sizes_of(const ffcl_case *c)
{
    const size_t *d = c->shape.d;
    sizes s = {d[B], d[HH], d[WW], d[C], d[COUT], d[SIDE], uses(c, UPSAMPLE) ? 2 : 1, 0,
               d[WITH_ADD] != 0};
    if (uses(c, HALO)) {
        s.side = 3;
        s.groups = d[HALO_GROUPS];
        s.add = d[HALO_ADD] && !uses(c, UPSAMPLE);
    }
    return s;
}

static ffcl_conv_weight weight_of(const ffcl_case *c)
{
    const sizes s = sizes_of(c);
    ffcl_conv_weight w = {.in = s.in, .out = s.out, .side = s.side, .dtype = c->row->dtype,
                          .upsample = uses(c, UPSAMPLE) != 0, .is_final = uses(c, FEW) != 0};
    size_t count;
    ffcl_conv_lay_out(c->ctx, &w);
    for (size_t i = 0; i < ffcl_conv_buffers(&w, &count); i++)
        w.weight[i].mem = c->operand[WEIGHT + i].mem;
    w.bias.mem = c->operand[BIAS].mem;
    return w;
}

/* The device lays out Winograd's weight, from PLAIN. */
static int is_winograd(const ffcl_conv_weight *w)
{
    return w->layout == FFCL_CONV_WINOGRAD;
}

static void operands(ffcl_case *c)
{
    const sizes s = sizes_of(c);
    const ffcl_conv_weight w = weight_of(c);
    const size_t pixels = s.B * s.height * s.width, out = pixels * s.scale * s.scale * s.out;
    const size_t plain = s.side * s.side * s.in * s.out;
    const ffcl_dtype dtype = c->row->dtype;
    const int is_float = w.layout == FFCL_CONV_NARROW || w.layout == FFCL_CONV_TAPS;
    size_t count, n = ffcl_conv_buffers(&w, &count);
    ffcl_operand list[FFCL_MAX_OPERANDS] = {
        /* Bands write from an offset, for which the GEMM makes sub-buffers of its own. */
        {.role = FFCL_OUT, .dtype = is_float ? FFCL_F32 : dtype, .n = out,
         .flat = !is_half(c) && c->shape.d[BAND]},
        {.role = FFCL_IN, .dtype = dtype, .n = pixels * s.in},
        {.role = FFCL_IN, .n = is_half(c) ? ffcl_round_up(s.out, 8) : s.out},
        {.role = FFCL_IN, .dtype = dtype, .n = s.add ? out : 1},
        {.role = FFCL_HOST, .dtype = dtype, .n = plain},
    };
    for (size_t i = 0; i < n; i++)
        list[WEIGHT + i] = (ffcl_operand){.role = FFCL_IN,
                                          .dtype = is_winograd(&w) ? FFCL_F32 : w.dtype,
                                          .n = is_winograd(&w) ? plain : count};
    n += WEIGHT;
    if (uses(c, MOMENTS | NORM)) {
        list[GAMMA] = list[BETA] = (ffcl_operand){.role = FFCL_IN,
                                                  .n = uses(c, NORM) ? s.in : s.out};
        n = BETA + 1;
    }
    ffcl_case_operands(c, list, n);
    ffcl_case_axes(c, "b y x o", s.B, s.height * s.scale, s.width * s.scale, s.out);
}

/* Weights in whole steps of which 512 hold nearly any: taps that are summed beforehand, up to
 * four, are then halves too, and their sum is not one more rounding. */
static void fill_in_steps(ffcl_case *c, double deviation)
{
    double step = ldexp(1.0, (int)ceil(log2(3.5 * deviation / 512.0)));
    for (size_t e = 0; e < c->operand[PLAIN].n; e++)
        ffcl_f32(c, PLAIN)[e] = (float)(step * nearbyint(deviation * ffcl_case_normal(c) / step));
}

/* The weights, made from PLAIN as the loader does. */
static void lay_out(ffcl_case *c)
{
    const ffcl_conv_weight w = weight_of(c);
    size_t count, buffers = ffcl_conv_buffers(&w, &count), each = ffcl_conv_part_count(&w);
    if (is_winograd(&w))
        memcpy(ffcl_f32(c, WEIGHT), ffcl_f32(c, PLAIN), c->operand[PLAIN].n * sizeof(float));
    for (size_t i = 0; i < ffcl_conv_parts(&w); i++)
        ffcl_conv_fill(&w, i, ffcl_f32(c, PLAIN),
                       buffers > 1 ? ffcl_f32(c, WEIGHT + i) : ffcl_f32(c, WEIGHT) + i * each);
}

static void fill(ffcl_case *c)
{
    const sizes s = sizes_of(c);
    const double terms = (double)(s.side * s.side * s.in);
    ffcl_case_fill(c, X, s.B * s.height * s.width);
    ffcl_case_noise(c, BIAS, 0.0, 0.5);
    for (size_t o = s.out; o < c->operand[BIAS].n; o++)
        ffcl_f32(c, BIAS)[o] = 0.0f;
    ffcl_case_noise(c, ADD, 0.0, 1.0);
    if (is_half(c))
        fill_in_steps(c, 1.0 / sqrt(terms));
    else
        ffcl_case_noise(c, PLAIN, 0.0, 1.0 / sqrt(terms));
    lay_out(c);
    const ffcl_conv_weight w = weight_of(c);
    c->scale = 1.0 + ffcl_case_magnitude(c);
    /* Winograd's half weights are rounded once more, which no sum of more terms makes worse. */
    if (!uses(c, MOMENTS) && !(is_half(c) && is_winograd(&w)))
        c->scale *= sqrt(terms);
    if (uses(c, MOMENTS) && is_winograd(&w))    /* its result is of size 1 */
        c->scale = 2.0 * sqrt(terms);
    if (uses(c, NORM))          /* whose result is of size 1 */
        c->scale = 2.0 * ffcl_case_norm_scale(c, s.height * s.width * s.in / s.groups, eps) *
                   sqrt(terms);
    if (uses(c, MOMENTS | NORM)) {
        ffcl_case_noise(c, GAMMA, 1.0, 0.5);
        ffcl_case_noise(c, BETA, 0.0, 0.5);
    }
}

/* What a group norm makes of n elements x of images of so many channels, as float32. */
static float *normed(const ffcl_case *c, const float *x, size_t n, size_t channels, int with_silu)
{
    const sizes s = sizes_of(c);
    double *y = malloc(n * sizeof *y);
    float *result = malloc(n * sizeof *result);
    if (y && result) {
        ffcl_ref_groupnorm(y, x, ffcl_f32(c, GAMMA), ffcl_f32(c, BETA), s.B,
                           n / s.B / channels, channels, s.groups, eps, with_silu);
        for (size_t e = 0; e < n; e++)
            result[e] = (float)y[e];
    }
    free(y);
    return result;
}

/* The convolution, or what a group norm makes of it. */
static void ref(ffcl_case *c)
{
    const sizes s = sizes_of(c);
    const float *x = ffcl_f32(c, X), *w = ffcl_f32(c, PLAIN), *bias = ffcl_f32(c, BIAS);
    const float *add = s.add ? ffcl_f32(c, ADD) : NULL;
    const size_t n = c->operand[OUT].n;
    float *before = uses(c, NORM) ? normed(c, x, c->operand[X].n, s.in, 1) : NULL;
    if (before)
        x = before;
    if (uses(c, UPSAMPLE))
        ffcl_ref_upsample_conv(c->want, x, w, bias, add, s.B, s.height, s.width, s.in, s.out,
                               s.side);
    else
        ffcl_ref_conv(c->want, x, w, bias, add, s.B, s.height, s.width, s.in, s.out, s.side);
    float *y = uses(c, MOMENTS) ? malloc(n * sizeof *y) : NULL;
    for (size_t e = 0; y && e < n; e++)
        y[e] = is_half(c) ? ffcl_half_value(ffcl_half_from((float)c->want[e]))
                          : (float)c->want[e];
    if (y)
        ffcl_ref_groupnorm(c->want, y, ffcl_f32(c, GAMMA), ffcl_f32(c, BETA), s.B,
                           n / s.B / s.out, s.out, s.groups, eps, 0);
    free(y);
    free(before);
}

/* Not of moments: their norm needs every element. */
static double at(const ffcl_case *c, size_t index)
{
    const sizes s = sizes_of(c);
    return ffcl_ref_conv_at(ffcl_f32(c, X), ffcl_f32(c, PLAIN), ffcl_f32(c, BIAS),
                            s.add ? ffcl_f32(c, ADD) : NULL, s.scale, s.scale * s.height,
                            s.scale * s.width, s.in, s.out, s.side, index);
}

static void describe(const ffcl_case *c, ffcl_call *call)
{
    const sizes s = sizes_of(c);
    const size_t height = s.height * s.scale, width = s.width * s.scale;
    call->weight = weight_of(c);
    call->add = ffcl_case_image(c, ADD, s.B, height, width, s.out);
    call->conv = (ffcl_conv_desc){.out = ffcl_case_image(c, OUT, s.B, height, width, s.out),
                                  .x = ffcl_case_image(c, X, s.B, s.height, s.width, s.in),
                                  .w = &call->weight, .add = s.add ? &call->add : NULL};
}

/* Bands take a sixteenth of the device's memory: a device that says it has little gets small
 * ones. */
static void banded_run(ffcl_case *c)
{
    ffcl_call call;
    cl_ulong *bytes = &c->ctx->device.caps.global_bytes, before = *bytes;
    describe(c, &call);
    if (c->shape.d[BAND])
        *bytes = 16 * sizeof(float) * call.weight.weight[0].rows * c->shape.d[BAND];
    ffcl_case_call(c, &call);
    *bytes = before;
}

/* The call's weight, from an operand. */
static void load_winograd(ffcl_case *c, ffcl_call *call, size_t operand)
{
    ffcl_conv_weight *w = &call->weight;
    const ffcl_tensor plain = ffcl_case_dense(c, operand, w->out, w->in,
                                              ffcl_conv_taps(w));
    w->weight[0] = ffcl_take(c->ctx, w->weight[0]);
    ffcl_conv_load_channels(c->ctx, w, 0, w->out, &plain);
}

void ffcl_conv_case_winograd(ffcl_case *c, size_t operand)
{
    ffcl_call call;
    c->row->describe(c, &call);
    load_winograd(c, &call, operand);
    ffcl_case_call(c, &call);
    ffcl_give(c->ctx, &call.weight.weight[0]);
}

/* GEMMs by the kernel that a GPU without a matrix unit has. */
static void blocked_half_run(ffcl_case *c)
{
    struct ffcl_blas *b = c->ctx->blas;
    const int before = b->has_blocked_half;
    ffcl_call call;
    describe(c, &call);
    b->has_blocked_half = 1;
    ffcl_case_call(c, &call);
    b->has_blocked_half = before;
}

static void winograd_run(ffcl_case *c)
{
    ffcl_conv_case_winograd(c, WEIGHT);
}

static ffcl_groupnorm_desc norm_of(const ffcl_case *c, const ffcl_tensor *x, ffcl_act act)
{
    return (ffcl_groupnorm_desc){.x = *x, .gamma = ffcl_case_matrix(c, GAMMA),
                                 .beta = ffcl_case_matrix(c, BETA), .eps = (float)eps,
                                 .groups = sizes_of(c).groups, .act = act};
}

static void norm_run(ffcl_case *c)
{
    ffcl_call call;
    describe(c, &call);
    const ffcl_groupnorm_desc norm = norm_of(c, &call.conv.x, FFCL_ACT_SILU);
    call.conv.norm = &norm;
    if (is_winograd(&call.weight))
        load_winograd(c, &call, WEIGHT);
    if (!ffcl_conv_takes_norm(c->ctx, &call.conv))
        ffcl_ctx_fail(c->ctx, FFCL_EUSAGE, "no norm with this convolution");
    ffcl_case_call(c, &call);
    if (is_winograd(&call.weight))
        ffcl_give(c->ctx, &call.weight.weight[0]);
}

/* The convolution to scratch memory, then its norm by the moments that it left. */
static void moments_run(ffcl_case *c)
{
    const sizes s = sizes_of(c);
    ffcl_call call;
    describe(c, &call);
    if (is_winograd(&call.weight))
        load_winograd(c, &call, WEIGHT);
    const ffcl_tensor out = call.conv.out;
    call.conv.out = ffcl_take(c->ctx, out);
    call.moments = (ffcl_tensor){.rows = s.groups};
    call.conv.moments = &call.moments;
    ffcl_case_call(c, &call);
    if (!call.moments.slot)
        ffcl_ctx_fail(c->ctx, FFCL_EUSAGE, "no moments for this shape");
    ffcl_groupnorm_desc norm = norm_of(c, &call.conv.out, FFCL_ACT_NONE);
    norm.out = out;
    norm.moments = &call.moments;
    if (!c->ctx->status)
        ffcl_groupnorm(c->ctx, &norm);
    ffcl_give(c->ctx, &call.moments);
    ffcl_give(c->ctx, &call.conv.out);
    if (is_winograd(&call.weight))
        ffcl_give(c->ctx, &call.weight.weight[0]);
}

const char *ffcl_conv_case_skip_im2col(const ffcl_case *c)
{
    return c->ctx->device.caps.max_work_group < 256 ? "needs work-groups of 256" : NULL;
}

static const char *winograd_skip(const ffcl_case *c)
{
    return ffcl_winograd_can(c->ctx, c->row->dtype) ? NULL : "no back end with batches of GEMMs";
}

/* Shapes whose GEMM the unit cannot take run on every device: the plain kernel must be chosen.  A
 * narrow one has 8 columns. */
static const char *unit_skip(const ffcl_case *c)
{
    const sizes s = sizes_of(c);
    int falls_back = s.in % (uses(c, POINT) ? 8 : 32) || (s.out % 8 && !uses(c, FEW));
    return falls_back ? NULL : ffcl_case_needs_unit(c);
}

static ffcl_use use(const ffcl_row *row, const ffcl_images_of *of, const ffcl_model_conv *m,
                    size_t side)
{
    const size_t size = m->scale * of->R;
    return row->uses & HALO
               ? (ffcl_use){m->role, {{of->B, size, size, m->in, m->out, m->add, 0}, 0}}
               : (ffcl_use){m->role, {{of->B, size, size, m->in, m->out, side, m->add, 0}, 0}};
}

static size_t used(const ffcl_row *row, const ffcl_images_of *of, ffcl_use *to)
{
    /* Half ones are GEMMs: gemm.c. */
    static const ffcl_model_conv shortcuts[] = {{"shortcut up2", 4, FFCL_VAE_MID, 256, 0, 0},
                                                {"shortcut up3", 8, 256, 128, 0, 0}};
    static const ffcl_model_conv last = {"conv out", 8, 128, 3, 0, 0};
    size_t n = 0;
    if (row->uses & (NOT_USED | MOMENTS | NORM))
        return 0;
    if (row->uses & FEW)
        to[n++] = use(row, of, &last, 3);
    for (size_t i = 0; row->uses & POINT && row->dtype == FFCL_F32 && i < 2; i++)
        to[n++] = use(row, of, &shortcuts[i], 1);
    for (const ffcl_model_conv *m = ffcl_model_convs; m->role; m++)
        if (!(row->uses & (FEW | POINT)) && (m->upsample != 0) == (row->uses & UPSAMPLE))
            to[n++] = use(row, of, m, 3);
    return n;
}

/* ---- rows ----------------------------------------------------------------------------------- */

#define CONV                                                                               \
    .operands = operands, .fill = fill, .ref = ref, .describe = describe,                  \
    .op = FFCL_OP_CONVOLUTION, .used = used
#define ALL_FILLS (FFCL_NOISE | FFCL_ZEROS | FFCL_LARGE | FFCL_CONSTANT)

/* As for gemm.  The summed taps of an upsample add one rounding to each weight; Winograd's sums and
 * differences make terms that are larger than their result, and roundings twice as large. */
#define FLOAT(row_name, what, shapes, by, why_not, how)                                    \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout k add band", .uses = what,         \
     .fills = ALL_FILLS, .model = shapes##_model, .awkward = shapes##_awkward, .at = at,   \
     .rtol = 1e-5f, .atol = 6e-7f, .skip = why_not, .variant = by, .run = how}

/* As for the half GEMMs in gemm.c; NARROW and DIRECT have float32 results. */
#define HALF(row_name, what, shapes, ragged, by, may_use, absolute)                        \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout k add units", .dtype = FFCL_F16,   \
     .uses = what, .fills = ALL_FILLS, .model = shapes, .awkward = ragged, .at = at,       \
     .rtol = (what) & FEW ? 1e-5f : 5e-4f, .atol = absolute, .skip = unit_skip,            \
     .variant = by, .unit = may_use}
#define PLAIN_CONV(name, what, shapes, by)                                                 \
    HALF("conv_half_" name, what, shapes##_model, shapes##_awkward, by, FFCL_UNIT_NONE,    \
         6e-7f)
#define MMA_CONV(name, what, shapes, by)                                                   \
    HALF("mma_conv_" name, what, shapes##_model, shapes##_awkward, by, FFCL_UNIT_MMA,      \
         1.8e-6f)
#define WGMMA_CONV(name, what, shapes, by)                                                 \
    HALF("wgmma_" name, what, shapes##_model, shapes##_awkward, by, FFCL_UNIT_WGMMA,       \
         1.8e-6f)
/* Without the models' shapes: an emulation takes too long for them. */
#define OTHER(name, unit)                                                                  \
    HALF(name "_conv_columns", 0, half_none_model, half_columns_awkward, "implicit", unit, \
         1.8e-6f),                                                                         \
    HALF(name "_conv_narrow", FEW, half_none_model, half_narrow_awkward, "narrow", unit,   \
         1.8e-6f),                                                                         \
    HALF(name "_conv_upsample", UPSAMPLE, half_none_model, half_upsample_awkward,          \
         "implicit", unit, 1.8e-6f)

/* Winograd's weights as halves: the sum of a weight's nine taps, some of them times 2, is off by up
 * to 2^-12 of itself, in 36 or 25 products of which each result is a sum. */
#define HALF_WINOGRAD(row_name, what, shapes, by)                                          \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout k add units", .dtype = FFCL_F16,   \
     .uses = (what) | NOT_USED, .fills = ALL_FILLS, .model = shapes##_model,               \
     .awkward = shapes##_awkward, .at = at, .rtol = 5e-4f, .atol = 8e-3f,                  \
     .skip = winograd_skip, .variant = by, .run = winograd_run}
/* Transformed in float32, of halves that are exact there. */
#define COPIED_WINOGRAD(row_name, shapes, by)                                              \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout k add units", .dtype = FFCL_F16,   \
     .uses = NOT_USED, .fills = ALL_FILLS, .model = shapes##_model,                        \
     .awkward = shapes##_awkward, .at = at, .rtol = 5e-4f, .atol = 6e-7f,                  \
     .skip = winograd_skip, .variant = by}
/* With the norm before or after.  Half: a norm's result is off as HALO_MOMENTS' is. */
#define WINOGRAD_NORM(row_name, type, what, kinds, shapes, ragged, how, relative, absolute) \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout add G", .dtype = type,              \
     .uses = HALO | (what), .fills = kinds, .model = shapes##_model,                        \
     .awkward = ragged##_awkward, .rtol = relative, .atol = absolute,                       \
     .skip = winograd_skip, .variant = "winograd-gpu", .run = how}
/* A band for each image. */
#define BANDED(row_name, may_use)                                                          \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout k add band", .dtype = FFCL_F16,    \
     .uses = NOT_USED, .fills = ALL_FILLS, .model = half_none_model,                       \
     .awkward = half_banded_awkward, .at = at, .rtol = 5e-4f, .atol = 1.8e-6f,             \
     .skip = ffcl_case_needs_unit, .variant = "columns", .unit = may_use, .run = banded_run}
#define HALF_BLOCKED(row_name, what, shapes, by)                                           \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout k add units", .dtype = FFCL_F16,   \
     .uses = (what) | NOT_USED, .fills = ALL_FILLS, .model = shapes##_model,               \
     .awkward = shapes##_awkward, .at = at, .rtol = (what) & FEW ? 1e-5f : 5e-4f,          \
     .atol = 6e-7f, .variant = by, .run = blocked_half_run}

/* By tiles as the units choose them, and by those of large images, which the batch does not
 * change. */
#define HALO_ROW(row_name, what, kinds, shapes, element, how, relative, absolute, wide)    \
    {CONV, .name = row_name, .letters = "B Hh Ww C Cout add G", .dtype = FFCL_F16,         \
     .uses = HALO | (what) | ((wide) ? NOT_USED : 0), .fills = kinds,                      \
     .model = shapes##_model, .awkward = shapes##_awkward, .at = element,                  \
     .rtol = relative, .atol = absolute, .skip = ffcl_case_needs_unit, .variant = "halo",  \
     .unit = FFCL_UNIT_WGMMA, .batch_invariant = wide, .run = how}
#define HALO_CONV(name, what, wide) \
    HALO_ROW(name, what, ALL_FILLS, halo, at, NULL, 5e-4f, 1.8e-6f, wide)
/* A norm's operand is within a rounding of a half of the reference's, here and there on its other
 * side, and its own result is rounded once more. */
#define HALO_MOMENTS(name, what, kinds, wide)                                              \
    HALO_ROW(name, (what) | MOMENTS, kinds, halo_moments, NULL, moments_run, 1.5e-3f,      \
             2e-3f, wide)

const ffcl_row ffcl_rows_of_conv[] = {
    FLOAT("conv_columns", 0, columns, "im2col", ffcl_conv_case_skip_im2col, banded_run),
    FLOAT("conv_rows", 0, columns, "rows", NULL, banded_run),
    FLOAT("conv_point", POINT, point, "point", NULL, NULL),
    FLOAT("conv_direct", FEW, direct, "direct", NULL, NULL),
    FLOAT("conv_taps", FEW, direct, "taps", NULL, NULL),
    FLOAT("conv_upsample", UPSAMPLE, upsample, "im2col", ffcl_conv_case_skip_im2col, banded_run),
    FLOAT("conv_winograd", 0, winograd, "winograd", winograd_skip, winograd_run),
    FLOAT("conv_winograd_upsample", UPSAMPLE, winograd_upsample, "winograd", winograd_skip,
          winograd_run),
    FLOAT("conv_winograd_gpu", NOT_USED, winograd, "winograd-gpu", winograd_skip, winograd_run),
    FLOAT("conv_winograd_gpu_upsample", UPSAMPLE | NOT_USED, winograd_upsample, "winograd-gpu",
          winograd_skip, winograd_run),
    WINOGRAD_NORM("conv_winograd_gpu_norm", FFCL_F32, NORM, ALL_FILLS, winograd_moments,
                  winograd_norm, norm_run, 1e-5f, 6e-7f),
    WINOGRAD_NORM("conv_winograd_gpu_moments", FFCL_F32, MOMENTS, FFCL_NOISE | FFCL_LARGE,
                  winograd_moments, winograd_moments, moments_run, 1e-5f, 6e-7f),
    WINOGRAD_NORM("conv_winograd_gpu_upsample_moments", FFCL_F32, UPSAMPLE | MOMENTS,
                  FFCL_NOISE | FFCL_LARGE, winograd_moments, winograd_moments, moments_run, 1e-5f,
                  6e-7f),

    PLAIN_CONV("columns", 0, half_columns, "implicit"),
    PLAIN_CONV("point", POINT, half_point, "point"),
    PLAIN_CONV("narrow", FEW, half_narrow, "narrow"),
    PLAIN_CONV("upsample", UPSAMPLE, half_upsample, "implicit"),

    HALF_WINOGRAD("conv_half_winograd_upsample", UPSAMPLE, winograd_upsample, "winograd"),
    COPIED_WINOGRAD("conv_half_winograd_copied", winograd, "winograd-copied"),
    COPIED_WINOGRAD("conv_half_winograd_gpu", winograd, "winograd-gpu"),
    HALF_WINOGRAD("conv_half_winograd_gpu_upsample", UPSAMPLE, winograd_upsample, "winograd-gpu"),
    WINOGRAD_NORM("conv_half_winograd_gpu_norm", FFCL_F16, NORM, FFCL_NOISE, winograd_moments,
                  winograd_norm, norm_run, 5e-4f, 6e-7f),
    WINOGRAD_NORM("conv_half_winograd_gpu_moments", FFCL_F16, MOMENTS, FFCL_NOISE,
                  winograd_moments, winograd_moments, moments_run, 1.5e-3f, 2e-3f),
    HALF_BLOCKED("conv_half_taps", FEW, half_narrow, "taps"),
    HALF_BLOCKED("conv_half_blocked", 0, half_columns, "implicit"),
    HALF_BLOCKED("conv_half_blocked_upsample", UPSAMPLE, half_upsample, "implicit"),

    BANDED("conv_half_banded", FFCL_UNIT_NONE),
    BANDED("wmma_conv_banded", FFCL_UNIT_WMMA),
    BANDED("mma_conv_banded", FFCL_UNIT_MMA),
    BANDED("wgmma_conv_banded", FFCL_UNIT_WGMMA),

    OTHER("wmma", FFCL_UNIT_WMMA),
    OTHER("mfma", FFCL_UNIT_MFMA),
    OTHER("dpas_eight", FFCL_UNIT_DPAS8),
    OTHER("dpas_sixteen", FFCL_UNIT_DPAS16),

    MMA_CONV("columns", 0, half_columns, "implicit"),
    MMA_CONV("point", POINT, half_point, "point"),
    MMA_CONV("narrow", FEW, half_narrow, "narrow"),
    MMA_CONV("upsample", UPSAMPLE, half_upsample, "implicit"),
    WGMMA_CONV("conv_columns", 0, half_columns, "implicit"),
    WGMMA_CONV("conv_narrow", FEW, half_narrow, "narrow"),
    WGMMA_CONV("halo_conv_narrow", FEW, halo_narrow, "halo"),
    WGMMA_CONV("conv_upsample", UPSAMPLE, half_upsample, "implicit"),

    HALO_CONV("wgmma_halo_conv", 0, 0),
    HALO_CONV("wgmma_halo_conv_wide", 0, 1),
    HALO_CONV("wgmma_halo_conv_upsample", UPSAMPLE, 0),
    HALO_CONV("wgmma_halo_conv_upsample_wide", UPSAMPLE, 1),
    HALO_MOMENTS("wgmma_halo_conv_moments", 0, FFCL_NOISE | FFCL_CONSTANT, 0),
    HALO_MOMENTS("wgmma_halo_conv_moments_wide", 0, FFCL_NOISE | FFCL_CONSTANT, 1),
    HALO_MOMENTS("wgmma_halo_conv_upsample_moments", UPSAMPLE, FFCL_NOISE, 0),
    HALO_MOMENTS("wgmma_halo_conv_upsample_moments_wide", UPSAMPLE, FFCL_NOISE, 1),
    {.name = NULL},
};
