/* SPDX-License-Identifier: MIT
 * Pools of 3 x 3 over the pixels inside the image, first tap at (stride y - pad, stride x - pad);
 * the mean of all pixels; bilinear resize of bytes.  cl/pool.cl and cl/resize.cl have the
 * formulas. */
#include <math.h>

#include "ref.h"

void ffcl_ref_pool(double *out, const float *x, size_t B, size_t Hh, size_t Ww, size_t C,
                   size_t OH, size_t OW, size_t stride, size_t pad, int is_mean)
{
    for (size_t i = 0; i < B * OH * OW * C; i++) {
        const size_t c = i % C, ox = i / C % OW, oy = i / C / OW % OH, b = i / C / OW / OH;
        double sum = 0.0, most = -HUGE_VAL;
        size_t n = 0;
        for (size_t ky = 0; ky < 3; ky++)
            for (size_t kx = 0; kx < 3; kx++) {
                const size_t y = stride * oy + ky - pad, px = stride * ox + kx - pad;
                if (y >= Hh || px >= Ww)            /* wraps around: too large */
                    continue;
                const double v = (double)x[((b * Hh + y) * Ww + px) * C + c];
                sum += v;
                most = fmax(most, v);
                n++;
            }
        out[i] = is_mean ? sum / (double)n : most;
    }
}

void ffcl_ref_mean_pixels(double *out, const float *x, size_t B, size_t P, size_t C)
{
    for (size_t i = 0; i < B * C; i++) {
        double sum = 0.0;
        for (size_t p = 0; p < P; p++)
            sum += (double)x[(i / C * P + p) * C + i % C];
        out[i] = sum / (double)P;
    }
}

/* The coordinate is float32, as published: both sides of a whole number are neighbours of other
 * pixels. */
static double place(size_t i, size_t n, size_t R, int rule, size_t *low, size_t *high)
{
    const float scale = (float)n / (float)R;
    float s = (float)i * scale;
    if (rule == 1) {
        const float middle = ((float)i + 0.5f) * scale;
        s = middle - 0.5f < 0.0f ? 0.0f : middle - 0.5f;
    }
    *low = (size_t)s;
    *high = *low + 1 < n ? *low + 1 : n - 1;
    return (double)s - (double)*low;
}

void ffcl_ref_resize(double *out, const unsigned char *bytes, size_t B, size_t Hh, size_t Ww,
                     size_t R, int rule)
{
    for (size_t i = 0; i < B * R * R * 3; i++) {
        const size_t c = i % 3, x = i / 3 % R, y = i / 3 / R % R, b = i / 3 / R / R;
        size_t x0, x1, y0, y1;
        const double fx = place(x, Ww, R, rule, &x0, &x1), fy = place(y, Hh, R, rule, &y0, &y1);
        const unsigned char *image = bytes + b * Hh * Ww * 3 + c;
        const double top = (1.0 - fx) * image[(y0 * Ww + x0) * 3] +
                           fx * image[(y0 * Ww + x1) * 3];
        const double bottom = (1.0 - fx) * image[(y1 * Ww + x0) * 3] +
                              fx * image[(y1 * Ww + x1) * 3];
        const double v = (1.0 - fy) * top + fy * bottom;
        out[i] = rule == 1 ? 2.0 * v / 255.0 - 1.0 : (v - 128.0) / 128.0;
    }
}
