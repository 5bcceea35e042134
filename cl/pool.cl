/* SPDX-License-Identifier: MIT
 * Pools of NHWC images: 3 x 3 maximum or mean over the pixels inside the image, by `stride`, the
 * first tap at (stride y - pad, stride x - pad); and the mean of all pixels.
 * x (B, H, W, C), out (B, OH, OW, C), pixels out_ld apart from element out_at on, both wide; means
 * (B, C) float32.  Sums are float32, in the order of pixels. */

/* max_or_mean: 0 maximum, 1 mean.  One work-item an element, channels next to each other;
 * n = B OH OW C. */
__kernel void pool_3x3(__global act *out, int out_at, int out_ld, __global const act *x, int H,
                       int W, int C, int OH, int OW, int stride, int pad, int max_or_mean, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int c = e % C, pixel = e / C;
    int b = pixel / (OH * OW), rest = pixel - b * OH * OW, y = rest / OW;
    int y0 = stride * y - pad, x0 = stride * (rest - y * OW) - pad, count = 0;
    __global const act *image = x + (size_t)b * H * W * C + c;
    float v = 0.0f;
    for (int i = max(y0, 0); i < min(y0 + 3, H); i++)
        for (int j = max(x0, 0); j < min(x0 + 3, W); j++) {
            float a = LOAD_ACT(image, ((size_t)i * W + j) * C);
            /* Not by max(), which hides a NaN. */
            if (max_or_mean)
                v += a;
            else
                v = count == 0 || !(a <= v || v != v) ? a : v;
            count++;
        }
    STORE_ACT(out, out_at + (size_t)pixel * out_ld + c, max_or_mean ? v / (float)count : v);
}

/* The same of eight channels a work-item: C, out_at and out_ld are multiples of 8, n = B OH OW
 * C / 8. */
__kernel void pool_3x3_eights(__global act *out, int out_at, int out_ld, __global const act *x,
                              int H, int W, int C, int OH, int OW, int stride, int pad,
                              int max_or_mean, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int c = e % (C / 8) * 8, pixel = e / (C / 8);
    int b = pixel / (OH * OW), rest = pixel - b * OH * OW, y = rest / OW;
    int y0 = stride * y - pad, x0 = stride * (rest - y * OW) - pad;
    int top = max(y0, 0), bottom = min(y0 + 3, H), left = max(x0, 0), right = min(x0 + 3, W);
    size_t image = (size_t)b * H * W * C + c;
    float8 v = max_or_mean ? (float8)(0.0f) : LOAD_ACT8(x, image + ((size_t)top * W + left) * C);
    for (int i = top; i < bottom; i++)
        for (int j = left; j < right; j++) {
            float8 a = LOAD_ACT8(x, image + ((size_t)i * W + j) * C);
            if (max_or_mean)
                v += a;
            else
                v = a <= v || v != v ? v : a;
        }
    if (max_or_mean)
        v /= (float)((bottom - top) * (right - left));
    STORE_ACT8(out, out_at + (size_t)pixel * out_ld + c, v);
}

/* means (B, C), from element `at` on, of P pixels.  One work-item a mean; n = B C. */
__kernel void mean_pixels(__global float *means, int at, __global const act *x, int P, int C, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int b = e / C, c = e - b * C;
    float sum = 0.0f;
    for (int p = 0; p < P; p++)
        sum += LOAD_ACT(x, ((size_t)b * P + p) * C + c);
    means[at + e] = sum / (float)P;
}

/* out (rows, n) float32, from element out_at on, = n columns of x, rows ld apart, from element at
 * on; count = rows n. */
__kernel void take_columns(__global float *out, int out_at, __global const act *x, int at, int ld,
                           int n, int count)
{
    int e = get_global_id(0);
    if (e < count)
        out[out_at + e] = LOAD_ACT(x, at + (size_t)(e / n) * ld + e % n);
}
