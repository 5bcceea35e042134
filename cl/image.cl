/* SPDX-License-Identifier: MIT
 * Images to bytes, with a check for values that are not finite.
 * Rule 0 (SiT, DiT sample_ddp.py): clamp(127.5 x + 128, 0, 255), truncated.
 * Rule 1 (REPA generate.py): clamp(255 (x + 1) / 2, 0, 255), truncated.
 * Rule 2 (iMF, pMF, diffusers): clamp(255 ((x + 1) / 2), 0, 255), rounded, half to even.
 * x (n) floats, out (n) bytes, any order; bad[bad_at + b] becomes 1 where one of the `each` values
 * of image b is infinite or NaN.  The operations are kept apart as in torch: no fma.
 * One work-item an element. */

__kernel void image_bytes_f32(__global uchar *out, __global int *bad, int bad_at,
                              __global const float *x, int rule, int each, int n)
{
#pragma OPENCL FP_CONTRACT OFF
    int e = get_global_id(0);
    if (e >= n)
        return;
    float v;
    if (rule == 0) {
        v = 127.5f * x[e];
        v = v + 128.0f;
    } else {
        v = x[e] + 1.0f;
        v = 255.0f * v;
        v = v / 2.0f;
    }
    v = clamp(v, 0.0f, 255.0f);
    out[e] = (uchar)(int)(rule == 2 ? rint(v) : v);
    if (!isfinite(x[e]))
        atomic_or(&bad[bad_at + e / each], 1);
}

/* Images by channels to NHWC, as decoders make them: out[b][p][c] = x[b][c][p]; out (B, P, C), x
 * (B, C, P), from its element x_at on; n = B * P * C. */
__kernel void image_channels_last_f32(__global float *out, __global const float *x, int x_at, int C,
                                      int P, int n)
{
    int e = get_global_id(0);
    if (e >= n)
        return;
    int p = e / C, c = e - p * C, b = p / P;
    out[e] = x[(size_t)x_at + ((size_t)b * C + c) * P + p - b * P];
}
