/* SPDX-License-Identifier: MIT
 * The decoder's first convolution (conv_in of diffusers' AutoencoderKL), which reads latents by
 * channel as SiT leaves them, with the 1 x 1 convolution before it (post_quant_conv):
 *   out[b][y][x][o] = bias[o] + sum over ky, kx, c of
 *                     q[b][y + ky - side/2][x + kx - side/2][c] W[(ky, kx, c)][o],
 * zero outside the image, where
 *   q[b][y][x][c] = factor latent[first + b][c][y][x], or with has_point
 *   q[b][y][x][c] = point_bias[c] + sum over i of factor latent[first + b][i][y][x] point[i][c]
 * latent (., C, R, R); the latent of image `first` begins at element `at`; W (side*side*C, N),
 * point (C, C), out act (B, R, R, N), M = B*R*R.
 * A work-item has VEC outputs of PIXELS pixels, whose q pass through local memory, CHUNK of their
 * taps and channels at a time.  VEC 4: N is a multiple of 4.  Local memory: CHUNK PIXELS floats.
 * Global (N / VEC rounded up, ceil(M / PIXELS)), local (any, 1). */
#ifndef PIXELS
#define PIXELS 8
#endif
#ifndef VEC
#define VEC 4
#endif
enum { CHUNK = 64 };

#if VEC == 4
typedef float4 vec;
#define STORE_VEC(p, i, v) STORE_ACT4(p, i, v)
#else
typedef float vec;
#define STORE_VEC(p, i, v) STORE_ACT(p, i, v)
#endif

/* q of channel c; in: the pixel in the plane of channel 0; a plane has P pixels. */
static inline float q_of(__global const float *in, int c, int C, int P, float factor,
                            __global const float *point, __global const float *point_bias,
                            int has_point)
{
    if (!has_point)
        return in[c * P] * factor;
    float sum = 0.0f;
    for (int i = 0; i < C; i++)
        sum += in[i * P] * factor * point[i * C + c];
    return sum + point_bias[c];
}

__kernel IN_REGISTERS
void latent_conv(__global act *out, __global const float *latent, int at, float factor,
                 __global const float *point, __global const float *point_bias,
                 int has_point, __global const vec *w, __global const vec *bias, int C,
                 int R, int side, int N, int M)
{
    __local float q[CHUNK * PIXELS];
    int column = get_global_id(0), columns = N / VEC, m0 = get_group_id(1) * PIXELS;
    int K = side * side * C, P = R * R, kept = min(column, columns - 1);
    vec sum[PIXELS];
#pragma unroll
    for (int i = 0; i < PIXELS; i++)
        sum[i] = 0.0f;
    for (int k0 = 0; k0 < K; k0 += CHUNK) {
        int n = min((int)CHUNK, K - k0);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int e = get_local_id(0); e < n * PIXELS; e += get_local_size(0)) {
            int tap = (k0 + e / PIXELS) / C, c = (k0 + e / PIXELS) % C;
            int m = min(m0 + e % PIXELS, M - 1), b = m / P, y = (m - b * P) / R, x = m % R;
            y += tap / side - side / 2;
            x += tap % side - side / 2;
            __global const float *in = latent + at + (size_t)b * C * P + y * R + x;
            q[e] = x >= 0 && x < R && y >= 0 && y < R
                       ? q_of(in, c, C, P, factor, point, point_bias, has_point) : 0.0f;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (int k = 0; k < n; k++) {
            vec part = w[(size_t)(k0 + k) * columns + kept];
#pragma unroll
            for (int i = 0; i < PIXELS; i++)
                sum[i] += q[k * PIXELS + i] * part;
        }
    }
    if (column >= columns)
        return;
#pragma unroll
    for (int i = 0; i < PIXELS; i++)
        if (m0 + i < M)
            STORE_VEC(out, (size_t)(m0 + i) * N + column * VEC, sum[i] + bias[column]);
}
