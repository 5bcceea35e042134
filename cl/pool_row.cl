/* SPDX-License-Identifier: MIT
 * The 3 x 3 pool of pool.cl for CPUs: one work-item an output pixel, channels in vectors of VW
 * (VW divides C).  The same sums, in the same order.  No local memory. */
#include "vector.clh"

__kernel void pool_3x3_row(__global act *out, int out_at, int out_ld, __global const act *x, int H,
                           int W, int C, int OH, int OW, int stride, int pad, int max_or_mean,
                           int n)
{
    int pixel = get_global_id(0);
    if (pixel >= n)
        return;
    int b = pixel / (OH * OW), rest = pixel - b * OH * OW, y = rest / OW;
    int y0 = stride * y - pad, x0 = stride * (rest - y * OW) - pad;
    int top = max(y0, 0), bottom = min(y0 + 3, H), left = max(x0, 0), right = min(x0 + 3, W);
    float count = (float)((bottom - top) * (right - left));
    __global const act *image = x + (size_t)b * H * W * C;
    __global act *to = out + out_at + (size_t)pixel * out_ld;
    for (int c = 0; c < C; c += VW) {
        vec v = max_or_mean ? (vec)(0.0f) : LOAD(image + ((size_t)top * W + left) * C + c);
        for (int i = top; i < bottom; i++)
            for (int j = left; j < right; j++) {
                vec a = LOAD(image + ((size_t)i * W + j) * C + c);
                /* Not by max(), which hides a NaN. */
                if (max_or_mean)
                    v += a;
                else
                    v = a <= v || v != v ? v : a;
            }
        STORE(max_or_mean ? v / count : v, to + c);
    }
}
