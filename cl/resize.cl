/* SPDX-License-Identifier: MIT
 * RGB bytes to the input of an Inception network: bilinear to R x R, then (v - 128) / 128 or
 * 2 v / 255 - 1.  bytes (B, H, W, 3) from element `at` on, out (B, R, R, 3), wide.
 * rule 0, as TensorFlow 1's ResizeBilinear: pixel i reads at  s = i (n / R)  with neighbours
 *   floor(s) and the next, and goes from one to the other by  a + (b - a) f,  x first.
 * rule 1, as torch's interpolate without align_corners:  s = max((i + 0.5) (n / R) - 0.5, 0),  of
 *   bytes / 255, as  (1 - f) a + f b.
 * n / R is one float32 division; the operations are kept apart, no fma.  One work-item a pixel, of
 * `count` = B R R. */

/* Where output i reads: the lower neighbour, the upper, and the way from one to the other. */
static inline float place(int i, float scale, int n, int rule, int *low, int *high)
{
#pragma OPENCL FP_CONTRACT OFF
    float s = (float)i * scale;
    if (rule == 1) {
        s = ((float)i + 0.5f) * scale;
        s = fmax(s - 0.5f, 0.0f);
    }
    *low = min((int)s, n - 1);
    *high = min(*low + 1, n - 1);
    return s - (float)*low;
}

static inline float mix_of(float a, float b, float f, int rule)
{
#pragma OPENCL FP_CONTRACT OFF
    if (rule == 1) {
        float x = (1.0f - f) * a, y = f * b;
        return x + y;
    }
    float way = (b - a) * f;
    return a + way;
}

__kernel void resize_bytes(__global act *out, __global const uchar *bytes, int at, int H, int W,
                           int R, float scale_y, float scale_x, int rule, int count)
{
#pragma OPENCL FP_CONTRACT OFF
    int e = get_global_id(0);
    if (e >= count)
        return;
    int b = e / (R * R), rest = e - b * R * R, y = rest / R, x = rest - y * R;
    int y0, y1, x0, x1;
    float fy = place(y, scale_y, H, rule, &y0, &y1), fx = place(x, scale_x, W, rule, &x0, &x1);
    __global const uchar *image = bytes + at + (size_t)b * H * W * 3;
    for (int c = 0; c < 3; c++) {
        float p[4] = {image[((size_t)y0 * W + x0) * 3 + c], image[((size_t)y0 * W + x1) * 3 + c],
                      image[((size_t)y1 * W + x0) * 3 + c], image[((size_t)y1 * W + x1) * 3 + c]};
        if (rule == 1)
            for (int i = 0; i < 4; i++)
                p[i] /= 255.0f;
        float v = mix_of(mix_of(p[0], p[1], fx, rule), mix_of(p[2], p[3], fx, rule), fy, rule);
        if (rule == 1) {
            v = 2.0f * v;
            v = v - 1.0f;
        } else {
            v = (v - 128.0f) / 128.0f;
        }
        STORE_ACT(out, (size_t)e * 3 + c, v);
    }
}
