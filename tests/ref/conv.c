/* SPDX-License-Identifier: MIT
 * out[b][y][x][o] = bias[o] + sum over ky, kx, c of in[b][y + ky - k/2][x + kx - k/2][c] *
 * w[o][c][ky][kx] + add[b][y][x][o], with zeros outside the image; w as torch stores it.
 * A window of another kind has kh x kw taps, a stride and a padding of its own.
 * Nearest upsample: out[b][y][x][c] = in[b][y / 2][x / 2][c]. */
#include "ref.h"

/* The sum of one output: in is one image, before a nearest upsample to Hh x Ww by scale; w is one
 * output channel. */
static double tap_sum(const float *in, const float *w, size_t y, size_t x, size_t scale, size_t Hh,
                      size_t Ww, size_t C, size_t k)
{
    double sum = 0.0;
    for (size_t ky = 0; ky < k; ky++)
        for (size_t kx = 0; kx < k; kx++) {
            size_t iy = y + ky - k / 2, ix = x + kx - k / 2;    /* wraps around: too large */
            if (iy >= Hh || ix >= Ww)
                continue;
            const float *pixel = in + (iy / scale * (Ww / scale) + ix / scale) * C;
            for (size_t c = 0; c < C; c++)
                sum += (double)pixel[c] * (double)w[(c * k + ky) * k + kx];
        }
    return sum;
}

double ffcl_ref_conv_at(const float *x, const float *w, const float *bias, const float *add,
                        size_t scale, size_t Hh, size_t Ww, size_t C, size_t Cout, size_t k,
                        size_t index)
{
    const size_t o = index % Cout, px = index / Cout % Ww, py = index / Cout / Ww % Hh;
    const size_t b = index / Cout / Ww / Hh;
    const float *image = x + b * (Hh / scale) * (Ww / scale) * C;
    return (double)bias[o] + tap_sum(image, w + o * C * k * k, py, px, scale, Hh, Ww, C, k) +
           (add ? (double)add[index] : 0.0);
}

void ffcl_ref_conv(double *out, const float *x, const float *w, const float *bias,
                   const float *add, size_t B, size_t Hh, size_t Ww, size_t C, size_t Cout,
                   size_t k)
{
    for (size_t i = 0; i < B * Hh * Ww * Cout; i++)
        out[i] = ffcl_ref_conv_at(x, w, bias, add, 1, Hh, Ww, C, Cout, k, i);
}

void ffcl_ref_upsample_conv(double *out, const float *x, const float *w, const float *bias,
                            const float *add, size_t B, size_t Hh, size_t Ww, size_t C,
                            size_t Cout, size_t k)
{
    for (size_t i = 0; i < 4 * B * Hh * Ww * Cout; i++)
        out[i] = ffcl_ref_conv_at(x, w, bias, add, 2, 2 * Hh, 2 * Ww, C, Cout, k, i);
}

void ffcl_ref_window_conv(double *out, const float *x, const float *w, const float *bias,
                          const ffcl_ref_window *v, size_t B, size_t Hh, size_t Ww, size_t C,
                          size_t Cout)
{
    for (size_t i = 0; i < B * v->OH * v->OW * Cout; i++) {
        const size_t o = i % Cout, ox = i / Cout % v->OW, oy = i / Cout / v->OW % v->OH;
        const float *image = x + i / Cout / v->OW / v->OH * Hh * Ww * C;
        double sum = (double)bias[o];
        for (size_t ky = 0; ky < v->kh; ky++)
            for (size_t kx = 0; kx < v->kw; kx++) {
                const size_t iy = v->stride * oy + ky - v->pad_y;   /* wraps around: too large */
                const size_t ix = v->stride * ox + kx - v->pad_x;
                if (iy >= Hh || ix >= Ww)
                    continue;
                for (size_t c = 0; c < C; c++)
                    sum += (double)image[(iy * Ww + ix) * C + c] *
                           (double)w[((o * C + c) * v->kh + ky) * v->kw + kx];
            }
        out[i] = v->act == 3 && sum < 0.0 ? 0.0 : sum;
    }
}
