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
