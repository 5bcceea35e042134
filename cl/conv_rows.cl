/* SPDX-License-Identifier: MIT
 * The columns of a convolution as rows, which a GEMM of half operands reads:
 *   columns[m][(ky, kx, c)] = x[stride y + dy + ky][stride x + dx + kx][c] of output pixel m, zero
 * outside the image and from column K = kh kw C on.
 * x (B, H, W, C) from element x_at on, columns (M, ld), ld a multiple of 8; output pixels are those
 * of OH x OW of an image after another.  One work-item makes 8 columns of a row; n = M ld / 8. */

__kernel void im2col_rows(__global act *columns, __global const act *x, int x_at, int H, int W,
                          int C, int OH, int OW, int kw, int stride, int dy, int dx, int K, int ld,
                          int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int m = e / (ld / 8), k = (e - m * (ld / 8)) * 8;
    int b = m / (OH * OW), rest = m - b * OH * OW, row = rest / OW;
    int y0 = stride * row + dy, x0 = stride * (rest - row * OW) + dx;
    __global const act *image = x + x_at + (size_t)b * H * W * C;
    float v[8];
    for (int i = 0; i < 8; i++) {
        int tap = (k + i) / C, c = k + i - tap * C;
        int iy = y0 + tap / kw, ix = x0 + tap % kw;
        int inside = k + i < K && iy >= 0 && iy < H && ix >= 0 && ix < W;
        v[i] = inside ? LOAD_ACT(image, ((size_t)iy * W + ix) * C + c) : 0.0f;
    }
    STORE_ACT8(columns, (size_t)m * ld + k, vload8(0, v));
}
