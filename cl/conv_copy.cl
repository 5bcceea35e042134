/* SPDX-License-Identifier: MIT
 * The columns of a float32 convolution as rows, for CPUs, where copies of many channels at a time
 * are what is fast:
 *   columns[m][(ky, kx, c)] = x[stride y + dy + ky][stride x + dx + kx][c]
 * of output pixel first + m, zero outside the image.  x (B, H, W, C), columns (M, kh kw C); output
 * pixels are those of OH x OW of an image after another.  One work-item makes a row; VW divides C.
 * No local memory. */
#include "vector.clh"

static inline void copy(__global float *to, __global const float *from, int n)
{
    for (int i = 0; i < n; i += VW)
        STORE_FLOATS(LOAD_FLOATS(from + i), to + i);
}

static inline void clear(__global float *to, int n)
{
    for (int i = 0; i < n; i += VW)
        STORE_FLOATS((vec)(0.0f), to + i);
}

__kernel void im2col_copy_f32(__global float *columns, __global const float *x, int H, int W, int C,
                              int OH, int OW, int kh, int kw, int stride, int dy,
                              int dx, int first, int M)
{
    int m = get_global_id(0);
    if (m >= M)
        return;
    int pixel = first + m, b = pixel / (OH * OW), rest = pixel - b * OH * OW, row = rest / OW;
    int y0 = stride * row + dy, x0 = stride * (rest - row * OW) + dx;
    /* Taps begin .. end of a line lie within the image, next to each other. */
    int begin = clamp(-x0, 0, kw), end = clamp(W - x0, begin, kw);
    __global float *to = columns + (size_t)m * kh * kw * C;
    for (int ky = 0; ky < kh; ky++, to += kw * C) {
        int y = y0 + ky;
        if (y < 0 || y >= H) {
            clear(to, kw * C);
            continue;
        }
        clear(to, begin * C);
        if (begin < end)
            copy(to + begin * C, x + (((size_t)b * H + y) * W + x0 + begin) * C,
                 (end - begin) * C);
        clear(to + end * C, (kw - end) * C);
    }
}
